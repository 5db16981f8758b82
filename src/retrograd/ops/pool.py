"""Pooling: windows reduced to their maximum or their sum, and the adjoints.

The last n dimensions of the input are pooled, those before them are a batch. All have the
same attributes, with one number for each pooled dimension in the order of the shape:

- ``size`` (≥ 1): how many places a window has;
- ``stride`` (≥ 1): the step from one window to the next;
- ``padding`` (≥ 0): how far before the input the first window begins;
- ``dilation`` (≥ 1): the step within a window;
- ``count`` (≥ 0): how many windows there are.

Window i sees the places i·stride − padding + k·dilation for k = 0 … size − 1, and of
these only those inside the input: outside it the numbers are −∞ (maximum) or 0 (sum).
``count`` is given and not worked out, since the last window may reach past the input and
its padding (PyTorch's ceil_mode).

    max_pool          a [*, in…] → [*, out…]          the largest number of each window
    max_pool_index    a [*, in…] → int64 [*, out…]    where it is, in the flattened plane
    plane_add         g [*, out…], index → [*, plane…]   each g added at its index
    sum_pool          a [*, in…] → [*, out…]          the sum of each window
    sum_pool_input    g [*, out…] → [*, plane…]       each g added to its whole window

Of equal maxima the first counts, row by row; NaN is larger than any number, and of
several NaN the last counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply
from .families import Tensor
from .index import Gather
from .movement import Reshape
from .op import Array, Op, Sample, Shape, Spec, probe


class _Pool(Op):
    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        shape = specs[0].shape
        return Spec((*shape[: len(shape) - len(attrs["count"])], *attrs["count"]),
                    specs[0].dtype)  # fmt: skip


def _padded(a: Array, low: Any, reach: list[int], padding: Shape) -> Array:
    """The input with *low* around it, as far as the windows reach."""
    n = len(padding)
    plane = a.shape[a.ndim - n :]
    if not any(padding) and all(r <= m for r, m in zip(reach, plane, strict=True)):
        return a
    whole = [max(m + p, p + r) for m, p, r in zip(plane, padding, reach, strict=True)]
    out = np.full((*a.shape[: a.ndim - n], *whole), low, a.dtype)
    inner: list[Any] = [slice(p, p + m) for m, p in zip(plane, padding, strict=True)]
    out[(..., *inner)] = a
    return out


def _reach(
    size: Shape, stride: Shape, padding: Shape, dilation: Shape, count: Shape
) -> list[int]:
    """The first place that no window sees, in each dimension."""
    sizes = zip(size, stride, padding, dilation, count, strict=True)
    return [(o - 1) * s + (k - 1) * d + 1 - p for k, s, p, d, o in sizes]


def _lowest(a: Array) -> Any:
    return np.iinfo(a.dtype).min if a.dtype.kind in "iu" else -np.inf


def _along(a: Array, axis: int, k: int, s: int, d: int, o: int) -> Iterator[Array]:
    """For each place of a window, what the *o* windows along one axis see there."""
    for i in range(k):
        part = slice(i * d, i * d + s * (o - 1) + 1, s) if o else slice(0)
        yield a[(slice(None),) * axis + (part,)]


def _over_windows(
    into: np.ufunc, a: Array, low: Any,
    size: Shape, stride: Shape, padding: Shape, dilation: Shape, count: Shape,
) -> Array:  # fmt: skip
    """What *into* makes of each window, one dimension after the other."""
    n = len(size)
    out = _padded(a, low, _reach(size, stride, padding, dilation, count), padding)
    for i in range(n):
        axis = out.ndim - n + i
        parts = _along(out, axis, size[i], stride[i], dilation[i], count[i])
        out = next(parts).copy()
        for part in parts:
            into(out, part, out=out)
    return out


class MaxPool(_Pool):
    """out[i] = max_k a[i·stride − padding + k·dilation]."""

    formula, adjoint = "max of each window of a", ("ḡ added at argmax",)

    @staticmethod
    def forward(
        a: Array, *,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, count: Shape,
    ) -> Array:  # fmt: skip
        return _over_windows(np.maximum, a, _lowest(a),
                             size, stride, padding, dilation, count)  # fmt: skip

    @staticmethod
    def vjp_a(
        g: Tensor, a: Tensor, a_spec: Spec,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, count: Shape,
    ) -> Tensor:  # fmt: skip
        index = apply(MaxPoolIndex, a, size=size, stride=stride, padding=padding,
                      dilation=dilation, count=count)  # fmt: skip
        plane = a_spec.shape[len(a_spec.shape) - len(size) :]
        return apply(PlaneAdd, g, index, plane=plane)

    @staticmethod
    def samples() -> list[Sample]:
        plain = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
        odd = {"stride": (3,), "padding": (0,), "dilation": (1,), "count": (3,)}
        return [
            Sample(probe(2, 4, 5), size=(3, 2), count=(2, 3), **plain),
            Sample(probe(1, 2, 8), size=(3,), **odd),
            Sample(
                probe(2, 3, 2, 4), size=(2, 1, 2), stride=(1, 1, 2), padding=(1, 0, 0),
                dilation=(1, 1, 1), count=(4, 2, 2),
            ),
        ]  # fmt: skip


class MaxPoolIndex(_Pool):
    """out[i] = the place of the maximum of window i, counted through the plane."""

    formula = "argmax of each window of a"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(_Pool.infer(*specs, **attrs).shape, dtypes.int64)

    @staticmethod
    def forward(
        a: Array, *,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, count: Shape,
    ) -> Array:  # fmt: skip
        n = len(size)
        plane = a.shape[a.ndim - n :]
        reach = _reach(size, stride, padding, dilation, count)
        best = _padded(a, _lowest(a), reach, padding)
        where: Any = 0  # counted through the dimensions done so far
        step = 1
        for i in reversed(range(n)):  # rows are searched from their left
            axis = best.ndim - n + i
            how = (size[i], stride[i], dilation[i], count[i])
            column = (-1,) + (1,) * (n - 1 - i)
            begin = np.arange(count[i]) * stride[i] - padding[i]
            seen = np.zeros(count[i], bool)
            found = places = np.empty(0)
            inner: Iterator[Any] = iter([0] * size[i])
            if i < n - 1:
                inner = _along(where, axis, *how)
            for k, part in enumerate(_along(best, axis, *how)):
                at = begin + k * dilation[i]
                inside = (at >= 0) & (at < plane[i])
                along = np.clip(at, 0, plane[i] - 1).reshape(column) * step + next(
                    inner
                )
                if k == 0:
                    found = part.copy()
                    places = np.broadcast_to(along, part.shape).copy()
                else:
                    better = (part > found) | (part != part)
                    better &= inside.reshape(column)
                    better |= (inside & ~seen).reshape(column)
                    np.copyto(found, part, where=better)
                    np.copyto(places, along, where=better)
                seen |= inside
            best, where = found, places
            step *= plane[i]
        result: Array = where
        return result

    @staticmethod
    def samples() -> list[Sample]:
        return MaxPool.samples()


class PlaneAdd(Op):
    """out[*, j] = Σ g[*, i] over the i whose index is j: the adjoint of picking numbers
    out of planes (the last dimensions, counted through)."""

    formula, adjoint = "Σ g at index", ("ḡ[index]",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        n = len(attrs["plane"])
        shape = specs[0].shape
        return Spec((*shape[: len(shape) - n], *attrs["plane"]), specs[0].dtype)

    @staticmethod
    def forward(g: Array, index: Array, *, plane: Shape) -> Array:
        lead, size = g.shape[: g.ndim - len(plane)], math.prod(plane)
        rows = math.prod(lead)
        flat = index.reshape(rows, math.prod(index.shape[len(lead) :]))
        places = (flat + np.arange(rows)[:, None] * size).ravel()
        weights = g.ravel().astype(np.float64, copy=False)
        out = np.bincount(places, weights, rows * size)
        return out.astype(g.dtype, copy=False).reshape(*lead, *plane)

    @staticmethod
    def vjp_g(g: Tensor, index: Tensor, g_spec: Spec, plane: Shape) -> Tensor:
        return picked(g, index, len(plane))

    @staticmethod
    def samples() -> list[Sample]:
        index = np.array([[[0, 2], [2, 5]], [[4, 4], [1, 4]]])
        return [Sample(probe(2, 2, 2), index, plane=(2, 3))]


class MaxPoolInput(Op):
    """The adjoint of MaxPool: each number of g added where the maximum of its window
    is. The compiler puts it where it sees plane_add(g, max_pool_index(a))."""

    formula = "g added at argmax of each window of a"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[1]

    @staticmethod
    def forward(g: Array, a: Array, **how: Shape) -> Array:
        plane = a.shape[a.ndim - len(how["size"]) :]
        return PlaneAdd.forward(g, MaxPoolIndex.forward(a, **how), plane=plane)

    @staticmethod
    def samples() -> list[Sample]:
        rest = MaxPool.samples()
        return [
            Sample(MaxPool.forward(*s.arrays, **s.attrs), *s.arrays, **s.attrs)
            for s in rest
        ]


def picked(a: Tensor, index: Tensor, n: int) -> Tensor:
    """The numbers at *index*, counted through the last n dimensions of *a*."""
    shape, lead = tuple(index.shape), tuple(a.shape[: a.ndim - n])
    size = math.prod(a.shape[a.ndim - n :])
    planes = apply(Reshape, a, shape=(*lead, size))
    places = (*lead, math.prod(shape[len(lead) :]))
    found = apply(Gather, planes, apply(Reshape, index, shape=places), dim=len(lead))
    return apply(Reshape, found, shape=shape)


class SumPool(_Pool):
    """out[i] = Σ_k a[i·stride − padding + k·dilation]."""

    formula, adjoint = "sum of each window of a", ("ḡ added to its window",)

    @staticmethod
    def forward(
        a: Array, *,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, count: Shape,
    ) -> Array:  # fmt: skip
        total = _over_windows(np.add, a.astype(_wide(a), copy=False), 0,
                              size, stride, padding, dilation, count)  # fmt: skip
        return total.astype(a.dtype, copy=False)

    @staticmethod
    def vjp_a(
        g: Tensor, a_spec: Spec,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> Tensor:  # fmt: skip
        plane = a_spec.shape[len(a_spec.shape) - len(size) :]
        return apply(SumPoolInput, g, plane=plane, size=size, stride=stride,
                     padding=padding, dilation=dilation)  # fmt: skip

    @staticmethod
    def samples() -> list[Sample]:
        return MaxPool.samples()


def _wide(a: Array) -> Any:
    """Half precision is added up in float32."""
    return a.dtype if a.dtype.kind in "iu" or a.dtype.itemsize > 2 else np.float32


class SumPoolInput(Op):
    """out[j] = Σ g[i] over the windows i that see place j: the adjoint of SumPool."""

    formula, adjoint = "g added to its window", ("sum of each window of ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        shape, plane = specs[0].shape, attrs["plane"]
        return Spec((*shape[: len(shape) - len(plane)], *plane), specs[0].dtype)

    @staticmethod
    def forward(
        g: Array, *,
        plane: Shape, size: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> Array:  # fmt: skip
        n = len(size)
        kind, g = g.dtype, g.astype(_wide(g), copy=False)
        for i in reversed(range(n)):
            axis, o = g.ndim - n + i, g.shape[g.ndim - n + i]
            k, s, p, d = size[i], stride[i], padding[i], dilation[i]
            length = max(plane[i], (o - 1) * s + (k - 1) * d + 1 - p) + p
            out = np.zeros((*g.shape[:axis], length, *g.shape[axis + 1 :]), g.dtype)
            for part in _along(out, axis, k, s, d, o):
                part += g
            inner = (slice(None),) * axis + (slice(p, p + plane[i]),)
            g = out[inner]
        return np.ascontiguousarray(g.astype(kind, copy=False))

    @staticmethod
    def vjp_g(
        g: Tensor, g_spec: Spec,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape,
    ) -> Tensor:  # fmt: skip
        count = g_spec.shape[len(g_spec.shape) - len(size) :]
        return apply(SumPool, g, size=size, stride=stride, padding=padding,
                     dilation=dilation, count=count)  # fmt: skip

    @staticmethod
    def samples() -> list[Sample]:
        wide = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
        return [
            Sample(probe(2, 2, 3), plane=(4, 5), size=(3, 2), **wide),
            Sample(
                probe(1, 3), plane=(8,), size=(3,), stride=(3,), padding=(0,), dilation=(1,)
            ),
        ]  # fmt: skip


__all__ = [
    "MaxPool",
    "MaxPoolIndex",
    "MaxPoolInput",
    "PlaneAdd",
    "SumPool",
    "SumPoolInput",
    "picked",
]
