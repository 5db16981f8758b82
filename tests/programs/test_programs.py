"""Whole programs, written for PyTorch and run with only the import changed: from the
same weights they follow its losses to eight digits and end in the same place."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
PROGRAMS = ["lstm_tagger", "transformer_classifier", "small_gpt", "small_resnet"]
#: the least share that ``result`` has to reach, so that there is something to learn
LEAST = {
    "lstm_tagger": 0.85,
    "transformer_classifier": 0.8,
    "small_gpt": 0.2,
    "small_resnet": 0.7,
}


def loaded(program: str, library: str) -> dict[str, Any]:
    """The names of the program's text with *library* in the place of retrograd."""
    text = (HERE / f"{program}.py").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": program}
    source = text.replace("retrograd", library)
    sys.modules[program] = type(sys)(program)  # dataclasses look for it
    try:
        exec(compile(source, f"{program} with {library}", "exec"), names)
    finally:
        del sys.modules[program]
    return names


#: machine code is made where that is quick
RUNS = [(program, "interpreter") for program in PROGRAMS] + [("small_resnet", "auto")]


@pytest.mark.parametrize(("program", "executor"), RUNS)
def test_losses_are_pytorchs(
    program: str, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
    torch = pytest.importorskip(
        "torch", reason="comparisons with PyTorch are skipped: it is not installed"
    )
    found = []
    start: Any = None
    for library in ("torch", "retrograd"):
        lib = importlib.import_module(library)
        before = lib.get_default_dtype()
        lib.set_default_dtype(lib.float64)
        try:
            names = loaded(program, library)
            torch.manual_seed(0)
            model = names["build"]()
            if start is None:
                state = model.state_dict()
                start = {k: v.numpy().copy() for k, v in state.items()}
            else:
                assert list(model.state_dict()) == list(start)
                assert not any(model.load_state_dict(start))
            losses = names["train"](model)
            share, details = names["result"](model)
            end = {k: v.numpy().copy() for k, v in model.state_dict().items()}
        finally:
            lib.set_default_dtype(before)
        found.append((losses, share, details, end))
    (theirs, share, details, end), (mine, own_share, own_details, own_end) = found
    np.testing.assert_allclose(mine, theirs, rtol=1e-8)
    assert own_share == pytest.approx(share, rel=1e-8)
    assert share >= LEAST[program] and theirs[-1] < 0.7 * theirs[0]
    if isinstance(details, str):
        assert own_details == details
    else:
        np.testing.assert_allclose(
            np.array(own_details), np.array(details), rtol=1e-7, atol=1e-9
        )
    for name, value in end.items():
        np.testing.assert_allclose(
            own_end[name], value, rtol=1e-6, atol=1e-8, err_msg=name
        )


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs_by_itself(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / f"{program}.py")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "RETROGRAD_EXECUTOR": "interpreter"},
    )
    assert done.returncode == 0, done.stderr
    assert "→" in done.stdout
