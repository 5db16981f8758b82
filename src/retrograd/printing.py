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
    """One width and style for all elements of a tensor.

    What decides are the finite numbers that are not zero.
    """

    def __init__(self, values: Array) -> None:
        self.floating = values.dtype.kind == "f"
        self.scientific, self.whole, self.width = False, True, 1
        if self.floating:
            values = values[np.isfinite(values) & (values != 0)]
            if not values.size:
                return
            size = np.abs(values.astype(np.float64))
            low, high = size.min(), size.max()
            with np.errstate(over="ignore"):
                wide = high / low > 1000 or high > 1e8 or low < 1e-4
            self.scientific = bool(wide) if SCIENTIFIC is None else SCIENTIFIC
            self.whole = bool(np.all(values == np.ceil(values)))
        texts = map(self._text, values.reshape(-1).tolist())
        self.width = max(1, *map(len, texts), 0)

    def _text(self, v: Any) -> str:
        if not self.floating:
            return str(v)
        if self.scientific:
            return f"{v:.{PRECISION}e}"
        if not self.whole:
            return f"{v:.{PRECISION}f}"
        return f"{v:.0f}." if math.isfinite(v) else str(v)

    def __call__(self, v: Any) -> str:
        return self._text(v).rjust(self.width)


def _rows(a: Array, form: _Format, indent: int, cut: bool) -> str:
    if a.ndim == 0:
        return form(a.item())
    if a.ndim == 1:
        per_line = max(1, (WIDTH - indent) // (form.width + 2))
        if cut and not EDGE:
            items = ["..."]
        elif cut and len(a) > 2 * EDGE:
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
        parts += [_rows(x, form, indent + 1, cut) for x in a[len(a) - EDGE :]]
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
    kind = type(tensor)
    plain = kind.__name__ in ("Tensor", "Held", "Parameter", "Buffer")
    prefix = "tensor(" if plain else f"{kind.__name__}("
    array, dtype = tensor._value(), tensor.dtype
    if array.dtype.kind not in "fiub":
        array = array.astype(np.float32)
    usual = dtype in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    notes = []
    if array.size == 0:
        body = "[]"
        usual = dtype is dtypes.get_default_dtype()
    else:
        cut = array.size > THRESHOLD
        form = _Format(_shown(array) if cut else array)
        body = _rows(array, form, len(prefix), cut)
    if array.ndim != 1 if array.size == 0 else not EDGE:
        notes.append(f"size={tuple(tensor.shape)}")
    if not usual:
        notes.append(f"dtype={dtype!r}")
    fn = tensor.grad_fn
    if fn is not None:
        notes.append(f"grad_fn=<{fn.name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return _noted(prefix + body, notes, len(prefix))


def _noted(body: str, notes: list[str], indent: int) -> str:
    """The notes after the numbers, on a line of their own where that one is full."""
    used = len(body) - body.rfind("\n") + 1
    for note in notes:
        if used + len(note) + 2 > WIDTH:
            body += ",\n" + " " * indent + note
            used = indent + len(note)
        else:
            body += ", " + note
            used += len(note) + 2
    return body + ")"


__all__ = ["State", "text"]
