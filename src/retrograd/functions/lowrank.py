"""Singular values of nearly low-rank matrices, by random projection.

N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness", 2011
(arXiv:0909.4061), algorithms 4.4 and 5.1.
"""

from __future__ import annotations

from typing import Any

from ..ops.families import Tensor
from ..refusals import explain_all
from .decompositions import linalg_qr, linalg_svd
from .random import randn


def _basis(a: Any, q: int, niter: int) -> Any:
    """q orthonormal columns that nearly span the columns of a."""
    probe = randn(a.shape[-1], q, dtype=a.dtype)
    found = linalg_qr(a @ probe)[0]
    for _ in range(niter):
        found = linalg_qr(a.mT @ found)[0]
        found = linalg_qr(a @ found)[0]
    return found


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Any, Any, Any]:
    """u diag(s) vᵀ ≈ A (or A − M) of rank *q*, with u and v in columns. Random numbers
    are drawn; *niter* rounds of subspace iteration make the result exacter.

    >>> import retrograd as rg
    >>> a = rg.outer(rg.tensor([3.0, 4.0]), rg.tensor([0.0, 1.0]))
    >>> s = rg.svd_lowrank(a, q=1)[1]
    >>> rg.allclose(s, rg.tensor([5.0]))
    True
    """
    a: Any = A if M is None else A - M
    rank, rounds = 6 if q is None else q, 2 if niter is None else niter
    m, n = a.shape[-2:]
    tall = m >= n
    a = a if tall else a.mT
    found = _basis(a, rank, rounds)
    u, s, vt = linalg_svd(found.mT @ a, full_matrices=False)
    left, right = found @ u, vt.mT
    return (left, s, right) if tall else (right, s, left)


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Any, Any, Any]:
    """The first *q* principal components of the rows of A: (u, s, v) as of
    ``svd_lowrank``, of A with the mean of each column taken off."""
    m, n = A.shape[-2:]
    rank = min(6, m, n) if q is None else q
    if not 0 <= rank <= min(m, n):
        raise ValueError(
            f"q(={rank}) must be non-negative integer and not greater than "
            f"min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    x: Any = A
    if center:
        x = x - x.mean(-2, keepdim=True)
    return svd_lowrank(x, rank, niter)


__all__ = ["pca_lowrank", "svd_lowrank"]

explain_all(globals(), __all__)
