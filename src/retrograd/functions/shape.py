"""Shapes: reshaping, permuting, joining, splitting."""

from __future__ import annotations

import builtins
from typing import Any

from .. import dtypes
from ..dispatch import apply
from ..ops.movement import (
    Cast,
    Cat,
    Diagonal,
    Expand,
    Flip,
    Permute,
    Reshape,
    Slice,
    Windows,
)
from ..ops.op import broadcast_shapes, normalize_dim

__all__ = ["cast", "reshape", "view", "view_as", "reshape_as", "flatten", "unflatten", "ravel",
           "squeeze", "unsqueeze", "transpose", "t", "permute", "movedim", "moveaxis",
           "swapaxes", "swapdims", "expand", "expand_as", "broadcast_to", "broadcast_tensors",
           "repeat", "tile", "repeat_interleave", "cat", "concat", "concatenate", "stack",
           "hstack", "vstack", "dstack", "column_stack", "row_stack", "split",
           "split_with_sizes", "chunk", "tensor_split", "unbind", "narrow", "select", "flip",
           "fliplr", "flipud", "roll", "rot90", "tril", "triu", "diag", "diagonal",
           "diag_embed", "diagflat", "atleast_1d", "atleast_2d", "atleast_3d", "meshgrid",
           "unfold", "block_diag", "cartesian_prod"]  # fmt: skip


def _ints(args: tuple[Any, ...]) -> tuple[int, ...]:
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = tuple(args[0])
    return tuple([n if type(n) is int else int(n) for n in args])


def cast(input: Any, dtype: Any) -> Any:
    """The values in another number type."""
    return apply(Cast, input, dtype=dtypes.as_dtype(dtype))


def reshape(input: Any, *shape: Any) -> Any:
    """The same elements in another shape; −1 stands for what is left."""
    return apply(Reshape, input, shape=_ints(shape))


def view(input: Any, *shape: Any) -> Any:
    """As :func:`reshape`: a view, which writes through."""
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        raise NotImplementedError("view(dtype): use .to(dtype), or numpy().view")
    return apply(Reshape, input, shape=_ints(shape))


def view_as(input: Any, other: Any) -> Any:
    """A view in the shape of *other*."""
    return apply(Reshape, input, shape=tuple(other.shape))


reshape_as = view_as


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dimensions from *start_dim* to *end_dim* as one."""
    shape = tuple(input.shape)
    if not shape:
        return apply(Reshape, input, shape=(1,))
    a, b = normalize_dim(start_dim, len(shape)), normalize_dim(end_dim, len(shape))
    if a > b:
        raise RuntimeError(
            "flatten() has invalid args: start_dim cannot come after end_dim"
        )
    if a == b:
        return input
    n = 1
    for k in shape[a : b + 1]:
        n *= k
    return apply(Reshape, input, shape=(*shape[:a], n, *shape[b + 1 :]))


def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """One dimension as several; the inverse of flatten."""
    shape = tuple(input.shape)
    d = normalize_dim(dim, len(shape))
    sizes = list(sizes)
    if -1 in sizes:
        rest = 1
        for n in sizes:
            rest *= n if n != -1 else 1
        sizes[sizes.index(-1)] = shape[d] // rest
    return apply(Reshape, input, shape=(*shape[:d], *sizes, *shape[d + 1 :]))


def ravel(input: Any) -> Any:
    """All elements in one dimension."""
    return apply(Reshape, input, shape=(-1,))


def squeeze(input: Any, dim: Any = None) -> Any:
    """Without dimensions of length 1 (all, or those named)."""
    shape = tuple(input.shape)
    if dim is None:
        drop = {i for i, n in enumerate(shape) if n == 1}
    else:
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
        drop = {
            d
            for d in (normalize_dim(d, len(shape)) for d in dims)
            if shape and shape[d] == 1
        }
    return apply(
        Reshape, input, shape=tuple(n for i, n in enumerate(shape) if i not in drop)
    )


def unsqueeze(input: Any, dim: int) -> Any:
    """With a new dimension of length 1 at *dim*."""
    shape = tuple(input.shape)
    d = normalize_dim(dim, len(shape) + 1)
    return apply(Reshape, input, shape=(*shape[:d], 1, *shape[d:]))


def permute(input: Any, *dims: Any) -> Any:
    """The dimensions in another order."""
    return apply(Permute, input, dims=_ints(dims))


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    n = len(input.shape)
    a, b = normalize_dim(dim0, n), normalize_dim(dim1, n)
    dims = list(range(n))
    if n:
        dims[a], dims[b] = dims[b], dims[a]
    return apply(Permute, input, dims=tuple(dims))


swapaxes = swapdims = transpose


def t(input: Any) -> Any:
    """Aᵀ of a matrix; vectors and scalars stay as they are."""
    n = len(input.shape)
    if n > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {n}D"
        )
    return apply(Permute, input, dims=(1, 0)) if n == 2 else input


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved to other places, the others in their order."""
    n = len(input.shape)
    src = [
        normalize_dim(d, n)
        for d in (source if isinstance(source, (tuple, list)) else [source])
    ]
    dst = [
        normalize_dim(d, n)
        for d in (
            destination if isinstance(destination, (tuple, list)) else [destination]
        )
    ]
    rest = iter(d for d in range(n) if d not in src)
    places = dict(zip(dst, src, strict=True))
    return apply(
        Permute,
        input,
        dims=tuple(places[i] if i in places else next(rest) for i in range(n)),
    )


moveaxis = movedim


def expand(input: Any, *sizes: Any) -> Any:
    """Dimensions of length 1 stretched, without copying; −1 keeps a length."""
    return apply(Expand, input, shape=_ints(sizes))


def expand_as(input: Any, other: Any) -> Any:
    """Stretched to the shape of *other*."""
    return apply(Expand, input, shape=tuple(other.shape))


def broadcast_to(input: Any, shape: Any) -> Any:
    """Stretched to *shape*."""
    return apply(Expand, input, shape=tuple(shape))


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """All stretched to their common shape."""
    shape = broadcast_shapes(*[tuple(x.shape) for x in tensors])
    return tuple(apply(Expand, x, shape=shape) for x in tensors)


def repeat(input: Any, *repeats: Any) -> Any:
    """The tensor laid side by side, *repeats* times in each dimension."""
    times = _ints(repeats)
    shape = tuple(input.shape)
    if len(times) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions "
            "of tensor"
        )
    shape = (1,) * (len(times) - len(shape)) + shape
    mixed = tuple(n for k in shape for n in (1, k))
    wide = tuple(n for r, k in zip(times, shape, strict=True) for n in (r, k))
    out = apply(Expand, apply(Reshape, input, shape=mixed), shape=wide)
    return apply(
        Reshape, out, shape=tuple(r * k for r, k in zip(times, shape, strict=True))
    )


def tile(input: Any, *dims: Any) -> Any:
    """As repeat, with missing leading counts taken as 1."""
    times = _ints(dims)
    return repeat(input, (1,) * (len(input.shape) - len(times)) + times)


def repeat_interleave(
    input: Any, repeats: Any, dim: int | None = None, **_: Any
) -> Any:
    """Each element repeated where it stands."""
    import numpy as np

    from .index import index_select

    if dim is None:
        input, dim = ravel(input), 0
    n = input.shape[dim]
    counts = repeats if isinstance(repeats, int) else repeats.tolist()
    index = np.repeat(np.arange(n), counts)
    from ..dispatch import constant

    return index_select(input, dim, constant(index))


def cat(tensors: Any, dim: int = 0, **_: Any) -> Any:
    """The tensors one after another along *dim*."""
    tensors = list(tensors)
    full = [x for x in tensors if tuple(x.shape) != (0,)]
    return apply(
        Cat, *(full if full and len(full) < len(tensors) else tensors), dim=dim
    )


concat = concatenate = cat


def stack(tensors: Any, dim: int = 0, **_: Any) -> Any:
    """The tensors, of one shape, along a new dimension."""
    tensors = list(tensors)
    first = tuple(tensors[0].shape)
    for x in tensors:
        if tuple(x.shape) != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at "
                f"entry 0 and {list(x.shape)}"
            )
    return apply(
        Cat,
        *[unsqueeze(x, dim) for x in tensors],
        dim=normalize_dim(dim, len(first) + 1),
    )


def atleast_1d(*tensors: Any) -> Any:
    """With at least one dimension."""
    out = tuple(x if len(x.shape) >= 1 else reshape(x, 1) for x in tensors)
    return out if len(out) > 1 else out[0]


def atleast_2d(*tensors: Any) -> Any:
    """With at least two dimensions."""
    out = tuple(x if len(x.shape) >= 2 else reshape(x, 1, -1) for x in tensors)
    return out if len(out) > 1 else out[0]


def atleast_3d(*tensors: Any) -> Any:
    """With at least three dimensions."""
    out = tuple(
        x
        if len(x.shape) >= 3
        else unsqueeze(atleast_2d(x), 0 if len(x.shape) < 2 else -1)
        for x in tensors
    )
    return out if len(out) > 1 else out[0]


def hstack(tensors: Any) -> Any:
    """Joined along the second dimension (the first for vectors)."""
    tensors = [atleast_1d(x) for x in tensors]
    return cat(tensors, 0 if len(tensors[0].shape) == 1 else 1)


def vstack(tensors: Any) -> Any:
    """Joined along the first dimension, vectors as rows."""
    return cat([atleast_2d(x) for x in tensors], 0)


row_stack = vstack


def dstack(tensors: Any) -> Any:
    """Joined along the third dimension."""
    return cat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Any) -> Any:
    """Vectors as columns."""
    return cat([x if len(x.shape) > 1 else reshape(x, -1, 1) for x in tensors], 1)


def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """The part from *start* of a length along *dim*."""
    d = normalize_dim(dim, len(input.shape))
    n = input.shape[d]
    start = int(start) + (n if start < 0 else 0)
    if start + length > n or length < 0:
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({n})."
        )
    return _slice(input, d, start, start + length)


def _slice(input: Any, d: int, start: int, stop: int) -> Any:
    return apply(
        Slice, input, index=(("s", None, None, None),) * d + (("s", start, stop, None),)
    )


def select(input: Any, dim: int, index: int) -> Any:
    """The part at *index* of a dimension, without it."""
    d = normalize_dim(dim, len(input.shape))
    return apply(
        Slice, input, index=(("s", None, None, None),) * d + (("i", int(index)),)
    )


def split(input: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Parts of one size (the last may be smaller), or of the sizes given."""
    n = input.shape[dim]
    if isinstance(split_size_or_sections, int):
        k = split_size_or_sections
        sizes = [k] * (n // k) + ([n % k] if n % k else []) if k else [0]
        sizes = sizes or [0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) != n:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={sizes}"
            )
    d = normalize_dim(dim, len(input.shape))
    parts, start = [], 0
    for k in sizes:
        parts.append(_slice(input, d, start, start + k))
        start += k
    return tuple(parts)


split_with_sizes = split


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most *chunks* parts of equal size (the last may be smaller)."""
    n = input.shape[dim]
    return split(input, max(1, -(-n // chunks)), dim)


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Parts as equal as possible, or split before the indices given."""
    n = input.shape[dim]
    d = normalize_dim(dim, len(input.shape))
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        sizes = [n // k + (i < n % k) for i in range(k)]
        ends = [builtins.sum(sizes[: i + 1]) for i in range(k)]
    else:
        ends = [*indices_or_sections, n]
    starts = [0, *ends[:-1]]
    return tuple(_slice(input, d, a, b) for a, b in zip(starts, ends, strict=True))


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The parts along a dimension, without it."""
    return tuple(select(input, dim, i) for i in range(input.shape[dim]))


def flip(input: Any, *dims: Any) -> Any:
    """The order along the dimensions reversed."""
    return apply(Flip, input, dims=_ints(dims))


def fliplr(input: Any) -> Any:
    """Columns reversed."""
    return apply(Flip, input, dims=(1,))


def flipud(input: Any) -> Any:
    """Rows reversed."""
    return apply(Flip, input, dims=(0,))


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Elements shifted along dimensions; what falls off comes in at the other end."""
    if dims is None:
        return reshape(roll(ravel(input), shifts, 0), tuple(input.shape))
    pairs = zip(
        shifts if isinstance(shifts, (tuple, list)) else (shifts,),
        dims if isinstance(dims, (tuple, list)) else (dims,),
        strict=True,
    )
    for k, dim in pairs:
        d = normalize_dim(dim, len(input.shape))
        n = input.shape[d]
        k = k % n if n else 0
        if k:
            input = cat([_slice(input, d, n - k, n), _slice(input, d, 0, n - k)], d)
    return input


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Rotated by k quarter turns in the plane of two dimensions."""
    a, b = dims
    k %= 4
    if k == 2:
        return flip(input, a, b)
    if k == 1:
        return transpose(flip(input, b), a, b)
    return flip(transpose(input, a, b), b) if k == 3 else input


def _triangle(input: Any, diagonal: int, lower: bool) -> Any:
    import numpy as np

    from ..dispatch import constant
    from .elementwise import where

    shape = tuple(input.shape)[-2:]
    mask = np.tri(shape[0], shape[1], k=diagonal if lower else diagonal - 1, dtype=bool)
    return where(constant(mask if lower else ~mask), input, 0)


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle, zeros above the diagonal."""
    return _triangle(input, diagonal, True)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle, zeros below the diagonal."""
    return _triangle(input, diagonal, False)


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """aᵢ,ᵢ₊ₒ of two dimensions, as the last dimension; a view."""
    return apply(Diagonal, input, offset=offset, dim1=dim1, dim2=dim2)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension on their diagonal."""
    from ..ops.movement import ViewWrite, constant_zeros
    from ..ops.op import Spec

    shape = tuple(input.shape)
    n = shape[-1] + abs(offset)
    d1, d2 = normalize_dim(dim1, len(shape) + 1), normalize_dim(dim2, len(shape) + 1)
    rest = list(shape[:-1])
    full = []
    for i in range(len(shape) + 1):
        full.append(n if i in (d1, d2) else rest.pop(0))
    path = (("diagonal", (("offset", offset), ("dim1", d1), ("dim2", d2))),)
    return apply(
        ViewWrite, constant_zeros(Spec(tuple(full), input.dtype)), input, path=path
    )


def diag(input: Any, diagonal: int = 0) -> Any:
    """A vector as a diagonal matrix; a matrix's diagonal as a vector."""
    if len(input.shape) == 1:
        return diag_embed(input, diagonal)
    return apply(Diagonal, input, offset=diagonal, dim1=0, dim2=1)


def diagflat(input: Any, offset: int = 0) -> Any:
    """All elements on the diagonal of a matrix."""
    return diag_embed(ravel(input), offset)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Coordinates of the points of a grid."""
    xs = (
        list(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
        else list(tensors)
    )
    if indexing == "xy" and len(xs) > 1:
        xs[0], xs[1] = xs[1], xs[0]
    shape = tuple(x.numel() for x in xs)
    out = []
    for i, x in enumerate(xs):
        one = [1] * len(xs)
        one[i] = -1
        out.append(expand(reshape(x, one), shape))
    if indexing == "xy" and len(xs) > 1:
        out = [transpose(x, 0, 1) for x in out]
        out[0], out[1] = out[1], out[0]
    return tuple(out)


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of *size* at every *step* along a dimension, as a last dimension."""
    d = normalize_dim(dimension, len(input.shape))
    return apply(Windows, input, dims=(d,), size=(size,), step=(step,), dilation=(1,))


def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a larger one."""
    from ..ops.movement import Pad

    xs = [atleast_2d(x) for x in tensors]
    rows, columns = sum(x.shape[0] for x in xs), sum(x.shape[1] for x in xs)
    r = c = 0
    total: Any = None
    for x in xs:
        n, m = x.shape
        padded = apply(Pad, x, pad=((r, rows - r - n), (c, columns - c - m)), value=0.0)
        total = padded if total is None else total + padded
        r, c = r + n, c + m
    return total


def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of elements, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(g) for g in meshgrid(*tensors)], -1)
