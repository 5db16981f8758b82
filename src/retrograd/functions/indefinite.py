"""Symmetric matrices that need not be definite: factors, and the solutions by them."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import dtypes
from ..dispatch import apply, apply1
from ..ops.core import Detach
from ..ops.families import Tensor
from ..ops.ldl import Ldl, LdlSolve
from ..ops.linalg import check_matrix
from ..ops.op import broadcast_shapes
from ..trace import spec_of
from .decompositions import refused_now


class Blocks(NamedTuple):
    """l below the blocks of d, with these, in one matrix; and the exchanges of rows."""

    LD: Any
    pivots: Any


class BlocksInfo(NamedTuple):
    """The same, and whether d is regular (0), or its first block that is 0 (from 1)."""

    LD: Any
    pivots: Any
    info: Any


def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Blocks:
    """p l d lᵀ pᵀ = A for symmetric A (of which the lower triangle is read), as
    ``ldl_solve`` takes it: l is a unit triangle, and d has blocks of one or two rows.
    Works where A is not positive definite, and Cholesky's factor does not exist.

    Runs what is pending, because a singular A is refused (LinAlgError). It has no
    derivative.

    >>> import retrograd as rg
    >>> A = rg.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> LD, pivots = rg.linalg.ldl_factor(A)
    >>> rg.linalg.ldl_solve(LD, pivots, rg.tensor([[2.0], [3.0]]))
    tensor([[3.],
            [2.]])
    """
    LD, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return Blocks(LD, pivots)


def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False
) -> BlocksInfo:
    """As ldl_factor, with the first block of d that is 0 (from 1) instead of an error."""
    check_matrix("linalg.ldl_factor", spec_of(A), square=True)
    n = A.shape[-1]
    flat = apply(Ldl, A, refuse=check_errors)
    if check_errors:
        refused_now(flat)
    whole = apply1(Detach, flat).narrow(-1, n * n, n + 1).to(dtypes.int32)
    both = flat.narrow(-1, 0, n * n).reshape(tuple(A.shape))
    return BlocksInfo(both, whole.narrow(-1, 0, n), whole.select(-1, n))


def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False
) -> Tensor:
    """X with A X = B, from the factors of A; stacks broadcast. Its derivative is that
    with respect to B."""
    check_matrix("linalg.ldl_solve", spec_of(LD), square=True)
    a, b = tuple(LD.shape), tuple(B.shape)
    if len(b) < 2:
        raise IndexError(
            "linalg.ldl_solve: B must be matrices, of at least 2 dimensions, but its "
            f"shape is {list(b)}: use B.unsqueeze(-1)"
        )
    if a[-1] != b[-2]:
        raise RuntimeError(
            "Incompatible matrix sizes for linalg.ldl_solve: each A matrix is "
            f"{a[-1]} by {a[-1]} but each b matrix is {b[-2]} by {b[-1]}"
        )
    if tuple(pivots.shape) != a[:-1]:
        raise RuntimeError(
            "linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, "
            f"but got pivots with shape {list(pivots.shape)} instead"
        )
    if pivots.dtype.is_floating_point or pivots.dtype is dtypes.bool_:
        raise RuntimeError(
            f"linalg.ldl_solve: Expected pivots to be integers. Got {pivots.dtype.name}"
        )
    if LD.dtype is not B.dtype:
        raise RuntimeError(
            "Expected b and A to have the same dtype, but found b of type "
            f"{B.dtype.name} and A of type {LD.dtype.name} instead"
        )
    batch = broadcast_shapes(a[:-2], b[:-2])
    return apply(
        LdlSolve,
        LD.expand((*batch, *a[-2:])),
        pivots.expand((*batch, a[-1])),
        B.expand((*batch, *b[-2:])),
    )
