"""Functions of whole matrices: the pseudoinverse and the exponential."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import apply, constant
from .factors import dot
from .families import Tensor
from .linalg import check_matrix, guarded
from .matmul import transposed
from .movement import Cat
from .op import Array, Op, Sample, Spec, broadcast_shapes, probe


class Pinv(Op):
    """The pseudoinverse of Moore and Penrose, a⁺. Singular values up to
    max(atol, rtol · largest) count as 0; these bounds have no derivative. The
    derivative is that among matrices of the same rank."""

    formula = "a⁺"
    adjoint = (
        "−outᵀ · ḡ · outᵀ + (1 − a · out) · ḡᵀ · out · outᵀ"
        " + outᵀ · out · ḡᵀ · (1 − out · a)",
    )

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.pinv", specs[0])
        *batch, m, n = specs[0].shape
        whole = broadcast_shapes(tuple(batch), specs[1].shape, specs[2].shape)
        return Spec((*whole, n, m), specs[0].dtype)

    @staticmethod
    def forward(a: Array, atol: Array, rtol: Array) -> Any:
        *_, m, n = a.shape
        batch = np.broadcast_shapes(a.shape[:-2], atol.shape, rtol.shape)
        if not m * n or not math.prod(batch):
            return np.zeros((*batch, n, m), a.dtype)
        text = "linalg.pinv: The algorithm failed to converge"
        u, s, vt = guarded(np.linalg.svd, text, a, full_matrices=False)
        bound = np.maximum(atol, rtol * s[..., 0])[..., None]
        kept = s > bound
        inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
        u, vt = np.swapaxes(u, -1, -2), np.swapaxes(vt, -1, -2)
        return np.asarray((vt * inverse[..., None, :]) @ u, a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
        t, gt = transposed(out), transposed(g)
        left = gt - dot(a, dot(out, gt))
        right = gt - dot(dot(gt, out), a)
        return dot(left, dot(out, t)) + dot(dot(t, out), right) - dot(t, g, t)

    @staticmethod
    def samples() -> list[Sample]:
        zero, small = np.array(0.0), np.array(1e-12)
        return [
            Sample(probe(3, 2), zero, small),
            Sample(probe(2, 3), zero, small),
            Sample(probe(2, 2, 2, seed=2), np.zeros(2), small),
            Sample(np.zeros((2, 0, 3)), zero, small),
        ]


#: Padé's approximation of degree 13: b(a) = Σ bₖ aᵏ, exp(a) ≈ b(a) / b(−a)
_PADE = [
    math.factorial(26 - k) * math.factorial(13)
    / (math.factorial(26) * math.factorial(k) * math.factorial(13 - k))
    for k in range(14)
]  # fmt: skip
#: … is exact to float64 up to this norm
_REACH = 5.371920351148152


class MatrixExp(Op):
    """Σ aᵏ / k! of square matrices: scaled down, approximated, and squared again."""

    formula = "exp(a)"
    adjoint = ("∫ exp(s · aᵀ) · ḡ · exp((1 − s) · aᵀ) ds over 0 ≤ s ≤ 1",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.matrix_exp", specs[0], square=True, half=True)
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        if not a.size:
            return a.copy()
        x = a.astype(np.float64)
        norm = np.abs(x).sum(-2).max(-1)
        finite = np.isfinite(norm)
        ratio = np.where(finite & (norm > _REACH), norm / _REACH, 1.0)
        times = np.ceil(np.log2(ratio)).astype(np.int64)
        x = x / np.exp2(times)[..., None, None]
        x = np.where(finite[..., None, None], x, 0.0)
        eye = np.eye(a.shape[-1])
        x2 = x @ x
        x4 = x2 @ x2
        x6 = x4 @ x2
        b = _PADE
        even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2)
        even += b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * eye
        odd = x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2)
        odd = x @ (odd + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * eye)
        text = "linalg.matrix_exp: the approximation has no value"
        out = guarded(np.linalg.solve, text, even - odd, even + odd)
        for k in range(int(times.max())):
            out = np.where((times > k)[..., None, None], out @ out, out)
        out = np.where(finite[..., None, None], out, np.nan)
        return out.astype(a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        # exp of (aᵀ ḡ; 0 aᵀ) has the integral in its upper right corner
        n = a.shape[-1]
        t = transposed(a)
        zeros = constant(np.zeros(tuple(a.shape), a.dtype.np))
        top, low = apply(Cat, t, g, dim=-1), apply(Cat, zeros, t, dim=-1)
        both = apply(MatrixExp, apply(Cat, top, low, dim=-2))
        return both.narrow(-2, 0, n).narrow(-1, n, n)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(2, 2)),
            Sample(probe(2, 2, 2, high=6.0)),
            Sample(probe(1, 1)),
        ]
