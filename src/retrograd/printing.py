"""Tensors as text, laid out as PyTorch lays them out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .ops.op import Array
from .trace import State

PRECISION, THRESHOLD, EDGE, WIDTH = 4, 1000.0, 3, 80
SCIENTIFIC: bool | None = None  # None: as suits the numbers


class _Format:
    """One width and style for all elements of a tensor."""

    def __init__(self, values: Array) -> None:
        self.floating = values.dtype.kind == "f"
        self.scientific = self.whole = False
        finite = values[np.isfinite(values)] if self.floating else values
        nonzero = (
            np.abs(finite[finite != 0].astype(np.float64)) if self.floating else finite
        )
        if self.floating:
            self.whole = bool(np.all(finite == np.ceil(finite)))
            if nonzero.size:
                low, high = float(nonzero.min()), float(nonzero.max())
                limit = high > 1e8 or high / low > 1000
                self.scientific = limit or (not self.whole and low < 1e-4)
            if SCIENTIFIC is not None:
                self.scientific = SCIENTIFIC
        texts = [self._text(v) for v in values.reshape(-1).tolist()]
        self.width = max(map(len, texts), default=0)

    def _text(self, v: Any) -> str:
        if not self.floating:
            return str(v)
        if not math.isfinite(v):
            return str(v)
        if self.scientific:
            return f"{v:.{PRECISION}e}"
        return f"{v:.0f}." if self.whole else f"{v:.{PRECISION}f}"

    def __call__(self, v: Any) -> str:
        return self._text(v).rjust(self.width)


def _rows(a: Array, form: _Format, indent: int, cut: bool) -> str:
    if a.ndim == 0:
        return form(a.item())
    if a.ndim == 1:
        per_line = max(1, (WIDTH - indent) // max(1, form.width + 2))
        if cut and len(a) > 2 * EDGE:
            items = [form(v) for v in a[:EDGE].tolist()] + [" ..."]
            items += [form(v) for v in a[-EDGE:].tolist()]
        else:
            items = [form(v) for v in a.tolist()]
        lines = [
            ", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)
        ]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    if cut and len(a) > 2 * EDGE:
        parts = [_rows(x, form, indent + 1, cut) for x in a[:EDGE]] + ["..."]
        parts += [_rows(x, form, indent + 1, cut) for x in a[-EDGE:]]
    else:
        parts = [_rows(x, form, indent + 1, cut) for x in a]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _shown(a: Array) -> Array:
    """The elements that are printed, for finding their width."""
    for axis in range(a.ndim):
        if a.shape[axis] > 2 * EDGE:
            ends = np.r_[0:EDGE, a.shape[axis] - EDGE : a.shape[axis]]
            a = np.take(a, ends, axis)
    return a


def text(tensor: Any) -> str:
    """``tensor([...])`` with the type, and what the gradient comes from."""
    array = tensor._value()
    if array.dtype.kind not in "fiub":
        array = array.astype(np.float32)
    cut = array.size > THRESHOLD
    notes = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            notes.append(f"size={tuple(tensor.shape)}")
    else:
        body = _rows(array, _Format(_shown(array) if cut else array), 7, cut)
    dtype = tensor.dtype
    plain = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if dtype not in plain or (array.size == 0 and dtype is dtypes.int64):
        notes.append(f"dtype={dtype!r}")
    fn = tensor.grad_fn
    if fn is not None:
        notes.append(f"grad_fn=<{fn.name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    made = f"tensor({body}"
    for note in notes:
        last = len(made) - made.rfind("\n") + 1
        made += ",\n       " if last + len(note) + 2 > WIDTH else ", "
        made += note
    return made + ")"


__all__ = ["State", "text"]
