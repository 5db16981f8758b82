"""Shapes, reductions, order, sets and products of the array API standard."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..dispatch import constant
from ..dtypes import bool_ as bool
from ..dtypes import int64
from ..trace import is_tensor
from .basics import Array, Axis, F, result_type

# -- shapes -----------------------------------------------------------------------------


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """The arrays one after the other; flat where *axis* is None."""
    kind = result_type(*arrays)
    parts = [a.to(kind) for a in arrays]
    if axis is None:
        return F.cat([a.reshape(-1) for a in parts])
    return F.cat(parts, axis)


def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """The arrays beside each other, along a new dimension."""
    kind = result_type(*arrays)
    return F.stack([a.to(kind) for a in arrays], axis)


def expand_dims(x: Array, /, *, axis: int = 0) -> Array:
    """A new dimension of length 1."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise IndexError(
            f"expand_dims: axis {axis} of {x.ndim} dimensions and a new one"
        )
    return x.unsqueeze(axis)


def squeeze(x: Array, /, axis: int | tuple[int, ...]) -> Array:
    """Without those dimensions, which are of length 1."""
    axes = (axis,) if isinstance(axis, int) else axis
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: dimension {a} has length {x.shape[a]}, not 1")
    return x.squeeze(tuple(axes))


def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    """The dimensions in another order."""
    return x.permute(tuple(axes))


def moveaxis(x: Array, source: Any, destination: Any, /) -> Array:
    """Dimensions moved to other places."""
    return x.movedim(source, destination)


def flip(x: Array, /, *, axis: Axis = None) -> Array:
    """The elements in reverse, along all dimensions or some."""
    return x.flip(_axes(x, axis))


def roll(x: Array, /, shift: Any, *, axis: Axis = None) -> Array:
    """The elements moved on, and around at the end."""
    if axis is None:
        return x.roll(shift)
    axes = (axis,) if isinstance(axis, int) else axis
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    return x.roll(shifts, axes)


def repeat(x: Array, repeats: Any, /, *, axis: int | None = None) -> Array:
    """Each element several times."""
    counts = repeats.to(int64) if is_tensor(repeats) else repeats
    return x.repeat_interleave(counts, axis)


def tile(x: Array, repetitions: tuple[int, ...], /) -> Array:
    """The whole several times along each dimension."""
    return x.tile(tuple(repetitions))


def reshape(
    x: Array, /, shape: tuple[int, ...], *, copy: builtins.bool | None = None
) -> Array:
    """The elements in another shape."""
    if copy is False:
        return x.view(shape)
    out = x.reshape(shape)
    return out.clone() if copy else out


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices along a dimension."""
    return tuple(x.unbind(axis))


def matrix_transpose(x: Array, /) -> Array:
    """The last two dimensions exchanged."""
    if x.ndim < 2:
        raise ValueError("matrix_transpose needs two dimensions")
    return x.mT


def _axes(x: Array, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


# -- reductions, scans, order -------------------------------------------------------------


def _grown(x: Array, dtype: Any) -> dtypes.dtype:
    """The type of a sum: integers grow to int64."""
    if dtype is not None:
        return dtype  # type: ignore[no-any-return]
    return x.dtype if x.dtype.is_floating_point else int64


def sum(
    x: Array, /, *, axis: Axis = None, dtype: Any = None,
    keepdims: builtins.bool = False,
) -> Array:  # fmt: skip
    """Σ x over the axes."""
    kind = _grown(x, dtype)
    if axis == ():
        return x.to(kind)
    return x.sum(_axes(x, axis), keepdim=keepdims, dtype=kind)


def prod(
    x: Array, /, *, axis: Axis = None, dtype: Any = None,
    keepdims: builtins.bool = False,
) -> Array:  # fmt: skip
    """Π x over the axes."""
    out = x.to(_grown(x, dtype))
    axes = sorted((a % x.ndim for a in _axes(x, axis)), reverse=True)
    for a in axes:
        out = out.prod(a, keepdim=keepdims)
    return out


def mean(x: Array, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> Array:
    """The mean over the axes."""
    return x.clone() if axis == () else x.mean(_axes(x, axis), keepdim=keepdims)


def _spread(name: str) -> Callable[..., Any]:
    def call(
        x: Array, /, *, axis: Axis = None, correction: float = 0.0,
        keepdims: builtins.bool = False,
    ) -> Array:  # fmt: skip
        axes = _axes(x, axis)
        if axis == () or not axes:
            return x * 0
        return getattr(x, name)(axes, correction=correction, keepdim=keepdims)

    call.__name__ = name
    return call


std, var = _spread("std"), _spread("var")


def _extreme(name: str) -> Callable[..., Any]:
    def call(
        x: Array, /, *, axis: Axis = None, keepdims: builtins.bool = False
    ) -> Array:
        if axis == ():
            return x.clone()
        return getattr(x, f"a{name}")(_axes(x, axis), keepdim=keepdims)

    call.__name__ = name
    return call


max, min = _extreme("max"), _extreme("min")


def _truth(name: str) -> Callable[..., Any]:
    def call(
        x: Array, /, *, axis: Axis = None, keepdims: builtins.bool = False
    ) -> Array:
        out = x.to(bool)
        for a in sorted((a % x.ndim for a in _axes(x, axis)), reverse=True):
            out = getattr(out, name)(a, keepdim=keepdims)
        return out

    call.__name__ = name
    return call


all, any = _truth("all"), _truth("any")


def count_nonzero(
    x: Array, /, *, axis: Axis = None, keepdims: builtins.bool = False
) -> Array:
    """The number of elements that are not zero."""
    return sum(x.ne(0), axis=axis, keepdims=keepdims)


def _cumulative(name: str) -> Callable[..., Any]:
    def call(
        x: Array, /, *, axis: int | None = None, dtype: Any = None,
        include_initial: builtins.bool = False,
    ) -> Array:  # fmt: skip
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"{name}: axis is needed for {x.ndim} dimensions")
            axis = 0
        kind = _grown(x, dtype)
        out = getattr(x.to(kind), name)(axis)
        if include_initial:
            shape = [1 if d == axis % x.ndim else n for d, n in enumerate(x.shape)]
            first = F.full(shape, int(name == "cumprod"), dtype=kind)
            out = F.cat([first, out], axis)
        return out

    call.__name__ = f"cumulative_{name[3:]}"
    return call


cumulative_sum, cumulative_prod = _cumulative("cumsum"), _cumulative("cumprod")


def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Array:
    """Differences of neighbours, *n* times over."""
    return x.diff(n, axis, prepend, append)


def _place(name: str) -> Callable[..., Any]:
    def call(
        x: Array, /, *, axis: int | None = None, keepdims: builtins.bool = False
    ) -> Array:
        return getattr(x, name)(axis, keepdim=keepdims)

    call.__name__ = name
    return call


argmax, argmin = _place("argmax"), _place("argmin")


def argsort(
    x: Array, /, *, axis: int = -1, descending: builtins.bool = False,
    stable: builtins.bool = True,
) -> Array:  # fmt: skip
    """The positions that put *x* in order."""
    return x.argsort(axis, descending, stable)


def sort(
    x: Array, /, *, axis: int = -1, descending: builtins.bool = False,
    stable: builtins.bool = True,
) -> Array:  # fmt: skip
    """*x* in order."""
    return x.sort(axis, descending).values


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """The places of the elements that are not zero, for each dimension."""
    if not x.ndim:
        raise ValueError("nonzero needs a dimension")
    return tuple(x.nonzero(as_tuple=True))


def searchsorted(
    x1: Array, x2: Array, /, *, side: str = "left", sorter: Array | None = None
) -> Array:
    """Where x2 would be put into x1, which is in order."""
    return F.searchsorted(x1, x2, side=side, sorter=sorter)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The slices at those places."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis is needed for {x.ndim} dimensions")
        axis = 0
    return x.index_select(axis, indices)


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """The elements at those places along a dimension."""
    return x.take_along_dim(indices.to(int64), axis)


class UniqueAll(NamedTuple):
    """Distinct values, their first places, the way back, and how often each is there."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """Distinct values, and how often each is there."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """Distinct values, and for each element which of them it is."""

    values: Array
    inverse_indices: Array


def unique_all(x: Array, /) -> UniqueAll:
    """What there is to know of the distinct values. Each NaN is a value of its own."""
    found = np.unique(x.detach().numpy(), True, True, True, equal_nan=False)
    values, first, back, counts = (constant(np.ascontiguousarray(f)) for f in found)
    return UniqueAll(values, first, back.reshape(tuple(x.shape)), counts)


def unique_counts(x: Array, /) -> UniqueCounts:
    """The distinct values and how often each is there."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Array, /) -> UniqueInverse:
    """The distinct values and for each element which of them it is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Array, /) -> Array:
    """The distinct values."""
    return unique_all(x).values


# -- products -----------------------------------------------------------------------------


def _both(x1: Array, x2: Array) -> tuple[Array, Array]:
    kind = result_type(x1, x2)
    return x1.to(kind), x2.to(kind)


def matmul(x1: Array, x2: Array, /) -> Array:
    """The matrix product."""
    return F.matmul(*_both(x1, x2))


def tensordot(x1: Array, x2: Array, /, *, axes: Any = 2) -> Array:
    """Σ over pairs of dimensions."""
    return F.tensordot(*_both(x1, x2), dims=axes)


def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Σ x1 x2 along a dimension."""
    one, two = _both(x1, x2)
    return sum(one * two, axis=axis, dtype=one.dtype)


__all__ = [
    "all", "any", "argmax", "argmin", "argsort", "concat", "count_nonzero",
    "cumulative_prod", "cumulative_sum", "diff", "expand_dims", "flip", "matmul",
    "matrix_transpose", "max", "mean", "min", "moveaxis", "nonzero", "permute_dims",
    "prod", "repeat", "reshape", "roll", "searchsorted", "sort", "squeeze", "stack",
    "std", "sum", "take", "take_along_axis", "tensordot", "tile", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unstack", "var", "vecdot",
]  # fmt: skip
