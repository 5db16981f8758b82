"""The factorization of Gauss's elimination, with partial pivoting: p l u = a.

Derivatives: for square a they are those of F. de Hoog, R. Anderssen and M. Lukas,
"Differentiation of matrix functionals using triangular factorization", 2011; a wide or a
tall matrix has a square part, and a rest that is its product with a triangle's inverse.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply
from ..errors import LinAlgError
from .factors import dot
from .families import Tensor
from .index import Gather
from .linalg import SolveTriangular, check_matrix, regular
from .matmul import transposed
from .movement import Cat
from .op import Array, Op, Sample, Spec, probe
from .reduce import Argsort


class Lu(Op):
    """Flat in the last dimension: the m × n matrix that has u on and above the diagonal
    and l (whose diagonal is 1) below it, and then the pivots: row i was exchanged with
    row pivot i, counted from 1. With *refuse* a 0 on the diagonal of u is an error."""

    formula = "(l, u) with p · l · u = a"
    adjoint = ("p · l⁻ᵀ · (tri(lᵀ · l̄) + triu(ū · uᵀ)) · u⁻ᵀ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.lu_factor", specs[0])
        *batch, m, n = specs[0].shape
        return Spec((*batch, m * n + min(m, n)), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, refuse: bool = False) -> Any:
        *batch, m, n = a.shape
        k = min(m, n)
        x = np.array(a, order="C").reshape(math.prod(batch), m, n)
        pivots = np.zeros((x.shape[0], k), a.dtype)
        each = np.arange(x.shape[0])
        for i in range(k):
            p = i + np.argmax(np.abs(x[:, i:, i]), axis=1)
            pivots[:, i] = p + 1
            rows = x[each, p].copy()
            x[each, p] = x[:, i]
            x[:, i] = rows
            pivot = x[:, i, i, None]
            x[:, i + 1 :, i] /= np.where(pivot == 0, 1, pivot)
            x[:, i + 1 :, i + 1 :] -= x[:, i + 1 :, i, None] * x[:, i, None, i + 1 :]
            if refuse and not pivot.all():
                raise LinAlgError(
                    f"linalg.lu_factor: U[{i + 1},{i + 1}] is zero and using it on "
                    "lu_solve would result in a division by zero: the matrix is singular"
                )
        flat = np.concatenate([x.reshape(len(x), m * n), pivots], 1)
        return flat.reshape((*batch, m * n + k))

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor, a_spec: Spec) -> Tensor:
        m, n = a_spec.shape[-2:]
        k = min(m, n)
        lu, pivots = lu_parts(out, m, n)
        gl, _ = lu_parts(g, m, n)
        square, of_square = lu.narrow(-2, 0, k), gl.narrow(-2, 0, k)
        square, of_square = square.narrow(-1, 0, k), of_square.narrow(-1, 0, k)
        u = square.triu()
        lt = transposed(square)  # its triangle is that of lᵀ, with 1 on the diagonal
        strict = square.tril(-1)
        of_l, of_u = of_square.tril(-1), of_square.triu()
        low = of_l + dot(transposed(strict), of_l)  # lᵀ l̄
        high = dot(of_u, transposed(u))
        if n > k:  # u₂ = l⁻¹ a₂
            side = gl.narrow(-1, k, n - k)
            low = low - dot(side, transposed(lu.narrow(-1, k, n - k)))
        if m > k:  # l₂ = a₂ u⁻¹
            under = gl.narrow(-2, k, m - k)
            high = high - dot(transposed(lu.narrow(-2, k, m - k)), under)
        inner = low.tril(-1) + high.triu()
        inner = apply(SolveTriangular, lt, inner, upper=True, unit=True)
        total = _over(inner, u)
        if n > k:
            right = apply(SolveTriangular, lt, side, upper=True, unit=True)
            total = apply(Cat, total, right, dim=-1)
        if m > k:
            total = apply(Cat, total, _over(under, u), dim=-2)
        # The rows back to their places: row i of a went to the place where p says i.
        order = apply(Permutation, pivots.to(dtypes.int32), rows=m)
        places = apply(Argsort, order, dim=-1, descending=False)
        places = places.reshape((*places.shape, 1)).expand(total.shape)
        return apply(Gather, total, places, dim=-2)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(3, 3)),
            Sample(probe(2, 4, seed=1)),
            Sample(probe(2, 4, 2, seed=2)),
            Sample(regular(1)),
        ]


def _over(a: Tensor, u: Tensor) -> Tensor:
    """a u⁻ᵀ."""
    side = apply(SolveTriangular, u, transposed(a), upper=True, unit=False)
    return transposed(side)


def lu_parts(x: Tensor, m: int, n: int) -> tuple[Tensor, Tensor]:
    """The matrix with both triangles, and the pivots, of a flat factorization."""
    batch = x.shape[:-1]
    lu = x.narrow(-1, 0, m * n).reshape((*batch, m, n))
    return lu, x.narrow(-1, m * n, min(m, n))


class Permutation(Op):
    """The rows in the order that the exchanges lead to: out[i] is where row i came
    from."""

    name = "rows_after_exchanges"  # "permutation" is a random one
    formula = "the rows after the exchanges"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec((*specs[0].shape[:-1], attrs["rows"]), dtypes.int64)

    @staticmethod
    def forward(pivots: Array, *, rows: int) -> Any:
        *batch, k = pivots.shape
        flat = pivots.reshape(math.prod(batch), k).astype(np.int64) - 1
        if flat.size and not (0 <= flat.min() and flat.max() < rows):
            raise RuntimeError("lu_solve: pivots given to lu_solve must all be greater "
                               f"or equal to 1 and at most {rows}")  # fmt: skip
        order = np.tile(np.arange(rows), (flat.shape[0], 1))
        each = np.arange(flat.shape[0])
        for i in range(flat.shape[1]):
            p = flat[:, i]
            kept = order[each, p].copy()
            order[each, p] = order[:, i]
            order[:, i] = kept
        return order.reshape((*batch, rows))

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(np.array([[3, 3, 3], [1, 2, 3]], np.int32), rows=4)]
