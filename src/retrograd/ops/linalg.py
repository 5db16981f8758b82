"""Linear systems: inverses, solutions and determinants of matrices and stacks of them.

The derivatives are those of A A⁻¹ = I and of Jacobi's formula d det A = tr(adj(A) dA);
see M. B. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation", 2008.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import apply
from ..errors import LinAlgError
from .families import Tensor
from .matmul import Matmul, transposed
from .op import Array, Op, Sample, Spec, broadcast_shapes, probe

#: PyTorch finds the type out when it looks for the kernel
_LATE = {"linalg.eigh", "linalg.lu_factor", "linalg.solve_triangular", "geqrf",
         "cholesky_inverse"}  # fmt: skip


def check_matrix(
    name: str, spec: Spec, square: bool = False, half: bool = False
) -> None:
    """RuntimeError unless *spec* is a stack of matrices of real numbers."""
    shape, d = spec.shape, spec.dtype
    if len(shape) < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions, not "
            f"{len(shape)}: its shape is {list(shape)}"
        )
    if square and shape[-1] != shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {shape[-2]} by "
            f"{shape[-1]} matrices"
        )
    if not d.is_floating_point:
        raise (NotImplementedError if name in _LATE else RuntimeError)(
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{d.name}; convert it, e.g. with .float()"
        )
    if d.itemsize == 2 and not half:
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {d.name}; use .float()"
        )


def guarded(function: Any, text: str, *arrays: Array, **options: Any) -> Any:
    """NumPy's routine; what it cannot do is the library's LinAlgError."""
    try:
        return function(*arrays, **options)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{text} ({error})") from None


def regular(n: int, *batch: int, seed: int = 0) -> Array:
    """Sample matrices far from singular, all different."""
    return probe(*batch, n, n, seed=seed) + 3 * np.eye(n)


class Inverse(Op):
    formula, adjoint = "a⁻¹", ("−outᵀ · ḡ · outᵀ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.inv", specs[0], square=True)
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        text = "linalg.inv: the input matrix is singular and has no inverse"
        return guarded(np.linalg.inv, text, a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        t = transposed(out)
        return -apply(Matmul, apply(Matmul, t, g), t)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(regular(3)), Sample(regular(2, 2)), Sample(np.zeros((2, 0, 0)))]


class Solve(Op):
    """x with a x = b: stacks of square matrices a and of right sides b, which
    broadcast."""

    formula, adjoint = "a⁻¹ · b", ("−a⁻ᵀ · ḡ · outᵀ", "a⁻ᵀ · ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        a, b = specs
        check_matrix("linalg.solve", a, square=True)
        check_matrix("linalg.solve", b)
        if a.dtype is not b.dtype:
            raise RuntimeError(
                "linalg.solve: Expected A and B to have the same dtype, but found A of "
                f"type {a.dtype.name} and B of type {b.dtype.name} instead"
            )
        if a.shape[-1] != b.shape[-2]:
            raise RuntimeError(
                "linalg.solve: Incompatible shapes of A and B for the equation AX = B: "
                f"{list(a.shape)} and {list(b.shape)}"
            )
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return Spec((*batch, *b.shape[-2:]), a.dtype)

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        text = "linalg.solve: the matrix of the equations is singular: no one solution"
        return guarded(np.linalg.solve, text, a, b)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
        side = apply(Solve, transposed(a), g)
        return -apply(Matmul, side, transposed(out))

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor) -> Tensor:
        return apply(Solve, transposed(a), g)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(regular(3), probe(3, 2, seed=3)),
            Sample(regular(2, 3), probe(2, 1, 2, 1, seed=3)),
            Sample(np.zeros((0, 2, 2)), np.zeros((2, 1))),
        ]


class SolveTriangular(Op):
    """x with a x = b, where of a only one triangle is looked at (and 1 taken for its
    diagonal if *unit*). A 0 on the diagonal gives infinities and NaN."""

    formula = "a⁻¹ · b"
    adjoint = ("−tri(a⁻ᵀ · ḡ · outᵀ)", "a⁻ᵀ · ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        a, b = specs
        check_matrix("linalg.solve_triangular", a, square=True)
        if a.dtype is not b.dtype:
            raise RuntimeError(
                "linalg.solve_triangular: Expected A and B to have the same dtype, but "
                f"found {a.dtype.name} and {b.dtype.name} instead"
            )
        if len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
            raise RuntimeError(
                "linalg.solve_triangular: Incompatible shapes of A and B for the "
                f"equation AX = B: {list(a.shape)} and {list(b.shape)}"
            )
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return Spec((*batch, *b.shape[-2:]), a.dtype)

    @staticmethod
    def forward(a: Array, b: Array, *, upper: bool, unit: bool) -> Any:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        x = np.array(np.broadcast_to(b, batch + b.shape[-2:]), order="C")
        _substitute(a, x, upper, unit)
        return x

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, out: Tensor, upper: bool, unit: bool) -> Tensor:
        side = apply(SolveTriangular, transposed(a), g, upper=not upper, unit=unit)
        full = -apply(Matmul, side, transposed(out))
        return full.triu(int(unit)) if upper else full.tril(-int(unit))

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, upper: bool, unit: bool) -> Tensor:
        return apply(SolveTriangular, transposed(a), g, upper=not upper, unit=unit)

    @staticmethod
    def samples() -> list[Sample]:
        b = probe(3, 2, seed=3)
        return [
            Sample(regular(3), b, upper=True, unit=False),
            Sample(regular(3), b, upper=False, unit=True),
            Sample(regular(2, 2), probe(2, 1, seed=4), upper=False, unit=False),
            Sample(np.zeros((0, 0)), np.zeros((0, 2)), upper=True, unit=False),
        ]


def _substitute(a: Array, x: Array, upper: bool, unit: bool) -> None:
    """Overwrite x with a⁻¹ x: halves of the triangle, joined by a product."""
    n = a.shape[-1]
    if n > 16:
        half = n // 2
        top, low = x[..., :half, :], x[..., half:, :]
        if upper:
            _substitute(a[..., half:, half:], low, upper, unit)
            top -= a[..., :half, half:] @ low
            _substitute(a[..., :half, :half], top, upper, unit)
        else:
            _substitute(a[..., :half, :half], top, upper, unit)
            low -= a[..., half:, :half] @ top
            _substitute(a[..., half:, half:], low, upper, unit)
        return
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        row = a[..., i, None, known] @ x[..., known, :]
        x[..., i, :] -= row[..., 0, :]
        if not unit:
            x[..., i, :] /= a[..., i, i, None]


# -- determinants ---------------------------------------------------------------------


class Det(Op):
    formula, adjoint = "det(a)", ("ḡ · cofactors(a)",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.det", specs[0], square=True)
        return Spec(specs[0].shape[:-2], specs[0].dtype)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.asarray(np.linalg.det(a), a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g.reshape((*g.shape, 1, 1)) * apply(Cofactors, a)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(regular(3)), Sample(regular(2, 2)), Sample(probe(1, 1))]


class Cofactors(Op):
    """The matrix of ∂ det(a) / ∂aᵢⱼ, which is det(a) a⁻ᵀ where a has an inverse. From
    the singular values, a = u diag(s) vᵀ, it is det(u) det(v) · u diag(Π_others(s)) vᵀ,
    so that singular matrices have one too. Its own derivative needs the inverse."""

    formula = "det(a) · a⁻ᵀ"
    adjoint = ("det(a) · (tr(a⁻¹ · ḡ) · a⁻ᵀ − a⁻ᵀ · ḡᵀ · a⁻ᵀ)",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.det", specs[0], square=True)
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        if not a.size:
            return a.copy()
        u, s, vt = guarded(np.linalg.svd, "linalg.det: no convergence", a)
        n = s.shape[-1]
        ones = np.ones((*s.shape[:-1], 1), s.dtype)
        left = np.concatenate([ones, np.cumprod(s, -1)[..., : n - 1]], -1)
        back = np.cumprod(s[..., ::-1], -1)[..., : n - 1]
        right = np.concatenate([ones, back], -1)[..., ::-1]
        sign = np.linalg.det(u) * np.linalg.det(vt)
        weights = (left * right * sign[..., None])[..., None, :]
        return np.asarray((u * weights) @ vt, a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        b = transposed(apply(Inverse, a))
        determinant = apply(Det, a)
        determinant = determinant.reshape((*determinant.shape, 1, 1))
        trace = (b * g).sum((-2, -1), keepdim=True)
        twice = apply(Matmul, apply(Matmul, b, transposed(g)), b)
        return determinant * (trace * b - twice)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(regular(3)), Sample(regular(2, 2)), Sample(probe(1, 1))]


class Slogdet(Op):
    """(sign, log |det(a)|) as the last dimension; (0, −∞) for a singular matrix. The
    sign has no derivative."""

    formula = "(sign(det(a)), log(|det(a)|))"
    adjoint = ("ḡ₂ · a⁻ᵀ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        check_matrix("linalg.slogdet", specs[0], square=True)
        return Spec((*specs[0].shape[:-2], 2), specs[0].dtype)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.stack(np.linalg.slogdet(a), -1).astype(a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        part = g.select(-1, 1)
        return part.reshape((*part.shape, 1, 1)) * transposed(apply(Inverse, a))

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(regular(3)), Sample(regular(2, 2)), Sample(-regular(1))]
