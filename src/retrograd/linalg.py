"""Linear algebra under PyTorch's names for it: ``torch.linalg``."""

from __future__ import annotations

from typing import Any

from .errors import LinAlgError
from .functions.decompositions import cholesky as _cholesky
from .functions.decompositions import (
    cholesky_ex,
    eigh,
    eigvalsh,
    householder_product,
    lu_factor,
    lu_factor_ex,
    svdvals,
)
from .functions.decompositions import linalg_lu as lu
from .functions.decompositions import linalg_qr as qr
from .functions.decompositions import linalg_svd as svd
from .functions.einsum import multi_dot
from .functions.indefinite import ldl_factor, ldl_factor_ex, ldl_solve
from .functions.matmul import matmul
from .functions.norms import linalg_cross as cross
from .functions.norms import linalg_norm as norm
from .functions.norms import linalg_vander as vander
from .functions.norms import matrix_norm, vecdot
from .functions.out import LINALG as _LINALG
from .functions.out import give_out as _give_out
from .functions.sums import vector_norm
from .functions.systems import (
    cond,
    det,
    inv_ex,
    matrix_exp,
    matrix_power,
    pinv,
    slogdet,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from .functions.systems import inverse as inv
from .functions.systems import linalg_lstsq as lstsq
from .functions.systems import linalg_lu_solve as lu_solve
from .functions.systems import linalg_matrix_rank as matrix_rank
from .functions.systems import linalg_solve as solve
from .refusals import explain_all as _explain_all


def cholesky(A: Any, *, upper: bool = False) -> Any:
    """The lower triangle l with l lᵀ = A, or the upper one u with uᵀ u = A."""
    return _cholesky(A, upper)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of matrices, in the last two dimensions by default."""
    return A.diagonal(offset, dim1, dim2)


_give_out(globals(), _LINALG)


__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal",
    "eigh", "eigvalsh", "householder_product", "inv", "inv_ex",
    "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor", "lu_factor_ex",
    "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank",
    "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander",
    "vecdot", "vector_norm",
]  # fmt: skip

_explain_all(globals(), __all__)


def __getattr__(name: str) -> object:
    from .left_out import error

    raise error("linalg", name)
