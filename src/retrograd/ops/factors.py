"""Factorizations of matrices and of stacks of them.

An op has one output, and so the parts of a factorization lie in it side by side: the
functions in ``functions/linalg.py`` take them apart. Where a matrix is not far from one
whose factors are ambiguous (equal eigenvalues or singular values, a singular triangle),
derivatives of the factors grow without bound, as they do in PyTorch; those of the
eigenvalues and singular values alone do not.

Sources: I. Murray, "Differentiation of the Cholesky decomposition", 2016 (Cholesky);
M. Seeger et al., "Auto-differentiating linear algebra", 2017, and D. and L. Roberts,
"QR and LQ decomposition matrix backpropagation algorithms", 2020 (QR); M. B. Giles,
"Collected matrix derivative results", 2008, and J. Townsend, "Differentiating the
singular value decomposition", 2016 (eigh, SVD); G. Golub and V. Pereyra, 1973
(pseudoinverse); N. Higham, "The scaling and squaring method for the matrix exponential
revisited", 2005, and R. Mathias, 1996 (exponential).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import apply, constant
from ..errors import LinAlgError
from .families import Tensor
from .linalg import SolveTriangular, check_matrix, guarded, regular
from .logic import Eq, LogicalAnd, Where
from .matmul import Matmul, transposed
from .movement import Cat
from .op import Array, Op, Sample, Spec, probe


def dot(*matrices: Tensor) -> Tensor:
    """The product of several."""
    out = matrices[0]
    for m in matrices[1:]:
        out = apply(Matmul, out, m)
    return out


def column(a: Tensor) -> Tensor:
    """With one more dimension, of length 1, at the end."""
    return a.reshape((*a.shape, 1))


def row(a: Tensor) -> Tensor:
    """With one more dimension, of length 1, before the last."""
    return a.reshape((*a.shape[:-1], 1, a.shape[-1]))


def embedded(d: Tensor) -> Tensor:
    """Diagonal matrices."""
    eye = constant(np.eye(d.shape[-1], dtype=d.dtype.np))
    return column(d) * eye


def off_diagonal(a: Tensor) -> Tensor:
    """With zeros on the diagonal."""
    mask = constant(np.eye(a.shape[-1], dtype=bool))
    return apply(Where, mask, 0.0, a)


def quotient(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where both are 0: nothing is asked of an ambiguous factor."""
    nothing = apply(LogicalAnd, apply(Eq, a, 0), apply(Eq, b, 0))
    return apply(Where, nothing, 0.0, a / apply(Where, nothing, 1.0, b))


def symmetric(a: Tensor) -> Tensor:
    return (a + transposed(a)) / 2


def _mean(a: Array) -> Array:
    """The symmetric part: the op is a function of all the elements."""
    return np.asarray((a + np.swapaxes(a, -1, -2)) / 2)


class Cholesky(Op):
    """The lower triangle l with l lᵀ = a, for positive definite a. Others are refused, or
    (*refuse* is off) have NaN from the first row on that it fails at."""

    formula = "l with l · lᵀ = a"
    adjoint = ("sym(l⁻ᵀ · tri(lᵀ · ḡ) · l⁻¹)",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.cholesky", specs[0], square=True)
        return specs[0]

    @staticmethod
    def forward(a: Array, *, refuse: bool = True) -> Any:
        text = (
            "linalg.cholesky: The factorization could not be completed because the "
            "input is not positive-definite"
        )
        try:
            return guarded(np.linalg.cholesky, text, _mean(a))
        except LinAlgError:
            if refuse:
                raise
        n = a.shape[-1]
        flat = _mean(a).reshape(-1, n, n)
        return np.array([_begun(x) for x in flat], a.dtype).reshape(a.shape)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        t = transposed(out)
        inner = dot(t, g)
        half = inner.tril(-1) + _half_diagonal(inner)
        left = apply(SolveTriangular, t, half, upper=True, unit=False)
        both = apply(SolveTriangular, t, transposed(left), upper=True, unit=False)
        return symmetric(transposed(both))

    @staticmethod
    def samples() -> list[Sample]:
        a, b = regular(3), regular(2, 2)
        return [
            Sample(a @ a.T),
            Sample(b @ np.swapaxes(b, -1, -2)),
            Sample(np.zeros((2, 0, 0))),
        ]


def _begun(a: Array) -> Array:
    """As many rows of the triangle as there are, and NaN."""
    low = np.tril(np.full_like(a, np.nan))
    for k in range(len(a), 0, -1):
        try:
            low[:k, :k] = np.linalg.cholesky(a[:k, :k])
        except np.linalg.LinAlgError:
            continue
        break
    return low


def _half_diagonal(a: Tensor) -> Tensor:
    eye = constant(np.eye(a.shape[-1], dtype=a.dtype.np) / 2)
    return a * eye


class Eigh(Op):
    """Of the symmetric part of a: eigenvalues, rising, as the first row; below them the
    matrix of eigenvectors, in columns."""

    formula = "(λ, v) with v · diag(λ) · vᵀ = a"
    adjoint = ("sym(v · (diag(λ̄) + (vᵀ · v̄) / (λⱼ − λᵢ)) · vᵀ)",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.eigh", specs[0], square=True)
        *batch, n, _ = specs[0].shape
        return Spec((*batch, n + 1, n), specs[0].dtype)

    @staticmethod
    def forward(a: Array) -> Any:
        if not a.size:
            *batch, n, _ = a.shape
            return np.zeros((*batch, n + 1, n), a.dtype)
        text = "linalg.eigh: The algorithm failed to converge"
        values, vectors = guarded(np.linalg.eigh, text, _mean(a))
        return np.concatenate([values[..., None, :], vectors], -2)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        values, v = out.select(-2, 0), out.narrow(-2, 1, out.shape[-1])
        of_values, of_v = g.select(-2, 0), g.narrow(-2, 1, out.shape[-1])
        gaps = row(values) - column(values)
        inner = quotient(off_diagonal(dot(transposed(v), of_v)), gaps)
        return symmetric(dot(v, inner + embedded(of_values), transposed(v)))

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(3, 3)),
            Sample(probe(2, 2, 2)),
            Sample(probe(1, 1)),
            Sample(np.zeros((2, 0, 0))),
        ]


class Svd(Op):
    """a = u diag(s) vᵀ with falling s ≥ 0. Flat in the last dimension: u, s, vᵀ; u and
    vᵀ are cut to the shorter side of a unless ``full``."""

    formula = "(u, s, vᵀ) with u · diag(s) · vᵀ = a"
    adjoint = (
        "u · (skew(uᵀ · ū) / E · s + s · skew(vᵀ · v̄) / E + diag(s̄)) · vᵀ"
        " + (1 − u · uᵀ) · ū / s · vᵀ + u / s · v̄ᵀ · (1 − v · vᵀ), E = sⱼ² − sᵢ²",
    )

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.svd", specs[0])
        *batch, m, n = specs[0].shape
        k = min(m, n)
        size = m * m + k + n * n if attrs["full"] else m * k + k + k * n
        return Spec((*batch, size), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, full: bool) -> Any:
        text = "linalg.svd: The algorithm failed to converge"
        *batch, m, n = a.shape
        if not m * n and math.prod(batch):  # NumPy has no factors of nothing
            k = 0
            u = np.broadcast_to(
                np.eye(m, m if full else k, dtype=a.dtype),
                (*batch, m, m if full else k),
            )
            v = np.broadcast_to(
                np.eye(n if full else k, n, dtype=a.dtype),
                (*batch, n if full else k, n),
            )
            s = np.zeros((*batch, 0), a.dtype)
        else:
            u, s, v = guarded(np.linalg.svd, text, a, full_matrices=full)
        parts = [
            u.reshape((*batch, u.shape[-1] * m)),
            s,
            v.reshape((*batch, v.shape[-2] * n)),
        ]
        return np.concatenate(parts, -1)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor, a_spec: Spec, full: bool) -> Tensor:
        m, n = a_spec.shape[-2:]
        k = min(m, n)
        (u, s, vt), (gu, gs, gvt) = (
            [
                p.narrow(-1, 0, k) if i == 0 else p.narrow(-2, 0, k) if i == 2 else p
                for i, p in enumerate(svd_parts(x, m, n, full))
            ]
            for x in (out, g)
        )
        v, gv = transposed(vt), transposed(gvt)
        ut = transposed(u)
        squares = row(s * s) - column(s * s)
        of_u = quotient(_skew(dot(ut, gu)), squares) * row(s)
        of_v = quotient(_skew(dot(vt, gv)), squares) * column(s)
        total = dot(u, of_u + of_v + embedded(gs), vt)
        if m > k:  # what leaves the space of the columns
            rest = gu - dot(u, dot(ut, gu))
            total = total + dot(quotient(rest, row(s) + rest * 0), vt)
        if n > k:
            rest = gvt - dot(dot(gvt, v), vt)
            total = total + dot(u, quotient(rest, column(s) + rest * 0))
        return total

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(3, 2), full=False),
            Sample(probe(2, 3), full=False),
            Sample(probe(2, 2, 2, seed=2), full=True),
            Sample(np.zeros((2, 0, 0)), full=False),
        ]


def svd_parts(x: Tensor, m: int, n: int, full: bool) -> tuple[Tensor, Tensor, Tensor]:
    """u, s and vᵀ of a flat decomposition of m × n matrices."""
    k = min(m, n)
    columns, rows = (m, n) if full else (k, k)
    batch = x.shape[:-1]
    return (
        x.narrow(-1, 0, m * columns).reshape((*batch, m, columns)),
        x.narrow(-1, m * columns, k),
        x.narrow(-1, m * columns + k, rows * n).reshape((*batch, rows, n)),
    )


def _skew(a: Tensor) -> Tensor:
    return a - transposed(a)


class Qr(Op):
    """a = q r with orthonormal columns of q and an upper triangle r. Flat in the last
    dimension: q, r; q is square if ``complete``."""

    formula = "(q, r) with q · r = a"
    adjoint = ("(q̄ + q · copyltu(r · r̄ᵀ − q̄ᵀ · q)) · r⁻ᵀ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.qr", specs[0])
        *batch, m, n = specs[0].shape
        k = m if attrs["complete"] else min(m, n)
        return Spec((*batch, m * k + k * n), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, complete: bool) -> Any:
        *batch, m, n = a.shape
        if not m * n:
            k = m if complete else 0
            q = np.broadcast_to(np.eye(m, k, dtype=a.dtype), (*batch, m, k))
            r = np.zeros((*batch, k, n), a.dtype)
        else:
            q, r = np.linalg.qr(a, "complete" if complete else "reduced")
        flat = [x.reshape((*batch, x.shape[-2] * x.shape[-1])) for x in (q, r)]
        return np.concatenate(flat, -1)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor, a_spec: Spec, complete: bool) -> Tensor:
        m, n = a_spec.shape[-2:]
        if complete and m > n:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and "
                "nrows > ncols: use mode='reduced'"
            )
        q, r = qr_parts(out, m, n, complete)
        gq, gr = qr_parts(g, m, n, complete)
        if m >= n:
            return _of_tall(q, r, gq, gr)
        # a = (x y) and r = (u w): x = q u, and y = q w follows from it
        w, gw = r.narrow(-1, m, n - m), gr.narrow(-1, m, n - m)
        u, gu = r.narrow(-1, 0, m), gr.narrow(-1, 0, m)
        y = dot(q, w)
        first = _of_tall(q, u, gq + dot(y, transposed(gw)), gu)
        return apply(Cat, first, dot(q, gw), dim=-1)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(3, 2), complete=False),
            Sample(probe(2, 3), complete=True),
            Sample(probe(2, 2, 2, seed=2), complete=False),
            Sample(np.zeros((2, 0, 3)), complete=False),
        ]


def qr_parts(x: Tensor, m: int, n: int, complete: bool) -> tuple[Tensor, Tensor]:
    """q and r of a flat decomposition of m × n matrices."""
    k = m if complete else min(m, n)
    batch = x.shape[:-1]
    q = x.narrow(-1, 0, m * k).reshape((*batch, m, k))
    return q, x.narrow(-1, m * k, k * n).reshape((*batch, k, n))


def _of_tall(q: Tensor, r: Tensor, gq: Tensor, gr: Tensor) -> Tensor:
    inner = dot(r, transposed(gr)) - dot(transposed(gq), q)
    low = inner.tril()
    both = low + transposed(inner.tril(-1))  # the lower triangle, mirrored
    right = gq + dot(q, both)
    # right r⁻ᵀ, from r x = rightᵀ
    side = apply(SolveTriangular, r, transposed(right), upper=True, unit=False)
    return transposed(side)
