"""Compiled code on disk: reused, never trusted when damaged, bounded, shared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retrograd.compiler import store

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")

PROGRAM = """
import retrograd as rg
from retrograd.compiler import jit
made = []
real = jit.compile_texts
jit.compile_texts = lambda *texts: (made.append(1), real(*texts))[1]
x = rg.arange(5.0)
assert (x.exp() + x).sum().item() > 90
print(len(made))
"""


def run(folder: Path) -> Any:
    env = os.environ | {"RETROGRAD_CACHE": str(folder), "RETROGRAD_EXECUTOR": "native"}
    source = str(Path(store.__file__).parents[2])
    env["PYTHONPATH"] = source + os.pathsep + env.get("PYTHONPATH", "")
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, text=True
    )


def compiled(process: Any) -> int:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return int(out)


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    assert compiled(run(tmp_path)) > 0
    assert list(tmp_path.glob("*.o"))
    assert compiled(run(tmp_path)) == 0


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign"])
def test_damaged_files_are_made_anew(tmp_path: Path, damage: str) -> None:
    count = compiled(run(tmp_path))
    for path in tmp_path.glob("*.o"):
        data = path.read_bytes()
        path.write_bytes({
            "cut": data[: len(data) // 2],
            "changed": data[:-1] + bytes([data[-1] ^ 1]),
            "empty": b"",
            "foreign": b"\\x7fELF" + data,
        }[damage])  # fmt: skip
    assert compiled(run(tmp_path)) == count
    assert compiled(run(tmp_path)) == 0


LOOP = """
import sys
import retrograd as rg
from retrograd.compiler import jit
made = []
real = jit.compile_texts
jit.compile_texts = lambda *texts: (made.append(1), real(*texts))[1]
if "engine" in sys.argv:
    from retrograd.compiler import elf
    elf.POSSIBLE = False
rg.manual_seed(0)
model = rg.nn.Sequential(rg.nn.Linear(6, 16), rg.nn.ReLU(), rg.nn.Linear(16, 4))
optimizer = rg.optim.Adam(model.parameters(), lr=0.01)
x, y = rg.randn(8, 6), rg.tensor([0, 1, 2, 3] * 2)
for _ in range(12):
    optimizer.zero_grad()
    loss = rg.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item().hex())
print(len(made), "llvmlite" in sys.modules, file=sys.stderr)
plan = rg.plans()[0]
print(len(plan.explain(measure=False).kernels), plan.whole)
"""


def loop(folder: Path, *words: str, **env: str) -> tuple[str, int, bool]:
    """What it prints, how often something was compiled, whether LLVM was needed."""
    source = str(Path(store.__file__).parents[2])
    found = subprocess.run(
        [sys.executable, "-c", LOOP, *words],
        env=os.environ
        | {"RETROGRAD_CACHE": str(folder), "RETROGRAD_EXECUTOR": "auto"}
        | {"PYTHONPATH": source + os.pathsep + os.environ.get("PYTHONPATH", "")}
        | env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    count, needed = found.stderr.split()
    return found.stdout, int(count), needed == "True"


def test_a_plan_is_found_again(tmp_path: Path) -> None:
    first, compiled_, _ = loop(tmp_path)
    assert compiled_ > 0 and list(tmp_path.glob("*.plan"))
    again, compiled_, needed = loop(tmp_path)
    assert compiled_ == 0 and again == first
    assert needed is (sys.platform != "linux")
    # code and plan are of no use without the other
    for kind in ("*.plan", "*.o"):
        for path in tmp_path.glob(kind):
            path.unlink()
        again, _, _ = loop(tmp_path)
        assert again == first


@pytest.mark.parametrize("damage", [b"", b"{}", store.MARK])
def test_a_damaged_plan_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    first, _, _ = loop(tmp_path)
    for path in tmp_path.glob("*.plan"):
        path.write_bytes(damage)
    again, _, _ = loop(tmp_path)
    assert again == first
    assert all(path.read_bytes() != damage for path in tmp_path.glob("*.plan"))


def test_code_in_parts_and_in_llvms_own_loader(tmp_path: Path) -> None:
    one, _, _ = loop(tmp_path / "one", OMP_NUM_THREADS="1")
    parts, _, _ = loop(tmp_path / "parts", OMP_NUM_THREADS="3")
    engine, _, _ = loop(tmp_path / "parts", "engine", OMP_NUM_THREADS="3")
    assert one == parts == engine


def test_processes_at_once(tmp_path: Path) -> None:
    processes = [run(tmp_path) for _ in range(3)]
    assert all(compiled(p) >= 0 for p in processes)
    assert compiled(run(tmp_path)) == 0


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert compiled(run(tmp_path / "file" / "below")) > 0


def test_the_least_recently_used_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETROGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "LIMIT", 3500)
    for i, name in enumerate("abc"):
        store.write(name, bytes(1000), "o")
        os.utime(tmp_path / f"{name}.o", (i, i))
    assert store.read("a", "o") == bytes(1000)  # now the newest
    store.write("d1", b"", "o")  # one name in sixteen looks at all files
    assert (tmp_path / "b.o").exists()
    store.write("d0", bytes(1000), "o")
    assert {p.stem for p in tmp_path.glob("*.o")} == {"a", "c", "d1", "d0"}
    assert store.clear() == 4 and store.read("a", "o") is None
