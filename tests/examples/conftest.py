"""Runs a program of examples/ in its short form, and keeps it to its form."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import retrograd as rg
from retrograd.experiment import Report, save

FOLDER = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    """The program as a module, under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        f"example_{name}", FOLDER / f"{name}.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


class Ran:
    """One short run: the program, its report, its numbers."""

    def __init__(self, name: str, path: Path, seed: int = 0, **how: Any) -> None:
        self.module = load(name)
        self.report = Report(quiet=True)
        rg.manual_seed(seed)
        self.numbers = self.module.run(self.report, seed=seed, quick=True, **how)
        if importlib.util.find_spec("matplotlib") and hasattr(self.module, "draw"):
            assert save(self.module.draw, self.numbers, path / "figure.png")
            assert (path / "figure.png").stat().st_size > 5000

    def holds(self) -> None:
        """Every claim that the program makes is borne out."""
        assert self.report.verdicts
        failed = [claim for claim, holds in self.report.verdicts.items() if not holds]
        assert not failed


@pytest.fixture
def program() -> Any:
    """A module of examples/ by its name."""
    return load


@pytest.fixture
def short_run(tmp_path: Path) -> Any:
    return lambda name, **how: Ran(name, tmp_path, **how)
