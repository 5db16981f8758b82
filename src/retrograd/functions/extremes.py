"""Extremes and order: largest, smallest, sorted, the one in the middle."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..dispatch import apply, apply1, apply2, constant, differs
from ..ops.elementwise import (
    Eq,
    Ge,
    IsNan,
    Le,
    LogicalAnd,
    LogicalOr,
    Maximum,
    Minimum,
    Ne,
    Where,
)
from ..ops.families import Tensor
from ..ops.movement import Cat
from ..ops.op import normalize_dim
from ..ops.reduce import Amax, Amin, Any_, Argmax, Argmin, Argsort, Sum
from ..trace import Handle
from .out import with_out
from .sums import Dim, scan

__all__ = [
    "amax", "amin", "aminmax", "max", "min", "argmax", "argmin",
    "sort", "argsort", "msort", "topk", "kthvalue", "median", "nanmedian", "mode",
    "cummax", "cummin", "quantile", "nanquantile",
]  # fmt: skip


class Found(NamedTuple):
    """Elements, and where they were along the dimension."""

    values: Any
    indices: Any

    def __repr__(self) -> str:
        return f"(\nvalues={self.values!r},\nindices={self.indices!r})"


class Bounds(NamedTuple):
    """The smallest and the largest."""

    min: Any
    max: Any


def amax(input: Tensor, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """max(input) over *dim*, or of everything. Ties share the gradient evenly."""
    return apply(Amax, input, dim=dim, keepdim=keepdim)


def amin(input: Tensor, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """min(input) over *dim*, or of everything. Ties share the gradient evenly."""
    return apply(Amin, input, dim=dim, keepdim=keepdim)


@with_out
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Bounds:
    """The smallest and the largest element."""
    return Bounds(
        apply(Amin, input, dim=dim, keepdim=keepdim),
        apply(Amax, input, dim=dim, keepdim=keepdim),
    )


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is: along *dim*, or in all of input in a row."""
    return apply(Argmax, input, dim=dim, keepdim=keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is: along *dim*, or in all of input in a row."""
    return apply(Argmin, input, dim=dim, keepdim=keepdim)


def _picked(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> Found:
    """The elements at *indices* (of length 1 along *dim*)."""
    from .index import gather

    if not input.ndim:
        return Found(input.clone(), indices)
    values = gather(input, dim, indices)
    if keepdim:
        return Found(values, indices)
    return Found(values.squeeze(dim), indices.squeeze(dim))


def _numbers(input: Tensor) -> Tensor:
    """Truth values as numbers, which have an order."""
    return input.byte() if input.dtype is dtypes.bool_ else input


def max(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
) -> Any:
    """The largest element; along *dim* with its position; or the larger of two.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 5.0], [7.0, 2.0]])
    >>> rg.max(x), x.max(dim=1).indices, rg.max(x, rg.tensor(3.0))
    (tensor(7.), tensor([1, 0]), tensor([[3., 5.],
            [7., 3.]]))
    """
    return _extreme(input, dim, keepdim, other, True)


def min(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
) -> Any:
    """The smallest element; along *dim* with its position; or the smaller of two."""
    return _extreme(input, dim, keepdim, other, False)


def _extreme(input: Tensor, dim: Any, keepdim: bool, other: Any, most: bool) -> Any:
    if isinstance(dim, Handle):
        dim, other = None, dim
    if other is not None:
        if not isinstance(input, Handle):
            raise TypeError(
                f"{'max' if most else 'min'}(): argument 'input' must be Tensor, not "
                f"{type(input).__name__}"
            )
        return apply2(Maximum if most else Minimum, input, other)
    if dim is None:
        return apply(Amax if most else Amin, input, dim=None, keepdim=keepdim)
    op = Argmax if most else Argmin
    where = apply(op, _numbers(input), dim=dim, keepdim=True)
    return _picked(input, where, dim, keepdim)


# -- order ----------------------------------------------------------------------------


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> Tensor:
    """The positions that put input in order along *dim*; equal elements keep theirs."""
    return apply(Argsort, input, dim=dim, descending=descending)


def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,
) -> Found:
    """input in order along *dim*, and where each element was.

    >>> import retrograd as rg
    >>> values, indices = rg.sort(rg.tensor([3.0, 1.0, 2.0]))
    >>> values, indices
    (tensor([1., 2., 3.]), tensor([1, 2, 0]))
    """
    return _taken(input, apply(Argsort, input, dim=dim, descending=descending), dim)


def _taken(input: Tensor, indices: Tensor, dim: int) -> Found:
    from .index import gather

    if not input.ndim:
        return Found(input.clone(), indices)
    return Found(gather(input, dim, indices), indices)


def msort(input: Tensor) -> Tensor:
    """input in order along its first dimension."""
    return sort(input, 0).values


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Found:
    """The *k* largest (or smallest) elements along *dim*, sorted, and their places."""
    length = input.shape[normalize_dim(dim, input.ndim)] if input.ndim else 1
    if not 0 <= k <= length:
        raise RuntimeError(f"selected index k out of range: {k} of {length} elements")
    order = apply(Argsort, input, dim=dim, descending=largest)
    return _taken(input, order.narrow(dim, 0, k).clone() if input.ndim else order, dim)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Found:
    """The *k*-th smallest element along *dim* (from 1), and where it is."""
    length = input.shape[normalize_dim(dim, input.ndim)] if input.ndim else 1
    if not 1 <= k <= length:
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {dim}: {k} of "
            f"{length} elements"
        )
    order = apply(Argsort, input, dim=dim, descending=False)
    if input.ndim:
        order = order.narrow(dim, k - 1, 1).clone()  # in memory of its own
    return _picked(input, order, dim, keepdim)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The element in the middle (the lower of two), NaN if there is one; along *dim*
    with its position."""
    return _median(input, dim, keepdim, False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of what is not NaN."""
    return _median(input, dim, keepdim, True)


def _median_of_none(input: Tensor) -> Tensor:
    """NaN, or the smallest integer, with a gradient that has no elements."""
    kind = input.dtype
    none = math.nan if kind.is_floating_point else dtypes.iinfo(kind).min
    return input.sum(dtype=kind) + constant(np.array(none, kind.np))


def _median(input: Tensor, dim: int | None, keepdim: bool, skip: bool) -> Any:
    if dim is None:
        flat = input.reshape(-1)
        if not flat.shape[0]:
            return _median_of_none(input)
        middle = _median(flat, 0, False, skip).values
        if not input.dtype.is_floating_point:
            return middle
        # All elements that equal the median share the gradient, as in PyTorch.
        middle = middle.detach()
        same = apply2(Eq, flat, middle)
        if not skip:
            same = apply2(LogicalOr, same, apply1(IsNan, flat))
        return apply(Amax, apply(Where, same, flat, -math.inf), dim=None, keepdim=False)
    if not input.ndim:
        return Found(input.clone(), apply(Argsort, input, dim=dim, descending=False))
    length = input.shape[normalize_dim(dim, input.ndim)]
    if not length:
        raise IndexError(
            f"median(): Expected reduction dim {dim} to have non-zero size."
        )
    order = apply(Argsort, input, dim=dim, descending=False)
    if not input.dtype.is_floating_point:
        return _picked(input, order.narrow(dim, (length - 1) // 2, 1), dim, keepdim)
    missing = apply1(IsNan, input)  # sorted to the end
    if skip:
        from .index import gather

        count = length - apply(Sum, missing, dim=dim, keepdim=True)
        at = ((count - 1) // 2).clamp(0)
        return _picked(input, gather(order, dim, at), dim, keepdim)
    spoilt = apply(Any_, missing, dim=dim, keepdim=True)
    last = apply(Argmax, missing.byte(), dim=dim, keepdim=True)
    middle = order.narrow(dim, (length - 1) // 2, 1)
    return _picked(input, apply(Where, spoilt, last, middle), dim, keepdim)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Found:
    """The most frequent element along *dim* (the smallest of several), and where it is
    last."""
    if not input.ndim:
        return Found(input.clone(), apply(Argsort, input, dim=dim, descending=False))
    from .create import arange
    from .index import gather

    dim = normalize_dim(dim, input.ndim)
    n = input.shape[dim]
    if not n:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
    # Equal elements are neighbours in sorted order: the longest run, and its end.
    order = apply(Argsort, input, dim=dim, descending=False).movedim(dim, -1)
    x = gather(input.detach().movedim(dim, -1), -1, order)
    places = arange(n).expand(x.shape)
    begins = apply2(Ne, x.narrow(-1, 1, n - 1), x.narrow(-1, 0, n - 1))
    start = apply(Where, begins, places.narrow(-1, 1, n - 1), 0)
    first = cummax(apply(Cat, places.narrow(-1, 0, 1) * 0, start, dim=-1), -1).values
    end = apply(Argmax, places - first, dim=-1, keepdim=True)
    return _picked(input, gather(order, -1, end).movedim(-1, dim), dim, keepdim)


def _running(input: Tensor, dim: int, best: Any) -> Found:
    """The extreme so far along *dim*: of several the latest; NaN stays."""
    from .create import arange
    from .index import gather

    if not input.ndim:
        return Found(input.clone(), apply(Argsort, input, dim=dim, descending=False))
    x = _numbers(input.detach())
    dim = normalize_dim(dim, input.ndim)
    n = x.shape[dim]
    line = [n if i == dim else 1 for i in range(x.ndim)]
    start = arange(n).reshape(line).expand(x.shape)

    def later(i: Tensor, j: Tensor) -> Tensor:
        a, b = gather(x, dim, i), gather(x, dim, j)
        wins = apply2(LogicalOr, apply2(best, b, a), apply1(IsNan, b))
        stays = apply2(LogicalAnd, apply1(IsNan, a), apply2(Eq, b, b))
        return apply(Where, apply2(LogicalAnd, wins, stays.logical_not()), j, i)

    return _taken(input, scan(later, start, dim), dim)


def cummax(input: Tensor, dim: int) -> Found:
    """The largest so far along *dim*, and where it was."""
    return _running(input, dim, Ge)


def cummin(input: Tensor, dim: int) -> Found:
    """The smallest so far along *dim*, and where it was."""
    return _running(input, dim, Le)


def quantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The value below which the fraction *q* of the elements lies; between two elements
    by *interpolation*: linear, lower, higher, midpoint or nearest."""
    return _quantile(input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The quantile of what is not NaN."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


def _quantile(
    input: Tensor, q: Any, dim: int | None, keepdim: bool, how: str, skip: bool
) -> Tensor:
    from .create import tensor
    from .index import gather

    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"quantile() input tensor must be float or double, not {input.dtype.name}"
        )
    if how not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(f"quantile() has no interpolation {how!r}")
    if dim is not None:
        normalize_dim(dim, input.ndim)
    if not input.ndim:
        input = input.reshape(1)
        return _quantile(input, q, 0, False, how, skip)
    x = input.reshape(-1) if dim is None else input.movedim(dim, -1)
    length = x.shape[-1]
    if not length:
        raise RuntimeError("quantile() input tensor must be non-empty")
    parts: Any = q
    if not isinstance(q, Handle):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q}")
        parts = tensor(float(q), dtype=input.dtype)
    elif parts.dtype is not input.dtype:
        raise RuntimeError(
            "quantile() q tensor must be same dtype as the input tensor, not "
            f"{parts.dtype.name} and {input.dtype.name}"
        )
    elif parts.ndim > 1:
        raise RuntimeError(
            f"quantile() q must be a scalar or 1D tensor, not {parts.ndim}D"
        )
    elif not differs(parts) and not ((parts >= 0) & (parts <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    x = gather(x, -1, apply(Argsort, x, dim=-1, descending=False))
    missing = apply1(IsNan, x)
    if skip:
        count = length - apply(Sum, missing, dim=-1, keepdim=True)
        rank = parts.reshape(-1) * (count - 1).clamp(0)
    else:  # NaN is sorted to the end: point there
        spoilt = apply(Any_, missing, dim=-1, keepdim=True)
        rank = apply(Where, spoilt, float(length - 1), parts.reshape(-1) * (length - 1))
    low, high = rank.floor(), rank.ceil()
    if how == "lower":
        high = low
    elif how == "higher":
        low = high
    elif how == "nearest":
        low = high = rank.round()
    below, above = gather(x, -1, low.long()), gather(x, -1, high.long())
    weight = 0.5 if how == "midpoint" else rank - low
    out = below.lerp(above, weight).movedim(-1, 0)
    if keepdim and dim is None:
        out = out.reshape(-1, *[1] * input.ndim)
    elif keepdim:
        out = out.unsqueeze(dim if dim < 0 else dim + 1)  # type: ignore[operator]
    return out if parts.ndim else out.squeeze(0)
