"""C10: the lecture programs run as written with only the import changed, and give
PyTorch's numbers when they start from the same weights and batches."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = Path(__file__).parents[2] / "examples" / "lectures"
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="comparisons with PyTorch are skipped: it is not installed",
)
both_types = pytest.mark.parametrize("dtype", TOLERANCE)


def close(mine: Any, theirs: Any, dtype: str) -> None:
    """Within the type's tolerance of the largest number there is."""
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    assert mine.shape == theirs.shape
    assert mine.dtype == theirs.dtype
    scale = float(np.abs(theirs).max(initial=0.0))
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("program", sorted(p.stem for p in PROGRAMS.glob("*.py")))
def test_program_runs_by_itself(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAMS / f"{program}.py")],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_slides_training_learns(run_program: Any) -> None:
    run = run_program("retrograd", "slides_training")
    history = run.names["history"]
    assert len(history) == 100
    assert history[-1] < 0.6 * history[0]
    rate = run.names["optimizer"].param_groups[0]["lr"]
    assert rate == pytest.approx(0.01 * 0.5**10)


@both_types
def test_reading_gradients_at_every_step_changes_nothing(
    run_program: Any, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two executors round differently: one of them from the first step on.
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "interpreter")
    plain = run_program("retrograd", "slides_training", dtype)
    watched = run_program("retrograd", "slides_training", dtype, watch=True)
    assert plain.names["history"] == watched.names["history"]
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        np.testing.assert_array_equal(one, other)


@needs_torch
@both_types
def test_slides_training_is_pytorchs(run_program: Any, dtype: str) -> None:
    mine = run_program("retrograd", "slides_training", dtype, watch=True)
    theirs = run_program("torch", "slides_training", dtype, watch=True)
    close(mine.names["history"], theirs.names["history"], dtype)
    assert len(mine.gradients) == len(theirs.gradients) == 1000
    # Late in training, at a rate near zero, a unit may rest on the kink of its ReLU: in
    # float32 the two libraries' roundings then fall on either side of it.
    steps = 1000 if dtype == "float64" else 500
    for at_step in zip(mine.gradients[:steps], theirs.gradients[:steps], strict=True):
        for g, expected in zip(*at_step, strict=True):
            close(g, expected, dtype)
    for w, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        close(w, expected, dtype)


@needs_torch
@both_types
def test_mynet_is_pytorchs(run_program: Any, dtype: str) -> None:
    mine = run_program("retrograd", "mynet", dtype)
    theirs = run_program("torch", "mynet", dtype)
    assert mine.printed == theirs.printed
    for name in ("out", "cost"):
        close(mine.array(name), theirs.array(name), dtype)
    grads = [
        [p.grad.numpy() for p in (*r.names["model"].parameters(), r.names["image"])]
        for r in (mine, theirs)
    ]
    for g, expected in zip(*grads, strict=True):
        close(g, expected, dtype)


@needs_torch
@both_types
def test_autograd_tour_is_pytorchs(run_program: Any, dtype: str) -> None:
    mine = run_program("retrograd", "autograd_tour", dtype)
    theirs = run_program("torch", "autograd_tour", dtype)
    for name in ("loss", "first_gradient", "accumulated", "by_hand"):
        close(mine.array(name), theirs.array(name), dtype)
    for w, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        close(w, expected, dtype)
    number = re.compile(r"[+-]?\d+\.\d+")
    # The story it tells is the same; the last digits printed may differ.
    assert number.sub("#", mine.printed) == number.sub("#", theirs.printed)


@needs_torch
def test_toy_function_is_pytorchs(run_program: Any) -> None:
    mine = run_program("retrograd", "toy_function")
    theirs = run_program("torch", "toy_function")
    for name in ("beta", "omega"):
        grads = [r.names[name].grad.numpy() for r in (mine, theirs)]
        close(*grads, "float64")
