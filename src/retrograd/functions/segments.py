"""Reductions of runs of neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import constant
from ..ops.families import Tensor
from ..ops.op import normalize_dim
from .filled import full
from .scattering import scatter_reduce

__all__ = ["segment_reduce"]

#: what each reduction begins with, and its name in scatter_reduce
_KINDS = {
    "sum": (0.0, "sum"),
    "mean": (0.0, "sum"),
    "max": (-math.inf, "amax"),
    "min": (math.inf, "amin"),
    "prod": (1.0, "prod"),
}
_KINDS |= {"amax": _KINDS["max"], "amin": _KINDS["min"]}


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """out[i] = the "sum", "mean", "max", "min" or "prod" of the i-th segment of *data*
    along *axis*. Segments follow one another: *lengths* says how long each is, or
    *offsets* where each begins, and the last ends. Both may have the dimensions of
    *data* before *axis*, and then each row has segments of its own.

    Each begins with *initial*; without it, an empty segment has the sum 0, the product 1,
    the mean NaN, and ∓∞ as its largest and smallest. Runs what the lengths wait for.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0, 3.0, 4.0])
    >>> rg.segment_reduce(x, "sum", lengths=rg.tensor([3, 1]))
    tensor([6., 4.])
    """
    if reduce not in _KINDS:
        raise RuntimeError(
            f"segment_reduce(): reduce argument must be one of {', '.join(_KINDS)}, got "
            f"{reduce}"
        )
    if not data.dtype.is_floating_point:
        raise NotImplementedError(
            f"segment_reduce() is not implemented for {data.dtype.name}: use data.float()"
        )
    d = normalize_dim(axis, data.ndim)
    counts = _counts(lengths, indices, offsets, data, d, unsafe)
    n, size = counts.shape[-1], data.shape[d]
    rows = counts.reshape(-1, n)
    number = np.full(
        (len(rows), size), n
    )  # what is in no segment goes to one of its own
    for place, row in zip(number, rows, strict=True):
        place[: row.sum()] = np.repeat(np.arange(n), row)[:size]
    spread = (*data.shape[:d], size, *[1] * (data.ndim - d - 1))
    places = constant(np.broadcast_to(
        number.reshape((*counts.shape[:-1], size)), data.shape[: d + 1]
    ).copy()).reshape(spread).expand(tuple(data.shape))  # fmt: skip
    begin, kind = _KINDS[reduce]
    shape = (*data.shape[:d], n + 1, *data.shape[d + 1 :])
    start = full(shape, begin if initial is None else initial, dtype=data.dtype)
    # what a maximum begins with takes part in it where the user gave it
    out = scatter_reduce(start, d, places, data, kind).narrow(d, 0, n)
    if reduce != "mean":
        return out
    sizes = counts.reshape((*counts.shape, *[1] * (data.ndim - d - 1)))
    divisor = np.where(sizes == 0, math.nan if initial is None else 1, sizes)
    return out / constant(divisor.astype(data.dtype.np))


def _counts(
    lengths: Any, indices: Any, offsets: Any, data: Tensor, d: int, unsafe: bool
) -> Any:
    """The lengths of the segments as an array, checked."""
    if indices is not None:
        raise RuntimeError(
            "segment_reduce(): indices based reduction is not supported: use "
            "index_reduce"
        )
    given = lengths if lengths is not None else offsets
    if given is None:
        raise RuntimeError(
            "segment_reduce(): Either lengths or offsets must be defined."
        )
    if given.dtype.is_floating_point:
        raise NotImplementedError(
            f"segment_reduce(): lengths and offsets are integers, not {given.dtype.name}"
        )
    if given.ndim != d + 1 and not (given.ndim == 1 and d == 0):
        raise RuntimeError(
            "segment_reduce(): Expected axis to be the last dimension of lengths (or "
            f"offsets), which has {given.ndim} dimensions, but got {d}."
        )
    values = given.detach().numpy()
    if lengths is None:
        values = np.diff(values, axis=-1)
    if values.size and values.min() < 0:
        raise RuntimeError("segment_reduce(): lengths contains negative value!")
    total, size = values.sum(-1), data.shape[d]
    if np.any(total > size) or (
        lengths is not None and not unsafe and np.any(total != size)
    ):
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            f"data.size({d}) = {size} when !unsafe, but got {total.tolist()}"
        )
    return values
