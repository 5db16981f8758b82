"""What numbers look like: whole if few, else their range, histogram and heat map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops.op import Array
from . import typeset
from .description import Value

#: numbers in a value up to which it is shown whole, and put into JSON whole
SHOWN, WHOLE = 12, 256
BINS, HEAT = 24, 24


def summary(
    value: Any, origin: str, precision: int = 4, pictures: bool = True
) -> Value | None:
    """A value as data; None stays None."""
    if value is None:
        return None
    array = np.asarray(value)
    dtype = "bool" if array.dtype.kind == "b" else str(array.dtype)
    out = Value(list(array.shape), dtype, origin, array.size)
    if array.size <= WHOLE:
        out.data = array.astype(np.float64).tolist() if dtype == "bfloat16" else (
            array.tolist()
        )  # fmt: skip
    if not array.size:
        out.text = f"[] {typeset.shape_text(array.shape)}"
        return out
    if array.size == 1:
        only = array.reshape(()).item()
        out.text = typeset.array_text(array, precision)
        if isinstance(only, float):
            out.nan, out.inf = int(only != only), int(abs(only) == float("inf"))
        out.zeros = int(only == 0)
        if not (out.nan or out.inf):
            out.min = out.max = out.mean = float(only)
            out.norm, out.std = abs(float(only)), 0.0
        return out
    flat = array.reshape(-1).astype(np.float64)
    if array.size <= SHOWN:
        _few(out, flat.tolist())
        if pictures and out.min is not None:
            out.heat = heat(array)
        out.text = text(array, out, precision)
        return out
    finite = flat
    if array.dtype.kind not in "biu":
        good = np.isfinite(flat)
        if not good.all():
            finite = flat[good]
            out.nan = int(np.count_nonzero(flat != flat))
            out.inf = flat.size - finite.size - out.nan
    out.zeros = flat.size - int(np.count_nonzero(flat))
    with np.errstate(all="ignore"):
        if finite.size:
            out.min, out.max = float(finite.min()), float(finite.max())
            out.mean, out.std = float(finite.mean()), float(finite.std())
            out.norm = float(np.sqrt(np.sum(finite * finite)))
        if pictures and finite.size:
            out.histogram = histogram(finite)
            out.heat = heat(array)
    out.text = text(array, out, precision)
    return out


def _few(out: Value, numbers: list[float]) -> None:
    """The same of a few numbers, for which NumPy takes longer to begin."""
    finite = [x for x in numbers if math.isfinite(x)]
    out.nan = sum(x != x for x in numbers)
    out.inf = len(numbers) - len(finite) - out.nan
    out.zeros = numbers.count(0.0)
    if finite:
        out.min, out.max = min(finite), max(finite)
        out.mean = sum(finite) / len(finite)
        out.std = math.dist(finite, [out.mean] * len(finite)) / math.sqrt(len(finite))
        out.norm = math.hypot(*finite)


def text(array: Array, about: Value, precision: int = 4) -> str:
    """How a line shows it: whole, or range and norm."""
    if array.size <= SHOWN and array.ndim <= 2:
        return typeset.array_text(array, precision)
    shape = typeset.shape_text(array.shape)
    parts = [shape]
    if about.min is not None:
        low, high = (typeset.digits(x, precision) for x in (about.min, about.max))
        parts.append(f"{low} … {high}")
        if array.dtype.kind not in "biu":
            parts.append(f"‖·‖ {typeset.digits(about.norm, precision)}")
    if about.nan:
        parts.append(f"{about.nan} NaN")
    if about.inf:
        parts.append(f"{about.inf} ∞")
    return ", ".join(parts)


def histogram(finite: Array) -> dict[str, list[float]] | None:
    """Counts of finite numbers in equal steps from the smallest to the largest."""
    low, high = float(finite.min()), float(finite.max())
    if not np.isfinite(high - low):
        return None
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return {"edges": [low, high], "counts": [float(finite.size)]}
    counts, edges = np.histogram(finite, BINS, (low, high))
    return {"edges": edges.tolist(), "counts": counts.astype(float).tolist()}


def heat(array: Array) -> list[list[float]]:
    """The value as a matrix of at most HEAT × HEAT averages."""
    rows = array.shape[0] if array.ndim > 1 else 1
    matrix = array.reshape(rows, -1).astype(np.float64)
    for axis in (0, 1):
        size = matrix.shape[axis]
        if size > HEAT:
            starts = np.linspace(0, size, HEAT, endpoint=False).astype(int)
            count = np.diff(np.append(starts, size))
            matrix = np.add.reduceat(matrix, starts, axis)
            matrix /= count[:, None] if axis == 0 else count
    found: list[list[float]] = matrix.tolist()
    return found
