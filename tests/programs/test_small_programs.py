"""Small programs from the field's usual subjects: the numbers are PyTorch's with only the
import changed, from the same weights."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
PROGRAMS = sorted((Path(__file__).parent / "small").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_numbers_are_pytorchs(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "interpreter")
    text = program.read_text(encoding="utf-8")
    found: list[list[float]] = []
    start: dict[str, Any] | None = None
    for library in ("torch", "retrograd"):
        lib = importlib.import_module(library)
        before = lib.get_default_dtype()
        lib.set_default_dtype(lib.float64)
        try:
            names: dict[str, Any] = {"__name__": program.stem}
            source = text.replace("retrograd", library)
            exec(compile(source, f"{program.stem} with {library}", "exec"), names)
            torch.manual_seed(0)
            net = names["build"]()
            if start is None:
                start = {k: v.numpy().copy() for k, v in net.state_dict().items()}
            else:
                net.load_state_dict(start)
            found.append(names["run"](net))
        finally:
            lib.set_default_dtype(before)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-7, atol=1e-9)
