"""The command line, as processes: what it leaves, and one line for every mistake."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "retrograd"]


def run(*args, cwd):
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    return run("train", cwd=folder), folder


def test_train_alone_learns_the_digits(digits):
    done, folder = digits
    assert done.returncode == 0, done.stderr
    left = folder / "runs" / "digits-1"
    rows = [
        json.loads(line) for line in (left / "metrics.jsonl").read_text().splitlines()
    ]
    *epochs, judged = rows
    assert judged["test_accuracy"] >= 0.97
    best = min(epochs, key=lambda r: r["val_loss"])
    assert judged["best_epoch"] == best["epoch"]
    # what judges was not looked at before the end
    assert not any(key.startswith("test") for row in epochs for key in row)
    assert "epoch 1/" in done.stderr and str(Path("runs", "digits-1")) in done.stdout


def test_the_report_needs_nothing_else(digits):
    page = (digits[1] / "runs" / "digits-1" / "report.html").read_text()
    assert page.count("<svg") > 2 and "Confusion" in page
    for outside in ('src="http', 'href="http', "<script", "@import"):
        assert outside not in page


def test_a_second_run_gets_a_folder_of_its_own(digits):
    assert run("train", "--epochs", 1, cwd=digits[1]).returncode == 0
    assert (digits[1] / "runs" / "digits-2" / "model.safetensors").exists()


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "flowers.csv"
    with open(path, "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["width", "colour", "kind"])
        for _ in range(120):
            colour = ["red", "blue"][int(rng.integers(2))]
            width = rng.normal() + (3 if colour == "red" else 0)
            writer.writerow(
                [f"{width:.3f}", colour, "rose" if width > 1.5 else "<b>iris</b>"]
            )
    return path


def test_a_table_with_words_is_learned_and_predicted(table, tmp_path):
    done = run("train", table, "--epochs", 30, "--name", "f", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "runs" / "f-1" / "report.html").read_text()
    assert "<b>iris</b>" not in page and "&lt;b&gt;iris" in page
    done = run("predict", "runs/f-1", table, "--out", "p.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "p.csv") as f, open(table) as g:
        predicted, truth = list(csv.DictReader(f)), list(csv.DictReader(g))
    right = sum(p["kind"] == t["kind"] for p, t in zip(predicted, truth, strict=True))
    assert right >= 110


def test_regression_is_told_from_the_target(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    np.savez(tmp_path / "r.npz", X=x, y=x @ [1.0, -2.0, 0.5] + 7)
    done = run("train", "r.npz", "--epochs", 60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "runs" / "r-1" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["test_r2"] > 0.95


def test_images_in_folders(tmp_path):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(2)
    for name, low in (("dark", 0), ("light", 150)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(low, low + 90, (12, 14, 3)).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "d" / name / f"{i}.png")
    done = run("train", "d", "--epochs", 8, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("predict", "runs/d-1", "d/light", cwd=tmp_path)
    assert done.stdout.count(",light,") == 12
    (tmp_path / "d" / "dark" / "x.png").write_bytes(b"\x89PNG broken")
    done = run("train", "d", cwd=tmp_path)
    assert done.returncode == 2 and "x.png" in done.stderr


BAD = {
    "empty": ("", "empty"),
    "header only": ("a,b\n", "no rows"),
    "ragged": ("a,b\n1,2\n3\n", "line 3"),
    "not a number": ("a,b\n" + "1,2\n" * 9 + "x,2\n", "'x'"),
    "missing cell": ("a,b\n1,2\n,3\n4,5\n", "empty"),
    "nan": ("a,b\n1,2\nnan,3\n4,5\n5,1\n6,7\n", "nan"),
    "one class": ("a,b\n" + "1,x\n" * 9, "one class"),
    "one column": ("b\n1\n2\n", "one column"),
    "two of a name": ("a,a,b\n" + "1,2,x\n3,4,y\n" * 9, "two columns are named 'a'"),
    "too large": ("a,b\n" + "1.7e308,x\n1.6e308,y\n" * 9, "too large"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_get_one_line(name, tmp_path):
    text, expected = BAD[name]
    (tmp_path / "t.csv").write_text(text)
    done = run("train", "t.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr and not list(tmp_path.glob("runs/*"))


def test_other_mistakes_get_one_line(table, tmp_path):
    for args, expected in (
        (("train", "none.csv"), "does not exist"),
        (("train", table, "--target", "size"), "'width', 'colour', 'kind'"),
        (("train", table, "--layers", "a"), "128,64"),
        (("train", table, "--epochs", "0"), "epochs"),
        (("train", table, "--lr", "nan"), "'--lr': 'nan' is not a number"),
        (("train", table, "--holdout", "nan"), "'--holdout'"),
        (("train", table, "--out", table), "cannot write"),
        (("predict", "nowhere", table), "does not exist"),
    ):
        done = run(*args, cwd=tmp_path)
        assert done.returncode == 2, args
        assert expected in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_damaged_and_hostile_models_are_refused(digits, table, tmp_path):
    whole = (digits[1] / "runs" / "digits-1" / "model.safetensors").read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    about = json.loads(header["__metadata__"]["retrograd.model"])
    about["architecture"][1]["out_features"] = 1 << 27
    header["__metadata__"]["retrograd.model"] = json.dumps(about)
    huge = json.dumps(header).encode()
    for name, data in {
        "short": whole[:1000],
        "cut": whole[: len(whole) // 2],
        "text": b"hello, world, this is no model",
        "pickle": b"\x80\x04\x95" + bytes(40),
        "lies": (1 << 60).to_bytes(8, "little") + whole[8:],
        "huge": len(huge).to_bytes(8, "little") + huge + whole[8 + size :],
    }.items():
        (tmp_path / name).write_bytes(data)
        done = run("predict", name, table, cwd=tmp_path)
        assert done.returncode == 2, name
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, (
            done.stderr
        )


def test_ctrl_c_keeps_the_best_model(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "train", "--epochs", "5000", "--patience", "5000"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stderr:
        if line.startswith("epoch 1/"):
            break
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "best model so far" in out
    assert (tmp_path / "runs" / "digits-1" / "report.html").exists()


SAVER = """
import sys
import retrograd as rg
from retrograd.io import save_safetensors
k = 0
while True:
    save_safetensors({"w": rg.full((20000,), float(k))}, sys.argv[1])
    print(k, flush=True)
    k += 1
"""


def test_a_kill_leaves_the_old_file_or_the_new(tmp_path):
    from retrograd.io import load_safetensors

    path = tmp_path / "w.safetensors"
    for delay in (0.0, 0.003, 0.011):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True
        )
        for line in process.stdout:
            if line.strip() == "5":
                break
        time.sleep(delay)
        process.kill()
        process.communicate()
        w = load_safetensors(path)[0]["w"].numpy()
        assert w[0] >= 5 and (w == w[0]).all()


def test_watched_programs_fail_as_python_says(tmp_path):
    for text, expected in {
        "import sys\nprint(sys.argv)\n1 / 0\n": 'File "p.py", line 3, in <module>',
        "def f(:\n": "SyntaxError",
    }.items():
        (tmp_path / "p.py").write_text(text)
        done = run("watch", "p.py", "--own", cwd=tmp_path)
        plain = subprocess.run(
            [sys.executable, "p.py", "--own"],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == plain.returncode == 1
        assert done.stdout == plain.stdout and expected in done.stderr
        assert done.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]
        assert "runpy" not in done.stderr and "retrograd/" not in done.stderr
