"""Elements picked and put where a mask is true, or by their place in a row of all."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..dispatch import apply
from ..ops.families import Number, Tensor
from ..ops.index import Gather, Index, IndexPut
from ..ops.logic import Lt, Where
from ..ops.movement import Expand, Reshape
from ..ops.op import broadcast_shapes, normalize_dim
from ..trace import is_tensor
from .indexing import getitem
from .out import with_out
from .scattering import Operand, number_like, same_type

__all__ = ["masked_fill", "masked_select", "masked_scatter", "take", "put",
           "take_along_dim", "fill"]  # fmt: skip


def _mask(name: str, mask: Any) -> Any:
    if not is_tensor(mask):
        raise TypeError(f"{name}(): mask must be Tensor, not {type(mask).__name__}")
    kind = mask.dtype
    if kind is not dtypes.bool_:
        raise RuntimeError(
            f"{name} only supports boolean masks, but got mask with dtype {kind.name}; "
            "compare, as in x > 0, or use mask.bool()"
        )
    return mask


def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """*value* where the mask is true, the input elsewhere.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, -2.0, 3.0])
    >>> x.masked_fill(x < 0, 0.0)
    tensor([1., 0., 3.])
    """
    number = number_like(value, input, "masked_fill_")
    return apply(Where, _mask("masked_fill", mask), number, input)


@with_out
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, in one dimension (this runs what is
    pending, for how many there are is seen in the numbers)."""
    from .views import broadcast_tensors

    input, mask = broadcast_tensors(input, _mask("masked_select", mask))
    return getitem(input, mask).reshape(-1)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """*input* with the elements of *source*, in their order, where the mask is true."""
    same_type("masked_scatter", input, source)
    _mask("masked_scatter", mask)
    shape = broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    where = apply(Expand, mask, shape=shape)
    flat = source.reshape(-1)
    if flat.shape[0] < where.numel():
        wanted = int(where.sum().item())
        if wanted > flat.shape[0]:
            raise RuntimeError(
                f"masked_scatter: Number of elements of source ({flat.shape[0]}) < "
                f"number of ones in mask ({wanted})"
            )
        if not wanted:
            return apply(Expand, input, shape=shape).clone()
    if not where.numel():
        return apply(Expand, input, shape=shape).clone()
    place = where.reshape(-1).cumsum(0) - 1
    taken = apply(Index, flat, place.clamp(0, flat.shape[0] - 1), dims=(0,))
    return apply(Where, where, taken.reshape(shape), input)


# -- by place in the flattened input --------------------------------------------------


def _long(name: str, index: Tensor) -> Tensor:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            f"{name}(): Expected a long tensor for index, but got {index.dtype.name}"
        )
    return index


@with_out
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in the flattened input."""
    flat = apply(Reshape, input, shape=(input.numel(),))
    return apply(Index, flat, _long("take", index), dims=(0,))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:  # fmt: skip
    """*input* with the elements of *source* put, or added, at their places in it as one
    row of elements."""
    same_type("put", input, source)
    if _long("put", index).numel() != source.numel():
        raise IndexError(
            "put(): Expected source and index to have the same number of elements, but "
            f"got source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    n = input.numel()
    flat = apply(Reshape, input, shape=(n,))
    out = apply(
        IndexPut, flat, source.reshape(-1), index.reshape(-1), dims=(0,),
        accumulate=accumulate,
    )  # fmt: skip
    return apply(Reshape, out, shape=tuple(input.shape))


@with_out
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As gather, with broadcasting of the other dimensions.

    >>> import retrograd as rg
    >>> x = rg.tensor([[3, 1, 2], [9, 8, 7]])
    >>> rg.take_along_dim(x, x.argsort(1), 1)
    tensor([[1, 2, 3],
            [7, 8, 9]])
    """
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            "take_along_dim(): dtype of indices should be int64 but got "
            f"{indices.dtype.name}"
        )
    if dim is None:
        flat = apply(Reshape, input, shape=(input.numel(),))
        return apply(Index, flat, indices.reshape(-1), dims=(0,))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of "
            f"dimensions, but got {input.ndim} dimensions for input, and "
            f"{indices.ndim} dimensions for indices"
        )
    d = normalize_dim(dim, input.ndim)
    a, b = list(input.shape), list(indices.shape)
    length, count = a[d], b[d]
    a[d] = b[d] = 1
    shape = list(broadcast_shapes(tuple(a), tuple(b)))
    shape[d] = length
    wide = apply(Expand, input, shape=tuple(shape))
    shape[d] = count
    indices = apply(Where, apply(Lt, indices, 0), indices + length, indices)
    return apply(Gather, wide, apply(Expand, indices, shape=tuple(shape)), dim=d)


def fill(input: Tensor, value: Number) -> Tensor:
    """One value throughout, in the shape and type of *input*."""
    number = number_like(value, input, "fill_")
    return apply(Expand, number, shape=tuple(input.shape)).clone()
