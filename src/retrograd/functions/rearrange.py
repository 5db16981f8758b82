"""Elements moved within a tensor: turned, shifted, cut along diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import apply, constant
from ..ops.elementwise import Where
from ..ops.families import Ints, Sizes, Tensor
from ..ops.movement import Cat, Diagonal, Flip, ViewWrite, constant_zeros
from ..ops.op import Spec, normalize_dim
from .views import cast, dims_of, ints, ravel, span, transpose

__all__ = ["flip", "fliplr", "flipud", "roll", "rot90", "tril", "triu", "diag",
           "diagonal", "diag_embed", "diagflat", "diagonal_scatter",
           "fill_diagonal"]  # fmt: skip


def flip(input: Tensor, *axes: Ints, dims: Sizes | None = None) -> Tensor:
    """The order along the dimensions reversed."""
    if axes and dims is not None:
        raise TypeError("flip() got dimensions by position and as 'dims'")
    if not axes and dims is None:
        raise TypeError("flip() missing 1 required positional argument: 'dims'")
    wanted = ints(axes) if dims is None else ints((dims,))
    known = [normalize_dim(d, input.ndim) for d in wanted]
    if len(set(known)) != len(known):
        raise RuntimeError(f"dim appears multiple times in the list of dims {wanted}")
    return apply(Flip, input, dims=wanted) if input.ndim else input.clone()


def fliplr(input: Tensor) -> Tensor:
    """Columns reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return apply(Flip, input, dims=(1,))


def flipud(input: Tensor) -> Tensor:
    """Rows reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return apply(Flip, input, dims=(0,))


def roll(input: Tensor, shifts: Ints, dims: Ints | None = None) -> Tensor:
    """Elements shifted along dimensions; what falls off comes in at the other end.

    Without *dims* the tensor is shifted as one row of elements.

    >>> import retrograd as rg
    >>> rg.arange(5).roll(2)
    tensor([3, 4, 0, 1, 2])
    """
    by = dims_of(shifts)
    if not by:
        raise RuntimeError("roll: `shifts` required")
    over = () if dims is None else dims_of(dims)
    if not over and len(by) == 1:
        return roll(ravel(input), by, 0).reshape(tuple(input.shape))
    if len(by) != len(over):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(over)}"
        )
    source = input
    for k, dim in zip(by, over, strict=True):
        d = normalize_dim(dim, input.ndim)
        if not input.ndim:
            raise IndexError(
                f"Dimension specified as {dim} but tensor has no dimensions"
            )
        n = input.shape[d]
        k = int(k) % n if n else 0
        if k:
            input = apply(
                Cat, span(input, d, n - k, n), span(input, d, 0, n - k), dim=d
            )
    return input.clone() if input is source else input


def rot90(input: Tensor, k: int = 1, dims: Sizes = (0, 1)) -> Tensor:
    """Rotated by k quarter turns in the plane of two dimensions."""
    if len(dims) != 2:
        raise RuntimeError(
            f"expected total rotation dims == 2, but got dims = {len(dims)}"
        )
    if input.ndim < 2:
        raise RuntimeError(
            f"expected total dims >= 2, but got total dims = {input.ndim}"
        )
    a, b = (normalize_dim(d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}"
        )
    k %= 4
    if k == 2:
        return apply(Flip, input, dims=(a, b))
    if k == 1:
        return transpose(apply(Flip, input, dims=(b,)), a, b)
    return apply(Flip, transpose(input, a, b), dims=(b,)) if k else input.clone()


# -- triangles and diagonals ----------------------------------------------------------


def _triangle(name: str, input: Tensor, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    n, m = input.shape[-2:]
    mask = np.tri(n, m, k=diagonal if lower else diagonal - 1, dtype=bool)
    zero = constant_zeros(Spec((), input.dtype))
    return apply(Where, constant(mask if lower else ~mask), input, zero)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle, zeros above the diagonal.

    >>> import retrograd as rg
    >>> rg.ones(2, 3).tril()
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    return _triangle("tril", input, diagonal, True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle, zeros below the diagonal."""
    return _triangle("triu", input, diagonal, False)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """aᵢ,ᵢ₊ₒ of two dimensions, as the last dimension; a view."""
    return apply(Diagonal, input, offset=offset, dim1=dim1, dim2=dim2)


def _write_diagonal(base: Tensor, src: Tensor, offset: int, d1: int, d2: int) -> Tensor:
    path = (("diagonal", (("offset", offset), ("dim1", d1), ("dim2", d2))),)
    return apply(ViewWrite, base, src, path=path)


def diag_embed(
    input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1
) -> Tensor:
    """Matrices with the last dimension on their diagonal, zero elsewhere.

    >>> import retrograd as rg
    >>> rg.diag_embed(rg.tensor([1, 2]), offset=1)
    tensor([[0, 1, 0],
            [0, 0, 2],
            [0, 0, 0]])
    """
    shape = tuple(input.shape)
    d1, d2 = normalize_dim(dim1, len(shape) + 1), normalize_dim(dim2, len(shape) + 1)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = shape[-1] + abs(offset)
    rest = iter(shape[:-1])
    full = tuple([n if i in (d1, d2) else next(rest) for i in range(len(shape) + 1)])
    return _write_diagonal(
        constant_zeros(Spec(full, input.dtype)), input, offset, d1, d2
    )


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as a diagonal matrix; a matrix's diagonal as a vector."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return apply(Diagonal, input, offset=diagonal, dim1=0, dim2=1).clone()


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements on the diagonal of a matrix."""
    return diag_embed(ravel(input), offset)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """*input* with *src* in the place of its diagonal."""
    d1, d2 = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    known = apply(Diagonal, input.detach(), offset=offset, dim1=d1, dim2=d2)
    if tuple(known.shape) != tuple(src.shape):
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(known.shape)}"
        )
    if src.dtype is not input.dtype:
        src = cast(src, input.dtype)
    return _write_diagonal(input, src, offset, d1, d2)


def fill_diagonal(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """*input* with one value on its main diagonal; with *wrap* the diagonal of a tall
    matrix begins again after it ended."""
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) != 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    size = int(np.prod(shape))
    if not (wrap and len(shape) == 2):
        size = min(size, step * min(shape))
    mask = np.zeros(int(np.prod(shape)), bool)
    mask[:size:step] = True
    value = constant(np.array(fill_value, input.dtype.np))
    return apply(Where, constant(mask.reshape(shape)), value, input)
