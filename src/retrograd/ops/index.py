"""Primitives that pick and put elements at computed places."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply
from .movement import constant_zeros
from .op import Array, Op, Sample, Shape, Spec, broadcast_shapes, normalize_dim, probe


class OutOfBounds(IndexError, RuntimeError):
    """PyTorch's gather, scatter and index_add raise RuntimeError for what is an
    IndexError; its index_select and index_copy raise IndexError."""


def checked(index: Array, size: int, dim: int, wraps: bool = True) -> Array:
    """Indices counted from the front; IndexError where one is outside (also where it is
    negative, unless it *wraps* round)."""
    if index.size:
        low, high, least = int(index.min()), int(index.max()), -size if wraps else 0
        if low < least or high >= size:
            bad = low if low < least else high
            raise (IndexError if wraps else OutOfBounds)(
                f"index {bad} is out of bounds for dimension {dim} with size {size}"
            )
        if low < 0:
            index = np.where(index < 0, index + size, index)
    return index


def _check_integers(spec: Spec, error: type[Exception] = IndexError) -> None:
    if spec.dtype not in (dtypes.int64, dtypes.int32, dtypes.uint8):
        raise error(
            "tensors used as indices must be long, int, byte or bool tensors, not "
            f"{spec.dtype.name}"
        )


class AlongDim(Op):
    """Ops with an index that runs along one dimension."""

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        dim = normalize_dim(attrs["dim"], len(specs[0].shape))
        a, index = specs[0], specs[1]
        _check_integers(index, RuntimeError)
        if len(index.shape) != len(a.shape):
            raise RuntimeError(
                "Index tensor must have the same number of dimensions as input tensor: "
                f"{list(index.shape)} and {list(a.shape)}"
            )
        for i, (n, m) in enumerate(zip(index.shape, a.shape, strict=True)):
            if i != dim and n > m:
                raise RuntimeError(
                    f"Size does not match at dimension {i} expected index "
                    f"{list(index.shape)} to be no larger than self {list(a.shape)} apart "
                    f"from dimension {dim}"
                )
        return {**attrs, "dim": dim}


def places_of(index: Array, dim: int) -> tuple[Any, ...]:
    """The full index of every element of *index*, which itself stands in *dim*."""
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    if index.ndim:
        grid[dim] = index
    return tuple(grid)


def scattered(
    a: Array, index: Array, src: Array, dim: int, write: Callable[..., None]
) -> Array:
    """A copy of *a* to which ``write(copy, places, values)`` gave what src has for the
    places that index names along *dim*."""
    shape = np.shape(a)
    a, index, src = np.atleast_1d(a), np.atleast_1d(index), np.atleast_1d(src)
    out = a.copy()
    index = checked(index, a.shape[dim], dim, wraps=False)
    write(out, places_of(index, dim), src[tuple(slice(n) for n in index.shape)])
    return out.reshape(shape)


class Gather(AlongDim):
    """out[i,j] = a[index[i,j], j] for dim 0, and so on."""

    formula, adjoint = "a[index]", ("Σ ḡ at index",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(specs[1].shape, specs[0].dtype)

    @staticmethod
    def forward(a: Array, index: Array, *, dim: int) -> Array:
        shape = np.shape(index)
        a, index = np.atleast_1d(a), np.atleast_1d(index)
        index = checked(index, a.shape[dim], dim, wraps=False)
        out: Array = a[places_of(index, dim)]
        return out.reshape(shape)

    @staticmethod
    def vjp_a(g: Any, index: Any, a_spec: Spec, dim: int) -> Any:
        zeros = constant_zeros(Spec(a_spec.shape, g.dtype))
        return apply(Scatter, zeros, index, g, dim=dim, reduce="add")

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3, 4), np.array([[0, 2], [1, 1]]), dim=1)]


class Scatter(AlongDim):
    """out = a with src put ("set") or added ("add") at index along *dim*."""

    formula = "a with src at index"
    adjoint = ("ḡ (0 at index if set)", "ḡ[index]")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        for n, m in zip(specs[1].shape, specs[2].shape, strict=True):
            if n > m:
                raise RuntimeError(
                    f"Expected index {list(specs[1].shape)} to be no larger than src "
                    f"{list(specs[2].shape)}"
                )
        return specs[0]

    @staticmethod
    def forward(a: Array, index: Array, src: Array, *, dim: int, reduce: str) -> Array:
        write = np.add.at if reduce == "add" else operator.setitem
        return scattered(a, index, src, dim, write)

    @staticmethod
    def vjp_a(g: Any, index: Any, dim: int, reduce: str) -> Any:
        if reduce == "add":
            return g
        zeros = constant_zeros(Spec(index.shape, g.dtype))
        return apply(Scatter, g, index, zeros, dim=dim, reduce="set")

    @staticmethod
    def vjp_src(g: Any, index: Any, src_spec: Spec, dim: int) -> Any:
        from .movement import Pad

        part = apply(Gather, g, index, dim=dim)
        pad = tuple(
            (0, n - m) for n, m in zip(src_spec.shape, index.shape, strict=True)
        )
        return (
            part if not any(p[1] for p in pad) else apply(Pad, part, pad=pad, value=0.0)
        )

    @staticmethod
    def samples() -> list[Sample]:
        a, src = probe(3, 4), probe(2, 2, seed=5)
        index = np.array([[0, 2], [1, 3]])
        return [Sample(a, index, src, dim=1, reduce=r) for r in ("add", "set")]


class _Advanced(Op):
    """Ops on a[…, index₁, index₂, …]: indices stand in *dims* and broadcast."""

    @staticmethod
    def shape_of(a: Spec, indices: tuple[Spec, ...], dims: Shape) -> tuple[Shape, int]:
        """Shape of the selection, and where the indices' own dimensions begin."""
        try:
            block = broadcast_shapes(*[s.shape for s in indices])
        except RuntimeError:
            shapes = ", ".join(str(list(s.shape)) for s in indices)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            ) from None
        together = dims == tuple(range(dims[0], dims[0] + len(dims)))
        start = dims[0] if together else 0
        rest = [n for i, n in enumerate(a.shape) if i not in dims]
        return (*rest[:start], *block, *rest[start:]), start


def _numpy_index(
    a: Array, indices: tuple[Array, ...], dims: Shape, wraps: bool
) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * np.ndim(a)
    for index, d in zip(indices, dims, strict=True):
        key[d] = checked(np.asarray(index), np.shape(a)[d], d, wraps=wraps)
    return tuple(key)


class Index(_Advanced):
    """Advanced indexing with integer tensors in the dimensions *dims*."""

    formula, adjoint = "a[indices]", ("Σ ḡ at indices",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        for s in specs[1:]:
            _check_integers(s)
        shape, _ = _Advanced.shape_of(specs[0], specs[1:], attrs["dims"])
        return Spec(shape, specs[0].dtype)

    @staticmethod
    def forward(a: Array, *indices: Array, dims: Shape, wraps: bool = True) -> Array:
        if len(indices) == 1 and dims == (0,):
            i = np.asarray(indices[0])
            return np.take(a, checked(i, a.shape[0], 0, wraps=wraps), axis=0)
        out: Array = a[_numpy_index(a, indices, dims, wraps)]
        return out

    @staticmethod
    def vjp_a(g: Any, indices: tuple[Any, ...], a_spec: Spec, dims: Shape) -> Any:
        zeros = constant_zeros(Spec(a_spec.shape, g.dtype))
        return apply(IndexPut, zeros, g, *indices, dims=dims, accumulate=True)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(4, 3), np.array([0, 2, 0]), dims=(0,)),
            Sample(probe(2, 3, 4), np.array([[0], [1]]), np.array([2, 0]), dims=(0, 2)),
        ]


class IndexPut(_Advanced):
    """out = a with *value* put, or added, at the places that the indices select."""

    formula = "a with value at indices"
    adjoint = ("ḡ (0 at indices unless added)", "ḡ[indices]")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        for s in specs[2:]:
            _check_integers(s)
        shape, _ = _Advanced.shape_of(specs[0], specs[2:], attrs["dims"])
        value = specs[1].shape
        try:
            fits = broadcast_shapes(shape, value) == shape
        except RuntimeError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value)} cannot be broadcast "
                f"to indexing result of shape {list(shape)}"
            )
        return specs[0]

    @staticmethod
    def forward(
        a: Array,
        value: Array,
        *indices: Array,
        dims: Shape,
        accumulate: bool,
        wraps: bool = True,
    ) -> Array:
        out = np.array(a, order="C")
        key = _numpy_index(a, indices, dims, wraps)
        if not accumulate:
            out[key] = value
        elif not out.size:
            pass
        elif len(indices) == 1 and dims == (0,) and out.ndim == 2:
            _add_rows(
                out, key[0], np.broadcast_to(value, (*key[0].shape, out.shape[1]))
            )
        else:
            np.add.at(out, key, value)
        return out

    @staticmethod
    def vjp_a(
        g: Any,
        value_spec: Spec,
        indices: tuple[Any, ...],
        dims: Shape,
        accumulate: bool,
    ) -> Any:
        if accumulate:
            return g
        zeros = constant_zeros(Spec((), g.dtype))
        return apply(IndexPut, g, zeros, *indices, dims=dims, accumulate=False)

    @staticmethod
    def vjp_value(g: Any, indices: tuple[Any, ...], dims: Shape) -> Any:
        return apply(Index, g, *indices, dims=dims)

    @staticmethod
    def samples() -> list[Sample]:
        i = np.array([0, 2])
        a, v = probe(4, 3), probe(2, 3, seed=7)
        return [Sample(a, v, i, dims=(0,), accumulate=f) for f in (True, False)]


def _add_rows(out: Array, index: Array, rows: Array) -> None:
    """out[index] += rows, repeated indices included: sorted, summed by runs."""
    index, rows = index.reshape(-1), rows.reshape(-1, out.shape[1])
    if index.size < 64:
        np.add.at(out, index, rows)
        return
    order = np.argsort(index, kind="stable")
    index = index[order]
    starts = np.flatnonzero(np.r_[True, index[1:] != index[:-1]])
    out[index[starts]] += np.add.reduceat(rows[order], starts, axis=0)
