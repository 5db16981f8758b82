"""Linear systems: inverses, solutions, determinants, powers and ranks of matrices and
stacks of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..dispatch import apply, apply1, composite, constant
from ..ops.core import Detach
from ..ops.elementwise import Abs, Gt, Maximum, Where
from ..ops.families import Tensor
from ..ops.linalg import Det, Inverse, Slogdet, Solve, SolveTriangular, check_matrix
from ..ops.lu import Permutation
from ..ops.matmul import Matmul
from ..ops.matrix_functions import MatrixExp, Pinv
from ..ops.op import whole_number
from ..ops.reduce import Amax, Sum
from ..trace import Handle, is_tensor, spec_of
from .decompositions import eigvalsh, lu_factor_ex, mirrored, refused_now, svdvals

__all__ = ["inverse", "det", "slogdet", "logdet", "pinverse", "matrix_exp",
           "matrix_power", "triangular_solve", "cholesky_solve", "cholesky_inverse",
           "lu_solve", "matrix_rank", "solve", "lstsq"]  # fmt: skip


class SignAndLog(NamedTuple):
    """The sign and the logarithm of the size of a determinant."""

    sign: Any
    logabsdet: Any


class InverseInfo(NamedTuple):
    """An inverse, and whether there is one (0)."""

    inverse: Any
    info: Any


class SolveInfo(NamedTuple):
    """A solution, and whether there is one (0)."""

    result: Any
    info: Any


class LeastSquares(NamedTuple):
    """The solution of least squares, and what is known about it."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


class TriangularSolution(NamedTuple):
    """A solution, and the matrix of the equations."""

    solution: Any
    cloned_coefficient: Any


# -- inverses and solutions -----------------------------------------------------------


def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices; LinAlgError where there is none.

    >>> import retrograd as rg
    >>> rg.inverse(rg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return apply1(Inverse, input)


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InverseInfo:
    """As inverse, with the first zero pivot (from 1) instead of an error."""
    check_matrix("linalg.inv", spec_of(A), square=True)
    info = lu_factor_ex(A.detach()).info
    if check_errors:
        inverted = apply1(Inverse, A)
        refused_now(inverted)
        return InverseInfo(inverted, info)
    bad = info.reshape((*info.shape, 1, 1)) != 0
    eye = constant(np.eye(A.shape[-1], dtype=A.dtype.np))
    return InverseInfo(
        apply(Where, bad, math.nan, apply1(Inverse, apply(Where, bad, eye, A))), info
    )


def _as_matrix(a: Tensor, b: Tensor) -> bool:
    """Whether b is a stack of vectors: its shape is that of a without the last
    dimension."""
    return bool(b.ndim == 1 or tuple(b.shape) == tuple(a.shape[:-1]))


def linalg_solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B where not *left*. B is a stack of matrices, or of
    vectors where its shape is that of A without the last dimension.

    >>> import retrograd as rg
    >>> rg.linalg.solve(rg.tensor([[2.0, 0.0], [0.0, 4.0]]), rg.tensor([1.0, 1.0]))
    tensor([0.5000, 0.2500])
    """
    check_matrix("linalg.solve", spec_of(A), square=True)
    vector = _as_matrix(A, B)
    if vector:
        if not left:
            raise RuntimeError(
                "linalg.solve: Vector broadcasting of the left hand side is not "
                "supported for left=False. In this case linalg.solve is equivalent to "
                "B / A.squeeze(-1)"
            )
        return apply(Solve, A, B.unsqueeze(-1)).squeeze(-1)
    if left:
        return apply(Solve, A, B)
    return apply(Solve, A.mT, B.mT).mT


def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False
) -> SolveInfo:
    """As solve, with the first zero pivot (from 1) instead of an error."""
    check_matrix("linalg.solve", spec_of(A), square=True)
    info = lu_factor_ex(A.detach()).info
    if check_errors:
        result = linalg_solve(A, B, left=left)
        refused_now(result)
        return SolveInfo(result, info)
    bad = info.reshape((*info.shape, 1, 1)) != 0
    eye = constant(np.eye(A.shape[-1], dtype=A.dtype.np))
    result = linalg_solve(apply(Where, bad, eye, A), B, left=left)
    if _as_matrix(A, B):
        bad = bad.squeeze(-1)
    return SolveInfo(apply(Where, bad, math.nan, result), info)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with A X = B (X A = B where not *left*) for a triangle A: what lies on its other
    side is not looked at, nor the diagonal if it is *unitriangular*. A zero on the
    diagonal gives infinities and NaN."""
    over = {"upper": upper if left else not upper, "unit": unitriangular}
    if left:
        return apply(SolveTriangular, A, B, **over)
    return apply(SolveTriangular, A.mT, B.mT, **over).mT


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False,
    unitriangular: bool = False,
) -> TriangularSolution:  # fmt: skip
    """A X = b of the older interface: ``linalg.solve_triangular``."""
    side = A.mT if transpose else A
    x = apply(SolveTriangular, side, b, upper=upper != transpose, unit=unitriangular)
    return TriangularSolution(x, A.clone())


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with (l lᵀ) X = input, or with (uᵀ u) X = input."""
    if input.ndim < 2:
        raise RuntimeError(
            f"b should have at least 2 dimensions, but has {input.ndim} dimensions "
            "instead"
        )
    check_matrix("cholesky_solve", spec_of(L), square=True)
    low, high = (L.mT, L) if upper else (L, L.mT)
    y = apply(SolveTriangular, low, input, upper=False, unit=False)
    return apply(SolveTriangular, high, y, upper=True, unit=False)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """(l lᵀ)⁻¹, or (uᵀ u)⁻¹."""
    check_matrix("cholesky_inverse", spec_of(L), square=True)
    eye = constant(np.eye(L.shape[-1], dtype=L.dtype.np)).expand(L.shape)
    return cholesky_solve(eye, L, upper)


def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """X with A X = B (X A = B where not *left*, Aᵀ for A if *adjoint*) of the packed
    factorization of A."""
    check_matrix("linalg.lu_solve", spec_of(LU), square=True)
    check_matrix("linalg.lu_solve", spec_of(B))
    if tuple(pivots.shape) != tuple(LU.shape[:-1]):
        raise RuntimeError(
            "linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but "
            f"got {list(LU.shape)} and {list(pivots.shape)}: give both as lu_factor made "
            "them"
        )
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            f"linalg.lu_solve: pivots should be a Tensor of scalar type int32, not "
            f"{pivots.dtype.name}"
        )
    if B.dtype is not LU.dtype:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU "
            f"of type {LU.dtype.name} and B of type {B.dtype.name} instead"
        )
    if not left:
        return linalg_lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    n = LU.shape[-1]
    order = apply(Permutation, pivots, rows=n)
    places = order.unsqueeze(-1)
    index = constant(np.arange(n))
    # p has a 1 in row order[j] of the column j
    p = apply(Where, places == index, 1.0, constant(np.zeros((), LU.dtype.np)))
    if not adjoint:
        x = apply(Matmul, p, B)
        x = apply(SolveTriangular, LU, x, upper=False, unit=True)
        return apply(SolveTriangular, LU, x, upper=True, unit=False)
    x = apply(SolveTriangular, LU.mT, B, upper=False, unit=False)
    x = apply(SolveTriangular, LU.mT, x, upper=True, unit=True)
    return apply(Matmul, p.mT, x)


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """A X = b of the older interface: ``linalg.lu_solve``."""
    return linalg_lu_solve(LU_data, LU_pivots, b)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a map from its last dimensions to its first *ind*."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', not {ind}")
    rows, columns = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n = math.prod(rows)
    if not columns or n != math.prod(columns):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(columns)} != {n}"
        )
    return inverse(A.reshape(n, -1)).reshape((*columns, *rows))


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B. The dimensions *dims* of A are taken last."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    rest = tuple(A.shape[B.ndim :])
    n = math.prod(rest)
    if n != B.numel() or A.numel() != n * n:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got shapes {list(A.shape)} and "
            f"{list(B.shape)}"
        )
    return linalg_solve(A.reshape(n, n), B.reshape(-1)).reshape(rest)


# -- determinants ---------------------------------------------------------------------


def det(input: Tensor) -> Tensor:
    """The determinant of square matrices. Singular ones have a derivative as well.

    >>> import retrograd as rg
    >>> rg.det(rg.tensor([[2.0, 1.0], [1.0, 3.0]]))
    tensor(5.)
    """
    return apply1(Det, input)


def slogdet(input: Tensor) -> SignAndLog:
    """The sign of the determinant, and the logarithm of its size: no overflow."""
    both = apply1(Slogdet, input)
    return SignAndLog(apply1(Detach, both.select(-1, 0)), both.select(-1, 1))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where that is negative."""
    sign, log = slogdet(input)
    return apply(Where, sign == -1, math.nan, log)


# -- pseudoinverse, rank, least squares -----------------------------------------------


def _bounds(name: str, a: Tensor, atol: Any, rtol: Any) -> tuple[Tensor, Tensor]:
    """The absolute and the relative bound below which a singular value counts as 0."""
    kind = a.dtype.np
    for what, bound in (("atol", atol), ("rtol", rtol)):
        if is_tensor(bound) and bound.requires_grad:
            raise RuntimeError(f"{name}: {what} has no derivative: detach it")
    if rtol is None:
        rtol = dtypes.finfo(a.dtype).eps * max(a.shape[-2:])
        if isinstance(atol, Handle):
            zero = constant(np.zeros((), kind))
            rtol = apply(Where, apply(Gt, atol, 0), zero, float(rtol))
        elif atol is not None and atol > 0:
            rtol = 0.0
    if atol is None:
        atol = 0.0
    made = [
        x.to(a.dtype) if is_tensor(x) else constant(np.asarray(x, kind))
        for x in (atol, rtol)
    ]
    return made[0], made[1]


def pinv(
    A: Tensor, rcond: Any = None, *, atol: Any = None, rtol: Any = None,
    hermitian: bool = False,
) -> Tensor:  # fmt: skip
    """The pseudoinverse of Moore and Penrose. Singular values up to
    max(*atol*, *rtol* · largest) count as 0; *rtol* is the machine's precision times the
    longer side where neither is given. *hermitian*: A is symmetric.

    >>> import retrograd as rg
    >>> rg.linalg.pinv(rg.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.2500]])
    """
    check_matrix("linalg.pinv", spec_of(A), square=hermitian)
    if rcond is not None:
        rtol = rcond
    if hermitian:
        A = mirrored(A, False)
    return apply(Pinv, A, *_bounds("linalg.pinv", A, atol, rtol))


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse: see ``linalg.pinv``."""
    return pinv(input, rtol=rcond)


def linalg_matrix_rank(
    A: Tensor, tol: Any = None, *, atol: Any = None, rtol: Any = None,
    hermitian: bool = False,
) -> Tensor:  # fmt: skip
    """The number of singular values above max(*atol*, *rtol* · largest)."""
    check_matrix("linalg.matrix_rank", spec_of(A), square=hermitian)
    A = A.detach()
    if tol is not None:
        atol, rtol = tol, 0.0
    low, relative = _bounds("linalg.matrix_rank", A, atol, rtol)
    s = apply1(Abs, eigvalsh(A)) if hermitian else svdvals(A)
    if not s.shape[-1]:
        return constant(np.zeros(tuple(s.shape[:-1]), np.int64))
    largest = apply(Amax, s, dim=-1, keepdim=False)
    bound = apply(Maximum, low, relative * largest)
    return apply(Sum, apply(Gt, s, bound.unsqueeze(-1)), dim=-1, keepdim=False)


def matrix_rank(*args: Any, **kwargs: Any) -> Any:
    """Removed from PyTorch: ``linalg.matrix_rank``."""
    raise RuntimeError("matrix_rank was removed: use linalg.matrix_rank")


def solve(*args: Any, **kwargs: Any) -> Any:
    """Removed from PyTorch: ``linalg.solve``."""
    raise RuntimeError("solve was removed: use linalg.solve, with A first and then B")


def lstsq(*args: Any, **kwargs: Any) -> Any:
    """Removed from PyTorch: ``linalg.lstsq``."""
    raise RuntimeError("lstsq was removed: use linalg.lstsq, with A first and then B")


def linalg_lstsq(
    A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None
) -> LeastSquares:
    """The X for which ‖A X − B‖ is least, the shortest one of several; the squares that
    remain (of tall A of full rank, unless the *driver* is "gelsy", as it is by default),
    the rank, and the singular values (for the drivers "gelsd" and "gelss").

    >>> import retrograd as rg
    >>> a = rg.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> rg.linalg.lstsq(a, rg.tensor([[1.0], [3.0], [5.0]])).solution
    tensor([[1.0000],
            [2.0000]])
    """
    check_matrix("linalg.lstsq", spec_of(A))
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, "
            f"gelss), not {driver}"
        )
    if B.ndim < 1 or A.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.lstsq: input.dim() must be greater or equal to other.dim(), and of "
            f"the same type: {spec_of(A)!r} and {spec_of(B)!r}"
        )
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    b = B.unsqueeze(-1) if vector else B
    m, n = A.shape[-2:]
    if b.shape[-2] != m:
        raise RuntimeError(
            f"linalg.lstsq: input.size(-2) should match other.size(-2): {list(A.shape)} "
            f"and {list(B.shape)}"
        )
    x = pinv(A, rtol=rcond) @ b
    solution = x.squeeze(-1) if vector else x
    batch, kind = tuple(x.shape[:-2]), A.dtype.np
    nothing = constant(np.zeros(0, kind))
    rank: Any = constant(np.zeros(0, np.int64))
    residuals = values = nothing
    if driver != "gels":
        rank = linalg_matrix_rank(A, rtol=rcond).expand(batch)
    if (
        m > n
        and driver not in (None, "gelsy")
        and (driver == "gels" or (rank == n).all())
    ):
        rest = A @ x - b
        residuals = (rest * rest).sum(-2)
    if driver in ("gelsd", "gelss"):
        values = svdvals(A.detach())
    return LeastSquares(solution, residuals, rank, values)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number ‖A‖ · ‖A⁻¹‖ in the norm *p* (see ``linalg.matrix_norm``); for
    None, 2 and −2 from the singular values of A, which need not be square."""
    from .norms import matrix_norm

    if A.ndim < 2:
        raise RuntimeError(
            "linalg.cond: The input tensor A must have at least 2 dimensions."
        )
    if p is None or p == 2 or p == -2:
        s = svdvals(A)
        if not s.shape[-1]:
            return constant(np.zeros(tuple(s.shape[:-1]), A.dtype.np))
        large, small = s.select(-1, 0), s.select(-1, -1)
        return small / large if p == -2 else large / small
    if p not in (1, -1, math.inf, -math.inf, "fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    check_matrix("linalg.cond", spec_of(A), square=True)
    if not A.shape[-1]:
        return constant(np.zeros(tuple(A.shape[:-2]), A.dtype.np))
    inverted, info = inv_ex(A)
    product = matrix_norm(A, p) * matrix_norm(inverted, p)
    return apply(Where, info == 0, product, math.inf)


# -- powers ---------------------------------------------------------------------------


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The product of n factors input; of its inverse where n is negative.

    >>> import retrograd as rg
    >>> rg.matrix_power(rg.tensor([[1.0, 1.0], [1.0, 0.0]]), 5)
    tensor([[8., 5.],
            [5., 3.]])
    """
    spec = spec_of(input)
    if len(spec.shape) < 2 or spec.shape[-1] != spec.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, not of shape "
            f"{list(spec.shape)}"
        )
    n = whole_number(n, "matrix_power(): argument 'n'")
    if n == 0:
        eye = constant(np.eye(spec.shape[-1], dtype=input.dtype.np))
        return eye.expand(spec.shape).clone()
    return input.clone() if n == 1 else _power(input, n)


@composite
def _power(a: Tensor, n: int) -> Tensor:
    if n < 0:
        a, n = apply1(Inverse, a), -n
    out: Any = None
    while n:
        if n % 2:
            out = a if out is None else apply(Matmul, out, a)
        n //= 2
        if n:
            a = apply(Matmul, a, a)
    return out


def matrix_exp(input: Tensor) -> Tensor:
    """Σ inputᵏ / k!: the exponential of square matrices.

    >>> import retrograd as rg
    >>> rg.matrix_exp(rg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return apply1(MatrixExp, input)
