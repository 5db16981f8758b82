"""Primitives that look at memory itself: its strides and its bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from .index import IndexPut
from .movement import Reshape, constant_zeros
from .op import Array, Op, Sample, Shape, Spec, probe


def _places(size: Shape, stride: Shape, offset: int) -> Array:
    """Where each element lies in the flattened input."""
    places: Array = np.full(size, offset, np.int64)
    for d, (n, step) in enumerate(zip(size, stride, strict=True)):
        line = [1] * len(size)
        line[d] = n
        places += (np.arange(n) * step).reshape(line)
    return places


class AsStrided(Op):
    """out[i, j, …] = a.flat[offset + i·stride₀ + j·stride₁ + …]. A primitive of its own
    because the places may overlap and writing to them must reach *a*."""

    formula, adjoint, view = "a at strides", ("Σ ḡ at strides",), True

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        size = tuple(int(n) for n in attrs["size"])
        stride = tuple(int(n) for n in attrs["stride"])
        offset = int(attrs["offset"])
        if len(size) != len(stride):
            raise RuntimeError("mismatch in length of strides and shape")
        if any(n < 0 for n in (*size, *stride)):
            raise RuntimeError(
                f"as_strided: sizes {list(size)} and strides {list(stride)} must not be "
                "negative"
            )
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if offset < 0 or (0 not in size and last >= specs[0].size):
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)} and storage "
                f"offset {offset} need {last + 1} elements and are out of bounds for "
                f"storage of {specs[0].size}"
            )
        return {"size": size, "stride": stride, "offset": offset}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(attrs["size"], specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, size: Shape, stride: Shape, offset: int) -> Array:
        a = np.asarray(a)
        if 0 in size:
            return np.empty(size, a.dtype)
        if not a.flags.c_contiguous:
            taken: Array = a.reshape(-1)[_places(size, stride, offset)]
            return taken
        flat = a.reshape(-1)[offset:]
        return np.lib.stride_tricks.as_strided(
            flat, size, tuple(s * a.itemsize for s in stride)
        )

    @staticmethod
    def vjp_a(g: Any, a_spec: Spec, size: Shape, stride: Shape, offset: int) -> Any:
        zeros = constant_zeros(Spec((a_spec.size,), g.dtype))
        places = constant(_places(size, stride, offset))
        total = apply(IndexPut, zeros, g, places, dims=(0,), accumulate=True)
        return apply(Reshape, total, shape=a_spec.shape)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(3, 4), size=(2, 3), stride=(4, 1), offset=1),
            Sample(probe(7), size=(5, 3), stride=(1, 1), offset=0),
            Sample(probe(6), size=(2, 2), stride=(0, 3), offset=2),
        ]


class Bits(Op):
    """The bits of a as numbers of another type."""

    formula = "a"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        (spec,), wanted = specs, attrs["dtype"]
        have, want = spec.dtype.itemsize, wanted.itemsize
        if have == want:
            return Spec(spec.shape, wanted)
        if not spec.shape:
            raise RuntimeError(
                "self.dim() cannot be 0 to view "
                f"{spec.dtype.name} as {wanted.name} (different element sizes)"
            )
        if spec.shape[-1] * have % want:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {want // have} to view "
                f"{spec.dtype.name} as {wanted.name}, but got {spec.shape[-1]}"
            )
        return Spec((*spec.shape[:-1], spec.shape[-1] * have // want), wanted)

    @staticmethod
    def forward(a: Array, *, dtype: dtypes.dtype) -> Array:
        return np.ascontiguousarray(a).reshape(np.shape(a)).view(dtype.np).copy()


__all__ = ["AsStrided", "Bits"]
