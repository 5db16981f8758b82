"""An interrupted training goes on as if it had not been interrupted, or says why not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.train import DataError, Run, Settings, read
from retrograd.train.fit import Silent
from retrograd.train.resume import NAME, read_standing, refuse_other, refuse_other_data


class Impatient(Silent):
    """Asks to stop at a step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)


def table(folder: Path, rows: int = 120) -> Path:
    folder.mkdir(exist_ok=True)
    x = np.random.default_rng(3).normal(size=(rows, 3))
    lines = (f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a > b * c else 'no'}" for a, b, c in x)
    path = folder / "t.csv"
    path.write_text("a,b,c,k\n" + "\n".join(lines) + "\n")
    return path


def begun(data: Path, folder: Path, settings: dict[str, Any]) -> Run:
    folder.mkdir()
    return Run.prepare(read(str(data)), Settings(**settings), folder)


def resumed(data: Path, folder: Path) -> Run:
    state = read_standing(folder)
    run = Run.prepare(read(str(data), state["choices"]), state["settings"], folder)
    run.train(None, state)
    return run


def rows_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "seconds"} for x in lines]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 8, "dropout": 0.2, "batch_size": 16},
        {"epochs": 8, "optimizer": "adagrad", "schedule": "onecycle"},
        {"epochs": 12, "optimizer": "sgd", "schedule": "plateau", "patience": 4},
    ],
    ids=lambda s: s.get("schedule", "usual"),
)
@pytest.mark.parametrize("stop", [1, 11])
def test_a_resumed_training_is_the_uninterrupted_one(
    settings: dict[str, Any], stop: int, tmp_path: Path
) -> None:
    data = table(tmp_path)
    whole = begun(data, tmp_path / "whole", settings)
    whole.train()
    assert not (tmp_path / "whole" / NAME).exists()
    cut = begun(data, tmp_path / "cut", settings)
    cut.train(Impatient(stop))
    assert cut.stopped == signal.SIGINT and len(cut.history) < len(whole.history)
    rg.manual_seed(77)  # what else the process draws is nothing to it
    rest = resumed(data, tmp_path / "cut")
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(value.numpy(), rest.weights[name].numpy())
    assert not (tmp_path / "cut" / NAME).exists()
    with pytest.raises(DataError, match=r"begin anew"):
        read_standing(tmp_path / "cut")


def test_other_options_and_other_data_are_refused(tmp_path: Path) -> None:
    data = table(tmp_path)
    run = begun(data, tmp_path / "run", {"epochs": 30, "layers": (8, 4)})
    run.train(Impatient(9))
    state = read_standing(tmp_path / "run")
    refuse_other(state, {"epochs": 30, "layers": (8, 4), "seed": 0, "drop": ()})
    refuse_other_data(state, read(str(data)))
    for given, words in (
        ({"lr": 0.5}, r"--lr 0\.5: the run was begun with 0\.004"),
        ({"layers": (8,)}, "--layers 8: the run was begun with 8,4"),
        ({"target": "a"}, "--target 'a': the run was begun without it"),
        ({"batch_size": 7}, "--batch-size 7: the run was begun with"),
    ):
        with pytest.raises(DataError, match=words):
            refuse_other(state, given)
    other = table(tmp_path / "other", rows=121)
    with pytest.raises(DataError, match="does not hold what the run was begun with"):
        refuse_other_data(state, read(str(other)))
    file = tmp_path / "run" / NAME
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ValueError, match="cut short"):
        read_standing(tmp_path / "run")


def test_a_killed_training_is_resumed_from_the_command_line(tmp_path: Path) -> None:
    table(tmp_path)
    left = tmp_path / "runs" / "r-1"

    def started(*options: str) -> Any:
        return subprocess.Popen(
            [sys.executable, "-m", "retrograd", "train", *options],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    long = ("--epochs", "100000", "--patience", "100000")
    killed = started("t.csv", *long, "--name", "r")
    while not (left / NAME).exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    for options, words in (
        (("--seed", "1"), "--seed 1: the run was begun with 0"),
        (("--name", "s"), "--name does not go with --resume"),
    ):
        refused = started("--resume", "runs/r-1", *options)
        told = refused.communicate()[1]
        assert refused.returncode == 2 and told.count("\n") == 1 and words in told
    again = started("--resume", "runs/r-1", *long)  # the same options may be repeated
    assert again.stderr.readline().startswith("epoch ")
    again.send_signal(signal.SIGINT)
    out, _ = again.communicate()
    assert again.returncode == 130 and "retrograd train --resume runs/r-1" in out
    *epochs, judged = rows_of(left)
    assert [row["epoch"] for row in epochs] == [*range(1, len(epochs) + 1)]
    assert "test_accuracy" in judged
