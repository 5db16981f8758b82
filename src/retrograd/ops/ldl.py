"""Symmetric elimination of matrices that need not be definite: a = p l d lᵀ pᵀ, with
blocks of one or two rows in d, chosen as J. Bunch and L. Kaufman do ("Some stable methods
for calculating inertia and solving symmetric linear systems", 1977)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import apply
from ..errors import LinAlgError
from .families import Tensor, unknown
from .linalg import check_matrix
from .op import Array, Op, Sample, Spec, probe

#: a pivot of one row may be this much smaller than its neighbours
_ALPHA = (1 + math.sqrt(17)) / 8


class Ldl(Op):
    """Flat in the last dimension: the n × n matrix that has l below the blocks of d and d
    in them, the pivots, and the first block that is 0 (counted from 1). A pivot p > 0
    says that row i was exchanged with row p; of a block of two rows both are −p, and its
    second row was. With *refuse* a block that is 0 is an error."""

    formula = "(l, d) with p · l · d · lᵀ · pᵀ = a"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.ldl_factor", specs[0], square=True)
        *batch, n, _ = specs[0].shape
        return Spec((*batch, n * n + n + 1), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, refuse: bool = False) -> Any:
        *batch, n, _ = a.shape
        out = np.empty((math.prod(batch), n * n + n + 1), a.dtype)
        for row, x in zip(out, a.reshape(len(out), n, n), strict=True):
            x = np.tril(x)
            pivots = np.zeros(n, np.int64)
            row[-1] = _eliminate(x, pivots)
            if refuse and row[-1]:
                raise LinAlgError(
                    f"linalg.ldl_factor: the block {int(row[-1])} of D is zero and using "
                    "it on ldl_solve would result in a division by zero: the matrix is "
                    "singular"
                )
            row[: n * n], row[n * n : -1] = x.ravel(), pivots
        return out.reshape((*batch, out.shape[1]))

    vjp_a = unknown(
        "the derivative of linalg.ldl_factor is not implemented: use linalg.solve, whose "
        "derivatives with respect to both sides are"
    )

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(4, 4)),
            Sample(probe(2, 3, 3, seed=1)),
            Sample(np.array([[0.0, 1.0], [1.0, 0.0]])),
        ]


def _eliminate(x: Array, pivots: Array) -> int:
    """Factor the lower triangle *x* in place; the first block that is 0, from 1."""
    n, k, info = len(x), 0, 0
    while k < n:
        at, two = _pivot(x, k)
        if at < 0:
            info, at = info or k + 1, k
        second = k + two
        if at != second:
            x[at + 1 :, [second, at]] = x[at + 1 :, [at, second]]
            between = slice(second + 1, at)
            x[between, second], x[at, between] = (
                x[at, between].copy(),
                x[between, second].copy(),
            )
            x[second, second], x[at, at] = x[at, at], x[second, second]
            if two:
                x[second, k], x[at, k] = x[at, k], x[second, k]
        pivots[k : second + 1] = -(at + 1) if two else at + 1
        under = x[second + 1 :, k : second + 1].copy()
        block = x[k : second + 1, k : second + 1]
        if two:
            low = block[1, 0]
            a, b = block[1, 1] / low, block[0, 0] / low
            scale = 1 / (a * b - 1) / low
            inverse = scale * np.array([[a, -1], [-1, b]])
            x[second + 1 :, k : second + 1] = under @ inverse
        elif block[0, 0]:
            x[second + 1 :, k : second + 1] = under / block
        rest = x[second + 1 :, second + 1 :]
        rest -= np.tril(x[second + 1 :, k : second + 1] @ under.T)
        k = second + 1
    return info


def _pivot(x: Array, k: int) -> tuple[int, int]:
    """Which row is exchanged, and whether (1) the block has two rows; (−1, 0) where
    the column is 0."""
    here, below = abs(x[k, k]), np.abs(x[k + 1 :, k])
    most = below.max(initial=0.0)
    if not max(here, most) > 0:
        return -1, 0
    if here >= _ALPHA * most:
        return k, 0
    p = k + 1 + int(below.argmax())
    others = max(np.abs(x[p, k:p]).max(), np.abs(x[p + 1 :, p]).max(initial=0.0))
    if here >= _ALPHA * most * (most / others):
        return k, 0
    return p, int(abs(x[p, p]) < _ALPHA * others)


class LdlSolve(Op):
    """x with a x = b, from the factors of a."""

    formula, adjoint = "a⁻¹ · b", ("", "", "a⁻¹ · ḡ")
    vjp_ld = unknown(
        "the derivative of linalg.ldl_solve with respect to the factors is not "
        "implemented: use linalg.solve, whose derivatives are"
    )

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[2]

    @staticmethod
    def forward(ld: Array, pivots: Array, b: Array) -> Any:
        n = ld.shape[-1]
        out = np.array(b)
        for i in np.ndindex(b.shape[:-2]) if n else ():
            _substitute(ld[i], pivots[i], out[i])
        return out

    @staticmethod
    def vjp_b(g: Tensor, ld: Tensor, pivots: Tensor) -> Tensor:
        return apply(LdlSolve, ld, pivots, g)

    @staticmethod
    def samples() -> list[Sample]:
        flat = Ldl.forward(probe(4, 4))
        return [
            Sample(flat[:16].reshape(4, 4), flat[16:20].astype(np.int32), probe(4, 2))
        ]


def _substitute(l: Array, pivots: Array, x: Array) -> None:
    """Solve a x = b in place: forwards through l and d, backwards through lᵀ."""
    k, blocks = 0, []
    while k < len(x):
        end = k + (2 if pivots[k] < 0 else 1)
        blocks.append((k, end, abs(int(pivots[k])) - 1))
        k = end
    for k, end, p in blocks:
        x[[end - 1, p]] = x[[p, end - 1]]
        x[end:] -= l[end:, k:end] @ x[k:end]
        d = l[k:end, k:end]
        with np.errstate(all="ignore"):
            if end - k == 1:
                x[k:end] /= d
            else:
                (a, _), (c, b) = d
                inverse = (
                    np.array([[b / c, -1], [-1, a / c]]) / (a / c * (b / c) - 1) / c
                )
                x[k:end] = inverse @ x[k:end]
    for k, end, p in reversed(blocks):
        x[k:end] -= l[end:, k:end].T @ x[end:]
        x[[end - 1, p]] = x[[p, end - 1]]


__all__ = ["Ldl", "LdlSolve"]
