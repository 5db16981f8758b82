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
real = jit.compile_text
jit.compile_text = lambda text: (made.append(1), real(text))[1]
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
        store.write(name, bytes(1000))
        os.utime(tmp_path / f"{name}.o", (i, i))
    assert store.read("a") == bytes(1000)  # now the newest
    store.write("d1", b"")  # one name in sixteen looks at all files
    assert (tmp_path / "b.o").exists()
    store.write("d0", bytes(1000))
    assert {p.stem for p in tmp_path.glob("*.o")} == {"a", "c", "d1", "d0"}
    assert store.clear() == 4 and store.read("a") is None
