"""Linear algebra by the array API standard's names: its extension ``linalg``."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

from .. import linalg as _linalg
from .arrays import matmul, matrix_transpose, tensordot, vecdot
from .arrays import sum as _sum
from .basics import Array, broadcast_arrays, result_type


class Svd(NamedTuple):
    """x = U · diag(S) · Vh."""

    U: Array
    S: Array
    Vh: Array


def cholesky(x: Array, /, *, upper: builtins.bool = False) -> Array:
    """The triangle l with l lᵀ = x, or u with uᵀ u = x."""
    return _linalg.cholesky(x, upper=upper)


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The vector product along an axis of length 3."""
    kind = result_type(x1, x2)
    one, two = broadcast_arrays(x1.to(kind), x2.to(kind))
    return _linalg.cross(one, two, dim=axis)


def det(x: Array, /) -> Array:
    """The determinants."""
    return _linalg.det(x)


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """The diagonals, as the last dimension."""
    return _linalg.diagonal(x, offset=offset)


def eigh(x: Array, /) -> Any:
    """Eigenvalues, rising, and eigenvectors of symmetric matrices."""
    return _linalg.eigh(x)


def eigvalsh(x: Array, /) -> Array:
    """The eigenvalues of symmetric matrices, rising."""
    return _linalg.eigvalsh(x)


def inv(x: Array, /) -> Array:
    """The inverses."""
    return _linalg.inv(x)


def matrix_norm(
    x: Array, /, *, keepdims: builtins.bool = False, ord: Any = "fro"
) -> Array:
    """A norm of matrices."""
    return _linalg.matrix_norm(x, ord, keepdim=keepdims)


def matrix_power(x: Array, n: int, /) -> Array:
    """x · x · … · x; for negative n of the inverses."""
    return _linalg.matrix_power(x, n)


def matrix_rank(x: Array, /, *, rtol: Any = None) -> Array:
    """The number of singular values above *rtol* times the largest."""
    return _linalg.matrix_rank(x, rtol=rtol)


def outer(x1: Array, x2: Array, /) -> Array:
    """All products of an element of x1 and one of x2."""
    kind = result_type(x1, x2)
    return x1.to(kind).outer(x2.to(kind))


def pinv(x: Array, /, *, rtol: Any = None) -> Array:
    """The pseudoinverses."""
    return _linalg.pinv(x, rtol=rtol)


def qr(x: Array, /, *, mode: str = "reduced") -> Any:
    """q r = x, with q orthonormal and r triangular."""
    return _linalg.qr(x, mode)


def slogdet(x: Array, /) -> Any:
    """The signs of the determinants and the logarithms of their absolute values."""
    return _linalg.slogdet(x)


def solve(x1: Array, x2: Array, /) -> Array:
    """The x with x1 · x = x2."""
    kind = result_type(x1, x2)
    return _linalg.solve(x1.to(kind), x2.to(kind))


def svd(x: Array, /, *, full_matrices: builtins.bool = True) -> Svd:
    """U · diag(S) · Vh = x."""
    return Svd(*_linalg.svd(x, full_matrices=full_matrices))


def svdvals(x: Array, /) -> Array:
    """The singular values, falling."""
    return _linalg.svdvals(x)


def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sums of the diagonals."""
    return _sum(_linalg.diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(
    x: Array, /, *, axis: Any = None, keepdims: builtins.bool = False, ord: Any = 2
) -> Array:
    """A norm of vectors."""
    return _linalg.vector_norm(x, ord, axis, keepdims)


__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv",
    "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot",
    "vector_norm",
]  # fmt: skip
