"""The matrix product."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import apply
from .movement import Permute, Reshape
from .op import Array, Op, Sample, Spec, broadcast_shapes, probe


def transposed(a: Any) -> Any:
    """The last two dimensions exchanged."""
    n = len(a.shape)
    return apply(Permute, a, dims=(*range(n - 2), n - 1, n - 2))


class Matmul(Op):
    """out = a b for matrices, and stacks of them that broadcast."""

    formula, adjoint = "a · b", ("ḡ · bᵀ", "aᵀ · ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        a, b = specs
        if a.dtype is not b.dtype:
            raise RuntimeError(
                "expected m1 and m2 to have the same dtype, but got: "
                f"{a.dtype.name} != {b.dtype.name}. Convert one, e.g. with .to(...)"
            )
        if a.shape[-1] != b.shape[-2]:
            mend = ""
            if a.shape[-1] == b.shape[-1]:
                mend = "; did you mean a @ b.T?"
            elif a.shape[-2] == b.shape[-2]:
                mend = "; did you mean a.T @ b?"
            raise RuntimeError(
                f"mat1 and mat2 shapes cannot be multiplied ({_by(a)} and {_by(b)}){mend}"
            )
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return Spec((*batch, a.shape[-2], b.shape[-1]), a.dtype)

    @staticmethod
    def forward(a: Array, b: Array) -> Array:
        out: Array = np.matmul(a, b)
        # NumPy gives a product of bfloat16 as float32: round it once, at the end.
        return out if out.dtype == a.dtype else out.astype(a.dtype)

    @staticmethod
    def vjp_a(g: Any, b: Any) -> Any:
        return apply(Matmul, g, transposed(b))

    @staticmethod
    def vjp_b(g: Any, a: Any, b_spec: Spec) -> Any:
        if len(b_spec.shape) == 2 and len(a.shape) > 2:
            # One product over all rows, rather than one a batch and their sum.
            rows = math.prod(a.shape[:-1])
            a = apply(Reshape, a, shape=(rows, a.shape[-1]))
            g = apply(Reshape, g, shape=(rows, g.shape[-1]))
        return apply(Matmul, transposed(a), g)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(2, 3), probe(3, 4, seed=1)),
            Sample(probe(2, 2, 3), probe(3, 2, seed=1)),
            Sample(probe(3, 1, 2, 3), probe(2, 3, 1, seed=1)),
        ]


def _by(spec: Spec) -> str:
    return "x".join(map(str, spec.shape))
