"""Factorizations of matrices and stacks of them, with their derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..dispatch import apply, apply1, constant, recorder
from ..ops.core import Detach
from ..ops.factors import Cholesky, Eigh, Qr, Svd, qr_parts, svd_parts
from ..ops.families import Tensor
from ..ops.index import Gather
from ..ops.linalg import check_matrix
from ..ops.logic import IsNan
from ..ops.lu import Lu, Permutation, lu_parts
from ..ops.reduce import Argmax
from ..trace import spec_of

__all__ = ["cholesky", "qr", "svd", "lu", "lu_unpack", "geqrf", "orgqr", "ormqr",
           "symeig"]  # fmt: skip


class Triangles(NamedTuple):
    """p l u = a."""

    P: Any
    L: Any
    U: Any


class Factored(NamedTuple):
    """Both triangles in one matrix, and the exchanges of rows."""

    LU: Any
    pivots: Any


class FactoredInfo(NamedTuple):
    """The same, and whether it succeeded (0)."""

    LU: Any
    pivots: Any
    info: Any


class CholeskyInfo(NamedTuple):
    """A triangle, and whether it succeeded (0)."""

    L: Any
    info: Any


class Orthogonal(NamedTuple):
    """q r = a."""

    Q: Any
    R: Any


class Eigen(NamedTuple):
    """Eigenvalues and eigenvectors."""

    eigenvalues: Any
    eigenvectors: Any


class Singular(NamedTuple):
    """u diag(s) vᵀ = a."""

    U: Any
    S: Any
    Vh: Any


class SingularV(NamedTuple):
    """The same with v and not its transpose."""

    U: Any
    S: Any
    V: Any


class Reflectors(NamedTuple):
    """Householder's reflectors below the diagonal, and their factors."""

    a: Any
    tau: Any


def mirrored(a: Tensor, upper: bool) -> Tensor:
    """The symmetric matrix with the lower (or upper) triangle of *a*. Its derivative is
    taken to be that of a symmetric *a*."""
    if upper:
        one = a.triu() + a.triu(1).mT
    else:
        one = a.tril() + a.tril(-1).mT
    return a + apply1(Detach, one - a)


# -- Cholesky -------------------------------------------------------------------------


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The lower triangle l with l lᵀ = input (or the upper one u with uᵀ u = input), for
    symmetric positive definite matrices: LinAlgError for others. Only that triangle of
    input is looked at.

    >>> import retrograd as rg
    >>> rg.cholesky(rg.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    check_matrix("linalg.cholesky", spec_of(input), square=True)
    low = apply(Cholesky, mirrored(input, upper))
    return low.mT if upper else low


def cholesky_ex(
    input: Tensor, *, upper: bool = False, check_errors: bool = False
) -> CholeskyInfo:
    """As cholesky, with a whole number instead of an error: 0, or the order of the
    leading minor that is not positive definite."""
    check_matrix("linalg.cholesky", spec_of(input), square=True)
    low = apply(Cholesky, mirrored(input, upper), refuse=check_errors)
    if check_errors:
        refused_now(low)
    info = _first(apply1(IsNan, low.detach().diagonal(0, -2, -1)))
    return CholeskyInfo(low.mT if upper else low, info)


def refused_now(result: Tensor) -> None:
    """A matrix without factors is an error at once, as in PyTorch; of a function that is
    being transformed, when its numbers are worked out."""
    if recorder().tracing is None:
        result.detach().numpy()


def _first(truth: Tensor) -> Tensor:
    """The first true element of the last dimension, counted from 1, or 0."""
    shape = tuple(truth.shape)
    if not shape[-1]:
        return constant(np.zeros(shape[:-1], np.int32))
    marks = truth.to(dtypes.int32)
    place = apply(Argmax, marks, dim=-1, keepdim=True)
    found = apply(Gather, marks, place, dim=-1)
    return (found * (place + 1)).squeeze(-1).to(dtypes.int32)


# -- orthogonal factors ---------------------------------------------------------------


def qr(input: Tensor, some: bool = True) -> Orthogonal:
    """q r = input: see ``linalg.qr``."""
    return linalg_qr(input, "reduced" if some else "complete")


def linalg_qr(A: Tensor, mode: str = "reduced") -> Orthogonal:
    """q r = A with orthonormal columns of q and an upper triangle r. *mode*: "reduced",
    "complete" (q is square; no derivative for tall A), or "r" (r alone, no derivative).

    >>> import retrograd as rg
    >>> q, r = rg.linalg.qr(rg.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> rg.allclose(q @ r, rg.tensor([[3.0, 1.0], [4.0, 2.0]]))
    True
    """
    if not isinstance(mode, str):
        raise TypeError(f"linalg.qr: mode must be str, not {type(mode).__name__}")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode {mode!r} but expected one of 'reduced' "
            "(default), 'r', or 'complete'"
        )
    flat = apply(Qr, A, complete=mode == "complete")
    m, n = A.shape[-2:]
    q, r = qr_parts(flat, m, n, mode == "complete")
    if mode == "r":
        return Orthogonal(constant(np.zeros(0, A.dtype.np)), apply1(Detach, r))
    return Orthogonal(q, r)


def geqrf(input: Tensor) -> Reflectors:
    """The factorization q r = input with q as Householder's reflectors: r on and above
    the diagonal, their vectors below it, and their factors. No derivative; runs what is
    pending."""
    check_matrix("geqrf", spec_of(input))
    a = input.detach().numpy()
    *batch, m, n = a.shape
    k = min(m, n)
    if not a.size:
        return Reflectors(
            input.detach().clone(), constant(np.zeros((*batch, k), a.dtype))
        )
    flat = a.reshape(-1, m, n)
    parts = [np.linalg.qr(x, "raw") for x in flat]
    h = np.array([p[0].T for p in parts], a.dtype).reshape((*batch, m, n))
    tau = np.array([p[1] for p in parts], a.dtype).reshape((*batch, k))
    return Reflectors(constant(h), constant(tau))


def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H₁ H₂ … with Hᵢ = 1 − τᵢ vᵢ vᵢᵀ, where vᵢ stands below the
    diagonal of the column i of input (and is 1 on it)."""
    check_matrix("linalg.householder_product", spec_of(input))
    m, n = input.shape[-2:]
    if not tau.ndim:
        raise IndexError("linalg.householder_product: tau has no dimensions")
    k = tau.shape[-1]
    if m < n or n < k or tuple(tau.shape[:-1]) != tuple(input.shape[:-2]):
        raise RuntimeError(
            "linalg.householder_product: input.shape[-2] must be greater than or equal "
            "to input.shape[-1], which must be greater than or equal to tau.shape[-1]: "
            f"{list(input.shape)} and {list(tau.shape)}"
        )
    if input.dtype is not tau.dtype:
        raise RuntimeError(
            f"linalg.householder_product: tau dtype {tau.dtype.name} does not match "
            f"input dtype {input.dtype.name}"
        )
    eye = constant(np.eye(m, n, dtype=input.dtype.np))
    q = eye.expand(input.shape)
    for i in range(k - 1, -1, -1):
        q = _reflected(q, input, tau, i)
    return q


def _reflected(x: Tensor, h: Tensor, tau: Tensor, i: int) -> Tensor:
    """Hᵢ x."""
    m = h.shape[-2]
    mask = constant((np.arange(m) > i)[:, None])
    one = constant((np.arange(m) == i)[:, None].astype(h.dtype.np))
    v = h.narrow(-1, i, 1).where(mask, one)
    factor = tau.narrow(-1, i, 1).unsqueeze(-1)
    return x - factor * (v @ (v.mT @ x))


orgqr = householder_product


def ormqr(
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left: bool = True,
    transpose: bool = False,
) -> Tensor:
    """q other, or other q, or with qᵀ: q = H₁ H₂ … of Householder's reflectors, square."""
    if input.ndim < 2 or other.ndim < 2:
        raise RuntimeError("ormqr: input and other must have at least 2 dimensions")
    if other.shape[-2 if left else -1] != input.shape[-2]:
        raise RuntimeError(
            "ormqr: input.shape[-2] must be equal to the side of other that it is "
            f"multiplied with: {list(input.shape)} and {list(other.shape)}"
        )
    if not tau.ndim:
        raise IndexError("ormqr: tau has no dimensions")
    if not input.ndim == tau.ndim + 1 == other.ndim:
        raise RuntimeError(
            "ormqr: tau has one dimension less than input and other, but they have "
            f"shapes {list(tau.shape)}, {list(input.shape)} and {list(other.shape)}"
        )
    if tau.shape[-1] > input.shape[-1]:
        raise RuntimeError("ormqr: there are more factors tau than columns of input")
    x = other if left else other.mT
    # other q = (qᵀ otherᵀ)ᵀ; qᵀ takes the reflectors in the other order
    order = range(tau.shape[-1])
    for i in order if transpose == left else reversed(order):
        x = _reflected(x, input, tau, i)
    return x if left else x.mT


# -- eigenvalues and singular values --------------------------------------------------


def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """λ (rising) and orthonormal v with v diag(λ) vᵀ = A, for symmetric A, of which only
    the triangle *UPLO* is looked at. The derivative of v grows without bound where
    eigenvalues come together; loss functions have to be invariant to its signs.

    >>> import retrograd as rg
    >>> rg.linalg.eigh(rg.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    flat = _eigh(A, UPLO)
    return Eigen(flat.select(-2, 0), flat.narrow(-2, 1, A.shape[-1]))


def _eigh(a: Tensor, uplo: str) -> Tensor:
    check_matrix("linalg.eigh", spec_of(a), square=True)
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    return apply(Eigh, mirrored(a, uplo.upper() == "U"))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric A, rising. They have derivatives of first order
    everywhere."""
    return _eigh(A, UPLO).select(-2, 0)


def symeig(*args: Any, **kwargs: Any) -> Any:
    """Removed from PyTorch: ``linalg.eigh``."""
    raise RuntimeError("symeig was removed: use linalg.eigh, which returns both parts")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SingularV:
    """u diag(s) vᵀ = input: as ``linalg.svd``, but with v itself."""
    m, n = input.shape[-2:] if input.ndim > 1 else (0, 0)
    u, s, vt = _svd(input, not some and compute_uv)
    if compute_uv:
        return SingularV(u, s, vt.mT)
    batch, kind = tuple(input.shape[:-2]), input.dtype.np
    zeros = [constant(np.zeros((*batch, k, k), kind)) for k in (m, n)]
    return SingularV(zeros[0], s, zeros[1])


def _svd(a: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
    flat = apply(Svd, a, full=full)
    m, n = a.shape[-2:]
    return svd_parts(flat, m, n, full)


def linalg_svd(
    A: Tensor, full_matrices: bool = True, *, driver: str | None = None
) -> Singular:
    """u diag(s) vᵀ = A, with s ≥ 0 falling. The columns of u and v beyond the shorter
    side of A, which ``full_matrices`` adds, have no derivative. That of u and v grows
    without bound where singular values come together, or come to 0.

    >>> import retrograd as rg
    >>> rg.linalg.svd(rg.tensor([[3.0, 0.0], [0.0, -4.0]])).S
    tensor([4., 3.])
    """
    return Singular(*_svd(A, full_matrices))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, falling."""
    return _svd(A, False)[1]


# -- elimination ----------------------------------------------------------------------


def _factored(a: Tensor, refuse: bool = False) -> Factored:
    flat = apply(Lu, a, refuse=refuse)
    if refuse:
        refused_now(flat)
    m, n = a.shape[-2:]
    both, pivots = lu_parts(flat, m, n)
    return Factored(both, apply1(Detach, pivots).to(dtypes.int32))


def _singular(both: Tensor) -> Tensor:
    """The first 0 on the diagonal of u, counted from 1, or 0."""
    return _first(both.detach().diagonal(0, -2, -1) == 0)


def lu_factor(A: Tensor, *, pivot: bool = True) -> Factored:
    """The factorization p l u = A, packed as ``lu_solve`` takes it. Runs what is
    pending, because a singular A is refused."""
    result = lu_factor_ex(A, pivot=pivot, check_errors=True)
    return Factored(result.LU, result.pivots)


def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False
) -> FactoredInfo:
    """As lu_factor, with the first zero on the diagonal of u (from 1) instead of an
    error."""
    _pivoting(pivot)
    both, pivots = _factored(A, check_errors)
    return FactoredInfo(both, pivots, _singular(both))


def _pivoting(pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(
            "linalg.lu_factor: LU without pivoting is not implemented on the CPU: use "
            "pivot=True"
        )


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True,
    unpack_pivots: bool = True,
) -> Triangles:  # fmt: skip
    """p, l and u of a packed factorization; parts not asked for are empty."""
    if LU_data.ndim < 2 or not LU_pivots.ndim:
        raise RuntimeError(
            "lu_unpack: expected matrices and vectors of pivots, but got shapes "
            f"{list(LU_data.shape)} and {list(LU_pivots.shape)}"
        )
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    kind = LU_data.dtype.np
    nothing = constant(np.zeros(0, kind))
    p = low = up = nothing
    if unpack_data:
        eye = constant(np.eye(m, k, dtype=kind))
        low = LU_data.narrow(-1, 0, k).tril(-1) + eye
        up = LU_data.narrow(-2, 0, k).triu()
    if unpack_pivots:
        if LU_pivots.dtype is not dtypes.int32:
            raise RuntimeError(
                "lu_unpack: LU_pivots is expected to be a tensor of "
                f"int32 dtype, not {LU_pivots.dtype.name}"
            )
        order = apply(Permutation, LU_pivots, rows=m)
        places = constant(np.arange(m)[:, None])
        p = (order.unsqueeze(-2) == places).to(LU_data.dtype)
    return Triangles(p, low, up)


def linalg_lu(A: Tensor, *, pivot: bool = True) -> Triangles:
    """A permutation p, a lower triangle l with 1 on its diagonal and an upper one u with
    p l u = A."""
    _pivoting(pivot)
    both, pivots = _factored(A)
    return lu_unpack(both, pivots)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """The packed factorization of the older interface: ``linalg.lu_factor``."""
    _pivoting(pivot)
    both, pivots = _factored(A)
    if get_infos:
        return both, pivots, _singular(both)
    return both, pivots
