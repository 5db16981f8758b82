"""The same elements in another arrangement: reshaping, permuting, stretching, parts."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply, recorder
from ..errors import user_line
from ..ops.families import Ints, Sizes, Tensor
from ..ops.memory import Bits
from ..ops.movement import Cast, Expand, Permute, Reshape
from ..ops.op import broadcast_shapes as common_shape
from ..ops.op import normalize_dim, whole_number
from ..strides import can_view
from ..trace import State, spec_of
from .leaf_parts import part_of

__all__ = ["cast", "reshape", "view", "view_as", "reshape_as", "flatten", "unflatten", "ravel",
           "squeeze", "unsqueeze", "transpose", "t", "adjoint", "permute", "movedim",
           "moveaxis", "swapaxes", "swapdims", "expand", "expand_as", "broadcast_to",
           "broadcast_tensors", "broadcast_shapes", "sum_to_size", "resize",
           "resize_as"]  # fmt: skip


#: all of a dimension, as Slice has it
WHOLE = ("s", None, None, None)


def ints(args: Any) -> tuple[int, ...]:
    """Numbers given one by one, or as one sequence."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = args[0]
    return tuple([n if type(n) is int else _int(n) for n in args])


def _int(n: Any) -> int:
    return whole_number(n, "a size or dimension")


def dims_of(dim: Any) -> tuple[int, ...]:
    """One dimension or several, as a tuple."""
    return tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)


def cast(input: Tensor, dtype: Any) -> Tensor:
    """The values in another number type."""
    return apply(Cast, input, dtype=dtypes.as_dtype(dtype))


def reshape(input: Tensor, *shape: Ints) -> Tensor:
    """The same elements in another shape; −1 stands for what is left.

    >>> import retrograd as rg
    >>> rg.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return apply(Reshape, input, shape=ints(shape))


def _viewed(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A reshape that is a view; RuntimeError where it would be a copy."""
    key = input._key
    plain = not key.view if type(key) is State else input._array.flags.c_contiguous
    if not plain:
        wanted = Reshape.normalize(spec_of(input), shape=shape)["shape"]
        if not can_view(input, wanted):
            raise RuntimeError(
                f"view size {list(shape)} is not compatible with input tensor's size "
                f"{list(input.shape)} and stride {list(input.stride())} (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) "
                f"instead.\n  at {user_line()}"
            )
    return apply(Reshape, input, shape=shape)


def view(
    input: Tensor, *shape: Ints | dtypes.dtype, dtype: dtypes.dtype | None = None
) -> Tensor:
    """As :func:`reshape`, but a view, which writes through, or else a RuntimeError.

    Given a number type instead, the same bits as numbers of that type; the last
    dimension is divided where these are wider and multiplied where they are narrower.
    That runs what is pending, and has no derivative.
    """
    if dtype is None and len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        dtype = shape[0]
    if dtype is not None:
        kind = dtypes.as_dtype(dtype)
        return input if kind is input.dtype else _bits(input, kind)
    return _viewed(input, ints(shape))


def _bits(input: Tensor, kind: dtypes.dtype) -> Tensor:
    """The memory of *input* as numbers of another type."""
    if recorder().tracing is not None:  # values of their own, for each example
        return apply(Bits, input, dtype=kind)
    from .create import from_numpy

    Bits.infer(spec_of(input), dtype=kind)
    array = input.detach()._value()
    try:
        return from_numpy(array.view(kind.np))
    except ValueError:
        raise RuntimeError(
            f"self.stride(-1) must be 1 to view {input.dtype.name} as {kind.name} "
            f"(different element sizes), but got {input.stride(-1)}: use contiguous()"
        ) from None


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of *other*."""
    return _viewed(input, tuple(other.shape))


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The same elements in the shape of *other*."""
    return apply(Reshape, input, shape=tuple(other.shape))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from *start_dim* to *end_dim* as one."""
    shape = tuple(input.shape)
    a, b = normalize_dim(start_dim, len(shape)), normalize_dim(end_dim, len(shape))
    if not shape:
        return apply(Reshape, input, shape=(1,))
    if a > b:
        raise RuntimeError(
            "flatten() has invalid args: start_dim cannot come after end_dim"
        )
    if a == b:
        return input
    n = math.prod(shape[a : b + 1])
    return apply(Reshape, input, shape=(*shape[:a], n, *shape[b + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sizes) -> Tensor:
    """One dimension as several; the inverse of flatten.

    >>> import retrograd as rg
    >>> rg.zeros(3, 8).unflatten(1, (2, -1)).shape
    retrograd.Size([3, 2, 4])
    """
    shape = tuple(input.shape)
    d = normalize_dim(dim, len(shape))
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"unflatten(): sizes must be a tuple of ints, not {sizes!r}")
    given, n = list(sizes), shape[d] if shape else 1
    if not given:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if given.count(-1) > 1:
        raise RuntimeError("unflatten: only one dimension can be inferred")
    if -1 in given:
        rest = -math.prod(given)
        given[given.index(-1)] = n // rest if rest else 0
    if math.prod(given) != n:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of "
            f"dim {d} ({n}) in the input tensor"
        )
    return apply(Reshape, input, shape=(*shape[:d], *given, *shape[d + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    # in a row of memory too, which a part of a matrix may not be
    row = input.contiguous()
    return apply(Reshape, row, shape=(-1,) if input.numel() else (0,))


def squeeze(
    input: Tensor, dim: Ints | None = None, *, axis: Ints | None = None
) -> Tensor:
    """Without dimensions of length 1 (all, or those named)."""
    shape, dim = tuple(input.shape), dim if axis is None else axis
    if dim is None:
        drop = {i for i, n in enumerate(shape) if n == 1}
    else:
        dims = [normalize_dim(d, len(shape)) for d in dims_of(dim)]
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"squeeze(): a dim appears several times in {dim}")
        drop = {d for d in dims if shape and shape[d] == 1}
    kept = tuple([n for i, n in enumerate(shape) if i not in drop])
    return apply(Reshape, input, shape=kept)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of length 1 at *dim*."""
    shape = tuple(input.shape)
    d = normalize_dim(dim, len(shape) + 1)
    return apply(Reshape, input, shape=(*shape[:d], 1, *shape[d:]))


def permute(input: Tensor, *dims: Ints) -> Tensor:
    """The dimensions in another order."""
    return apply(Permute, input, dims=ints(dims))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    n = len(input.shape)
    a, b = normalize_dim(dim0, n), normalize_dim(dim1, n)
    dims = list(range(n))
    if n:
        dims[a], dims[b] = dims[b], dims[a]
    return apply(Permute, input, dims=tuple(dims))


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """Aᵀ of a matrix; vectors and scalars stay as they are."""
    n = len(input.shape)
    if n > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {n}D"
        )
    return apply(Permute, input, dims=(1, 0)) if n == 2 else input


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged: for real numbers the transpose."""
    if not input.ndim:
        return input
    if input.ndim < 2:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices, "
            f"not on a tensor of shape {list(input.shape)}"
        )
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: Ints, destination: Ints) -> Tensor:
    """Dimensions moved to other places, the others in their order.

    >>> import retrograd as rg
    >>> rg.zeros(2, 3, 4).movedim(0, -1).shape
    retrograd.Size([3, 4, 2])
    """
    n = len(input.shape)
    src = [normalize_dim(d, n) for d in dims_of(source)]
    dst = [normalize_dim(d, n) for d in dims_of(destination)]
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: {source} and {destination} "
            "should contain the same number of dims"
        )
    for dims, what in ((src, "source"), (dst, "destination")):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({dims})")
    rest = iter([d for d in range(n) if d not in src])
    places = dict(zip(dst, src, strict=True))
    order = tuple([places[i] if i in places else next(rest) for i in range(n)])
    return apply(Permute, input, dims=order)


moveaxis = movedim


def expand(input: Tensor, *sizes: Ints, implicit: bool = False) -> Tensor:
    """Dimensions of length 1 stretched, without copying; −1 keeps a length."""
    return apply(Expand, input, shape=ints(sizes))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Stretched to the shape of *other*."""
    return apply(Expand, input, shape=tuple(other.shape))


def broadcast_to(input: Tensor, size: Ints) -> Tensor:
    """Stretched to *size*."""
    return apply(Expand, input, shape=ints((size,)))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All stretched to their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape = common_shape(*[tuple(x.shape) for x in tensors])
    return tuple([apply(Expand, x, shape=shape) for x in tensors])


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of these shapes have together."""
    from ..tensor import Size

    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return Size(common_shape(*given))


def sum_to_size(input: Tensor, *size: Ints) -> Tensor:
    """Summed over the dimensions in which *size* would broadcast to the input."""
    shape, wanted = tuple(input.shape), ints(size)
    lead = len(shape) - len(wanted)
    if lead < 0 or any(
        n not in (1, m) for n, m in zip(wanted, shape[lead:], strict=True)
    ):
        raise RuntimeError(
            f"size {list(wanted)} is not expandable to size {list(shape)}"
        )
    if not wanted:
        return input.sum()
    over = [
        i for i, n in enumerate(shape) if i < lead or (wanted[i - lead] == 1 and n != 1)
    ]
    return input.sum(over, keepdim=True).reshape(wanted) if over else input


def resize(input: Tensor, *sizes: Ints) -> Tensor:
    """The elements in row-major order in another shape of as many."""
    wanted = ints(sizes)
    if math.prod(wanted) != input.numel():
        raise RuntimeError(
            f"requested resize to {list(wanted)} ({math.prod(wanted)} elements in "
            f"total), but the given tensor has a size of {list(input.shape)} "
            f"({input.numel()} elements). autograd's resize can only change the shape "
            "of a given tensor, while preserving the number of elements."
        )
    return apply(Reshape, input, shape=wanted)


def resize_as(input: Tensor, other: Tensor) -> Tensor:
    """As :func:`resize`, to the shape of *other*."""
    return resize(input, tuple(other.shape))


def span(input: Tensor, d: int, start: int, stop: int) -> Tensor:
    """The part from *start* to *stop* of the dimension *d* ≥ 0."""
    return part_of(input, (WHOLE,) * d + (("s", start, stop, None),))
