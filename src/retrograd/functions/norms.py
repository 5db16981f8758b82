"""Norms of matrices and distances between points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, apply1, composite, constant, narrowed
from ..ops.elementwise import Abs
from ..ops.families import Ints, Sizes, Tensor
from ..ops.op import normalize_dim
from ..ops.reduce import Amax, Amin, Sum
from .decompositions import svdvals
from .sums import root, vector_norm

__all__ = ["cdist", "pdist", "cross", "frobenius_norm", "nuclear_norm", "vander"]


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Sizes = (-2, -1), keepdim: bool = False, *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:  # fmt: skip
    """A norm of the matrices in two dimensions: "fro" √Σ aᵢⱼ², "nuc" the sum of the
    singular values, ±∞ the largest or smallest sum of sizes of a row, ±1 of a column, ±2
    the largest or smallest singular value.

    >>> import retrograd as rg
    >>> a = rg.tensor([[3.0, 0.0], [0.0, -4.0]])
    >>> [rg.linalg.matrix_norm(a, p).item() for p in ("fro", "nuc", 1, -2)]
    [5.0, 7.0, 4.0, 3.0]
    """
    if ord is None:
        raise TypeError("linalg.matrix_norm: ord is a number, 'fro' or 'nuc', not None")
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    first, second = (normalize_dim(d, A.ndim) for d in dim)
    if first == second:
        raise RuntimeError(
            f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})"
        )
    if not A.dtype.is_floating_point:
        raise RuntimeError(
            "linalg.matrix_norm: Expected a floating point or complex tensor as input. "
            f"Got {A.dtype.name}"
        )
    if dtype is not None:
        if not dtype.is_floating_point:
            raise RuntimeError(
                f"linalg.matrix_norm: dtype should be floating, not {dtype}"
            )
        A = A.to(dtype)
    if ord == "fro":
        return vector_norm(A, 2.0, (first, second), keepdim)
    x = A.movedim((first, second), (-2, -1))
    if ord in ("nuc", 2, -2):
        s = svdvals(x)
        if ord == "nuc":
            out = apply(Sum, s, dim=-1, keepdim=False)
        else:
            out = _most(ord, s)
    else:
        along = -2 if abs(ord) == 1 else -1
        sums = apply(Sum, apply1(Abs, x), dim=along, keepdim=False)
        out = _most(ord, sums)
    if keepdim:
        out = out.unsqueeze(min(first, second)).unsqueeze(max(first, second))
    return out


def _most(ord: float, sizes: Tensor) -> Tensor:
    """The largest size, or the smallest where *ord* < 0; of none the largest is 0."""
    if ord > 0 and not sizes.shape[-1]:
        return apply(Sum, sizes, dim=-1, keepdim=False)
    return apply(Amax if ord > 0 else Amin, sizes, dim=-1, keepdim=False)


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:  # fmt: skip
    """The norm of vectors where *dim* is a number, of matrices where it is two; without
    *dim* that of A as it is, and without *ord* too √Σ of all squares."""
    if dim is not None:
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
        if len(dims) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dim}"
            )
    elif ord is not None and A.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or "
            f"2D. Got {A.ndim}D."
        )
    if ord is not None and (len(dims) if dim is not None else A.ndim) == 2:
        return matrix_norm(
            A, ord, dims if dim is not None else (0, 1), keepdim, dtype=dtype
        )
    if isinstance(ord, str):
        raise RuntimeError(
            f"linalg.norm: Order {ord} is not supported for vectors: it is for matrices"
        )
    return vector_norm(A, 2.0 if ord is None else float(ord), dim, keepdim, dtype=dtype)


def frobenius_norm(
    input: Tensor, dim: Ints | None = None, keepdim: bool = False
) -> Tensor:
    """√Σ input²."""
    return vector_norm(input, 2.0, dim, keepdim)


def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The sum of the singular values."""
    return matrix_norm(input, "nuc", dim, keepdim)


# -- distances ------------------------------------------------------------------------

#: as far as this many differences, distances are taken from the differences themselves
_DIRECT = 1 << 21


def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:  # fmt: skip
    """The p-norm of the difference of each row of x1 and each row of x2. Euclidean
    distances of many points come from a matrix product, which loses digits where
    they are small, unless *compute_mode* is "donot_use_mm_for_euclid_dist".

    >>> import retrograd as rg
    >>> rg.cdist(rg.tensor([[0.0, 0.0]]), rg.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError(
            f"cdist only supports at least 2D tensors, got: {x1.ndim}D and {x2.ndim}D"
        )
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: "
                f"{x.dtype.name}; use .float()"
            )
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            "X1 and X2 must have the same number of columns. X1: "
            f"{x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    modes = {
        "use_mm_for_euclid_dist_if_necessary": None,
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    product = modes[compute_mode]
    if product is None:
        rows = x1.shape[-2] * x2.shape[-2]
        product = (x1.shape[-2] > 25 or x2.shape[-2] > 25) and rows * x1.shape[
            -1
        ] > _DIRECT
    return _cdist(x1, x2, float(p), bool(product) and p == 2)


@composite
def _cdist(x1: Tensor, x2: Tensor, p: float, product: bool) -> Tensor:
    if product:
        a, b = (apply(Sum, x * x, dim=-1, keepdim=True) for x in (x1, x2))
        squares = a + b.mT - 2 * (x1 @ x2.mT)
        return root(squares.clamp(min=0))
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm of the difference of each pair of rows, (0, 1), (0, 2), …, (1, 2), …"""
    if input.ndim != 2:
        raise RuntimeError(
            f"pdist only supports 2D tensors, got: {input.ndim}D: see cdist"
        )
    if not input.dtype.is_floating_point:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    i, j = (constant(x) for x in np.triu_indices(input.shape[0], 1))
    return vector_norm(input[i] - input[j], float(p), -1)


# -- vectors --------------------------------------------------------------------------


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product of vectors of length 3 along *dim* (the first dimension of that
    length where it is None)."""
    if dim is None:
        lengths = [i for i, n in enumerate(input.shape) if n == 3]
        if input.ndim != other.ndim or not lengths:
            raise RuntimeError(
                "no dimension of size 3 in input: the vector product is for vectors of "
                "length 3"
            )
        dim = lengths[0]
    return linalg_cross(input, other, dim=dim)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product of vectors of length 3 along *dim*.

    >>> import retrograd as rg
    >>> rg.linalg.cross(rg.tensor([1.0, 0.0, 0.0]), rg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        raise RuntimeError(
            "linalg.cross: inputs must have the same number of dimensions, not "
            f"{input.ndim} and {other.ndim}"
        )
    a, b = normalize_dim(dim, input.ndim), normalize_dim(dim, other.ndim)
    if input.shape[a] != 3 or other.shape[b] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got "
            f"{input.shape[a]} and {other.shape[b]}"
        )
    return _cross(input, other, a)


@composite
def _cross(input: Tensor, other: Tensor, dim: int) -> Tensor:
    # (a × b)ᵢ = aᵢ₊₁ bᵢ₊₂ − aᵢ₊₂ bᵢ₊₁
    a1, a2 = input.roll(-1, dim), input.roll(-2, dim)
    b1, b2 = other.roll(-1, dim), other.roll(-2, dim)
    return a1 * b2 - a2 * b1


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Σ x y along *dim*."""
    x, y = narrowed("vecdot", x, y)
    for operand in (x, y):
        normalize_dim(dim, operand.ndim)
    aligned = dim < 0 or x.ndim == y.ndim
    if aligned and x.ndim and y.ndim and x.shape[dim] != y.shape[dim]:
        raise RuntimeError(
            f"linalg.vecdot: dimension {dim} must be as long in both, but it is "
            f"{x.shape[dim]} and {y.shape[dim]}"
        )
    product = x * y
    return apply(Sum, product, dim=dim, keepdim=False).to(product.dtype)


def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0, 1, …, N − 1 of the elements, as a last dimension."""
    if not x.ndim and N is None:
        raise RuntimeError("linalg.vander: of a number, N has to be given")
    x = x.reshape(1) if not x.ndim else x
    n = x.shape[-1] if N is None else N
    if N is not None and N < 2:
        raise RuntimeError(f"N must be greater than 1, not {N}")
    return _powers(x, n)


def _powers(x: Tensor, n: int) -> Tensor:
    """The powers 0, 1, …, n − 1 as a last dimension."""
    base = x.unsqueeze(-1)
    if not base.dtype.is_floating_point:
        base = base.long()
    parts: list[Any] = [constant(np.ones((*x.shape, 1), base.dtype.np))]
    if n > 1:
        parts.append(base.expand((*x.shape, n - 1)).cumprod(-1))
    from .shape import cat

    return cat(parts, -1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of the elements of a vector, falling unless *increasing*."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    kind = x.dtype if x.dtype.is_floating_point else dtypes.int64
    powers = (
        _powers(x.to(kind), n) if n else constant(np.zeros((x.shape[0], 0), kind.np))
    )
    return powers if increasing else powers.flip(-1)
