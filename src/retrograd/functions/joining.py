"""Tensors put together: one after another, side by side, in all combinations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from ..ops.families import Ints, Tensor
from ..ops.movement import Cat, Expand, Pad, Reshape
from ..ops.op import normalize_dim
from ..trace import Handle
from .leaf_parts import joined
from .out import with_out
from .views import ints, ravel, unsqueeze

__all__ = ["cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack",
           "column_stack", "row_stack", "repeat", "tile", "repeat_interleave",
           "atleast_1d", "atleast_2d", "atleast_3d", "meshgrid", "block_diag",
           "cartesian_prod", "combinations"]  # fmt: skip


def _list(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Handle) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    if not tensors:
        # PyTorch's cat raises ValueError here and the others RuntimeError
        kind = ValueError if name == "cat" else RuntimeError
        raise kind(f"{name}(): expected a non-empty list of Tensors")
    for i, x in enumerate(tensors):
        if not isinstance(x, Handle):
            raise TypeError(
                f"{name}(): expected Tensor as element {i} in argument 0, but got "
                f"{type(x).__name__}"
            )
    return list(tensors)


@with_out
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """The tensors one after another along *dim*. Of types that differ, the wider.

    >>> import retrograd as rg
    >>> rg.cat([rg.tensor([1, 2]), rg.tensor([3])])
    tensor([1, 2, 3])
    """
    given = _list("cat", tensors)
    # PyTorch lets empty vectors join anything
    full = [x for x in given if x.shape != (0,)]
    if not full or len(full) == len(given):
        found = joined(given, dim, stacked=False)
        return apply(Cat, *given, dim=dim) if found is None else found
    from .arithmetic import result_type

    # … and count for the type
    out = apply(Cat, *full, dim=dim)
    return out.to(result_type(*given))


concat = concatenate = cat


@with_out
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """The tensors, of one shape, along a new dimension.

    >>> import retrograd as rg
    >>> rg.stack([rg.tensor([1, 2]), rg.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    given = _list("stack", tensors)
    first = tuple(given[0].shape)
    for i, x in enumerate(given):
        if x.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at "
                f"entry 0 and {list(x.shape)} at entry {i}"
            )
    dim = normalize_dim(dim, len(first) + 1)
    found = joined(given, dim, stacked=True)
    if found is not None:
        return found
    return apply(Cat, *[unsqueeze(x, dim) for x in given], dim=dim)


def _each(tensors: tuple[Any, ...], function: Any) -> Any:
    """One tensor for one, a tuple for several or for a sequence."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        return tuple([function(x) for x in tensors[0]])
    out = tuple([function(x) for x in tensors])
    return out if len(out) != 1 else out[0]


def _one(x: Tensor) -> Tensor:
    return x if x.ndim else x.reshape(1)


def _two(x: Tensor) -> Tensor:
    return x if x.ndim >= 2 else x.reshape(1, -1)


def _three(x: Tensor) -> Tensor:
    if x.ndim >= 3:
        return x
    return unsqueeze(x, -1) if x.ndim == 2 else x.reshape(1, -1, 1)


def atleast_1d(*tensors: Any) -> Any:
    """With at least one dimension."""
    return _each(tensors, _one)


def atleast_2d(*tensors: Any) -> Any:
    """With at least two dimensions: vectors as rows."""
    return _each(tensors, _two)


def atleast_3d(*tensors: Any) -> Any:
    """With at least three dimensions."""
    return _each(tensors, _three)


@with_out
def hstack(tensors: Any) -> Tensor:
    """Joined along the second dimension (the first for vectors)."""
    given = [_one(x) for x in _list("hstack", tensors)]
    return cat(given, 0 if given[0].ndim == 1 else 1)


@with_out
def vstack(tensors: Any) -> Tensor:
    """Joined along the first dimension, vectors as rows."""
    return cat([_two(x) for x in _list("vstack", tensors)], 0)


row_stack = vstack


@with_out
def dstack(tensors: Any) -> Tensor:
    """Joined along the third dimension."""
    return cat([_three(x) for x in _list("dstack", tensors)], 2)


@with_out
def column_stack(tensors: Any) -> Tensor:
    """Joined along the second dimension, vectors as columns."""
    given = _list("column_stack", tensors)
    return cat([x if x.ndim > 1 else x.reshape(-1, 1) for x in given], 1)


def repeat(input: Tensor, *repeats: Ints) -> Tensor:
    """The tensor laid side by side, *repeats* times in each dimension.

    >>> import retrograd as rg
    >>> rg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times, shape = ints(repeats), tuple(input.shape)
    if not repeats:
        raise TypeError("repeat() missing 1 required positional arguments: 'repeats'")
    if len(times) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of "
            f"dimensions of tensor: {list(times)} for shape {list(shape)}"
        )
    if any(n < 0 for n in times):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension: repeats {list(times)}"
        )
    shape = (1,) * (len(times) - len(shape)) + shape
    mixed = tuple([n for k in shape for n in (1, k)])
    wide = tuple([n for r, k in zip(times, shape, strict=True) for n in (r, k)])
    out = apply(Expand, apply(Reshape, input, shape=mixed), shape=wide)
    full = tuple([r * k for r, k in zip(times, shape, strict=True)])
    out = apply(Reshape, out, shape=full)
    # where nothing had to be copied, the result still has memory of its own
    alone = any(r > 1 and k > 1 for r, k in zip(times, shape, strict=True))
    return out if alone else out.clone()


def tile(input: Tensor, *dims: Ints) -> Tensor:
    """As repeat, with missing leading counts taken as 1."""
    if not dims:
        raise TypeError("tile() missing 1 required positional arguments: 'dims'")
    times = ints(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor,
    repeats: Tensor | int | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each element repeated where it stands: as often as *repeats* says, one number for
    all or a tensor. Given the tensor alone, the places 0 … n − 1 repeated.

    >>> import retrograd as rg
    >>> rg.repeat_interleave(rg.tensor([7, 8]), rg.tensor([1, 3]))
    tensor([7, 8, 8, 8])
    """
    from .scattering import index_select

    if repeats is None:
        if input.ndim != 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        repeats, input = input, None
    counts = _counts(repeats)
    if input is None:
        return constant(np.repeat(np.arange(counts.size), counts))
    if dim is None:
        input, dim = ravel(input), 0
    d = normalize_dim(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if counts.size != 1 and counts.size != n:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {counts.size} and input.size({d}) = {n}"
        )
    places = np.repeat(np.arange(n), counts)
    if output_size is not None and output_size != places.size:
        raise RuntimeError(
            f"allocated size does not match required size: output_size={output_size}, "
            f"and the repeats make {places.size}"
        )
    return index_select(input, d, constant(places))


def _counts(repeats: Any) -> np.ndarray[Any, Any]:
    """How often, as integers ≥ 0 (this runs what is pending)."""
    if isinstance(repeats, Handle):
        x: Any = repeats
        if x.dtype not in (dtypes.int64, dtypes.int32):
            raise NotImplementedError(
                f"repeat_interleave: repeats of type {x.dtype.name}; use .long()"
            )
        if x.ndim > 1:
            raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
        counts = np.atleast_1d(x.detach().numpy())
    else:
        counts = np.asarray([repeats], np.int64).reshape(-1)
    if (counts < 0).any():
        raise RuntimeError("Repeats must be non-negative")
    return counts


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of the points of a grid, one tensor a dimension.

    With *indexing* "xy" the first two dimensions are exchanged.
    """
    xs = list(tensors)
    if len(xs) == 1 and isinstance(xs[0], (tuple, list)):
        xs = list(xs[0])
    if not xs:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            "torch.meshgrid: indexing must be one of 'xy' or 'ij', but received: "
            f"{indexing}"
        )
    for x in xs:
        if x.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got a "
                f"tensor of shape {list(x.shape)}"
            )
        if x.dtype is not xs[0].dtype:
            raise RuntimeError(
                "torch.meshgrid expects all tensors to have the same dtype"
            )
    swap = indexing == "xy" and len(xs) > 1
    if swap:
        xs[0], xs[1] = xs[1], xs[0]
    shape = tuple([x.numel() for x in xs])
    out = []
    for i, x in enumerate(xs):
        line = [1] * len(xs)
        line[i] = shape[i]
        out.append(x.reshape(line).expand(shape))
    if swap:
        out[0], out[1] = out[1], out[0]
    return tuple(out)


def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of a larger one; vectors count as rows."""
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {x.ndim} dimensions"
            )
    xs = [_two(x) for x in tensors]
    if not xs:
        return constant(np.zeros((1, 0), dtypes.get_default_dtype().np))
    width = sum(x.shape[1] for x in xs)
    rows, before = [], 0
    for x in xs:
        m = x.shape[1]
        pad = ((0, 0), (before, width - before - m))
        rows.append(apply(Pad, x, pad=pad, value=0.0))
        before += m
    return cat(rows, 0)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of an element of each, one a row.

    >>> import retrograd as rg
    >>> rg.cartesian_prod(rg.tensor([1, 2]), rg.tensor([8, 9]))
    tensor([[1, 8],
            [1, 9],
            [2, 8],
            [2, 9]])
    """
    for x in tensors:
        if x.ndim != 1:
            raise RuntimeError(
                f"Expect a 1D vector, but got shape {list(x.shape)}: use reshape(-1)"
            )
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(g) for g in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of *r* elements in their order, one a row."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if not r:
        return constant(np.zeros(0, input.dtype.np))
    choose: Any = itertools.combinations
    if with_replacement:
        choose = itertools.combinations_with_replacement
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return input[constant(places)]
