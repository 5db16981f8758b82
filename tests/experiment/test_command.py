"""The command that a program of an experiment becomes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = '''"""About nothing.

It is a program of the tests.
"""

import retrograd as rg
from retrograd.experiment import curves, main


def run(report, seed, quick):
    drawn = rg.rand(3).tolist()
    report.verdict("seeds are obeyed", True, f"{seed} {quick} {drawn[0]:.6f}")
    return {"drawn": drawn}


def draw(figure, drawn):
    curves(figure.subplots(), range(3), {"line": drawn, "band": [drawn, drawn[::-1]]})
'''


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "nothing.py"
    path.write_text(PROGRAM, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("nothing_of_tests", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "nothing_of_tests", module)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    return lambda *words: module.main(module.run, module.draw, words)


def test_it_says_what_it_is_about_and_writes_its_figure(
    nothing: Any, capsys: Any
) -> None:
    pytest.importorskip("matplotlib", reason="figures need the extra [examples]")
    nothing()
    told, took = capsys.readouterr()
    assert told.startswith("About nothing.\n\nIt is a program of the tests.\n\nHolds: ")
    assert told.endswith("figure: nothing.png\n") and "processor time" in took
    assert Path("nothing.png").stat().st_size > 5000


def test_seeds_and_form_reach_the_program(nothing: Any, capsys: Any) -> None:
    nothing("--figure", "", "--seed", "3")
    first = capsys.readouterr().out
    nothing("--figure", "", "--seed", "3")
    assert capsys.readouterr().out == first
    assert "measured: 3 False 0." in first and "figure:" not in first
    nothing("--figure", "", "--quick")
    assert "measured: 0 True 0." in capsys.readouterr().out
    assert not Path("nothing.png").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--figure", "no/such/folder.png"), "no folder"),
        (("--figure", "picture.xyz"), "should end in"),
        (("--seed", "-1"), "-1 is negative"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(
    nothing: Any, capsys: Any, words: tuple[str, ...], why: str
) -> None:
    pytest.importorskip("matplotlib", reason="figures need the extra [examples]")
    with pytest.raises(SystemExit) as stopped:
        nothing(*words)
    told, error = capsys.readouterr()
    assert stopped.value.code == 2 and told == "" and why in error
