"""What is where: places of elements, different values.

What has a shape that depends on the numbers runs what is pending.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, apply2, constant
from ..ops.elementwise import Eq
from ..ops.families import Ints, Tensor
from ..ops.index import Index
from ..ops.op import normalize_dim
from ..ops.search import Searchsorted
from ..trace import Handle, is_tensor
from .out import with_out

__all__ = ["nonzero", "nonzero_static", "argwhere", "unique", "unique_consecutive",
           "searchsorted", "bucketize", "isin", "unravel_index"]  # fmt: skip

Operand = Any  # a Tensor or a Python number


def _values(x: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = x.detach().numpy()
    return array


@with_out
def nonzero(input: Tensor, *, as_tuple: builtins.bool = False) -> Any:
    """The places of the elements that are not zero, one a row; with *as_tuple* one
    tensor a dimension, with which ``input[places]`` picks them.

    >>> import retrograd as rg
    >>> rg.nonzero(rg.tensor([[0, 3], [4, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    values = _values(input)
    if as_tuple:
        found = np.nonzero(np.atleast_1d(values))
        return tuple([constant(np.ascontiguousarray(i)) for i in found])
    if not values.ndim:
        return constant(np.zeros((int(values != 0), 0), np.int64))
    return constant(np.stack(np.nonzero(values), 1))


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first *size* rows of :func:`nonzero`, filled up with *fill_value*."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: size must be non-negative, not {size}")
    found = _values(nonzero(input))[:size]
    out = np.full((size, found.shape[1]), fill_value, np.int64)
    out[: len(found)] = found
    return constant(out)


def argwhere(input: Tensor) -> Tensor:
    """The places of the elements that are not zero, one a row."""
    return nonzero(input)


def unravel_index(indices: Tensor, shape: Ints) -> tuple[Tensor, ...]:
    """Places in the flattened tensor as places in each dimension of *shape*."""
    if not isinstance(indices, Handle):
        raise TypeError(
            f"unravel_index(): indices must be Tensor, not {type(indices).__name__}"
        )
    places: Any = indices
    if places.dtype.category != dtypes.INTEGRAL:
        raise TypeError(
            f"expected 'indices' to be of an integer type, not {places.dtype.name}"
        )
    sizes = [shape] if isinstance(shape, int) else [int(n) for n in shape]
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    out, places = [], places.to(dtypes.int64)
    for n in reversed(sizes):
        out.append(places % n)
        places = places // n
    return tuple(reversed(out))


# -- different values -----------------------------------------------------------------


def _answer(values: Any, inverse: Any, counts: Any) -> Any:
    found = [constant(np.ascontiguousarray(values))]
    for extra in (inverse, counts):
        if extra is not None:
            found.append(constant(np.asarray(extra).astype(np.int64)))
    return found[0] if len(found) == 1 else tuple(found)


def unique(
    input: Tensor,
    sorted: builtins.bool = True,
    return_inverse: builtins.bool = False,
    return_counts: builtins.bool = False,
    dim: int | None = None,
) -> Any:
    """The different values in order, or the different parts along *dim*; also which of
    them each element is, and how often each occurs.

    >>> import retrograd as rg
    >>> rg.unique(rg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    array = _values(input)
    axis = None if dim is None else normalize_dim(dim, array.ndim)
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(array.shape if axis is None else -1)
    return _answer(
        values,
        inverse if return_inverse else None,
        counts if return_counts else None,
    )


def unique_consecutive(
    input: Tensor,
    return_inverse: builtins.bool = False,
    return_counts: builtins.bool = False,
    dim: int | None = None,
) -> Any:
    """The first of each run of equal values, or of equal parts along *dim*.

    >>> import retrograd as rg
    >>> rg.unique_consecutive(rg.tensor([1, 1, 2, 2, 1]))
    tensor([1, 2, 1])
    """
    array = _values(input)
    shape = array.shape
    axis = None if dim is None else normalize_dim(dim, array.ndim)
    rows = array.reshape(-1) if axis is None else np.moveaxis(array, axis, 0)
    n = len(rows)
    new = np.ones(n, bool)
    if n > 1:
        new[1:] = (rows[1:] != rows[:-1]).reshape(n - 1, -1).any(1)
    starts = np.flatnonzero(new)
    values = rows[starts]
    inverse = np.cumsum(new) - 1
    if axis is None:
        inverse = inverse.reshape(shape)
    else:
        values = np.moveaxis(values, 0, axis)
    counts = np.diff(np.append(starts, n))
    return _answer(
        values,
        inverse if return_inverse else None,
        counts if return_counts else None,
    )


# -- in what is sorted ----------------------------------------------------------------


@with_out
def searchsorted(
    sorted_sequence: Tensor,
    input: Operand,
    *,
    out_int32: builtins.bool = False,
    right: builtins.bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value would be inserted to keep the order: before equal ones, with
    *right* (or *side* "right") after them.

    >>> import retrograd as rg
    >>> rg.searchsorted(rg.tensor([1, 3, 5]), rg.tensor([0, 3, 9]))
    tensor([0, 1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "side and right can't be set to opposites, got side of left while right was "
            "True"
        )
    sequence = sorted_sequence.detach()
    if sorter is not None:
        if sorter.shape != sequence.shape:
            raise RuntimeError(
                "boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sequence.shape)} and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype is not dtypes.int64:
            raise RuntimeError(
                f"sorter must be a tensor of long dtype but got dtype {sorter.dtype.name}"
            )
        sequence = sequence.gather(-1, sorter)
    if not isinstance(input, Handle):
        if sequence.ndim != 1:
            raise RuntimeError(
                "input value can be a scalar only when the boundaries have 1 dimension, "
                f"not {sequence.ndim}"
            )
        kind = np.float64 if isinstance(input, float) else np.int64
        input = constant(np.array(input, kind))
    return apply(
        Searchsorted, sequence, input.detach(), right=right or side == "right",
        small=out_int32,
    )  # fmt: skip


@with_out
def bucketize(
    input: Operand,
    boundaries: Tensor,
    *,
    out_int32: builtins.bool = False,
    right: builtins.bool = False,
) -> Tensor:
    """The number of the interval between boundaries that each value falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@with_out
def isin(
    elements: Operand,
    test_elements: Operand,
    *,
    assume_unique: builtins.bool = False,
    invert: builtins.bool = False,
) -> Tensor:
    """Whether each element is among the test elements.

    >>> import retrograd as rg
    >>> rg.isin(rg.tensor([1, 2, 3]), rg.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    from .create import tensor

    given = [elements, test_elements]
    if not any(isinstance(x, Handle) for x in given):
        raise TypeError("isin(): elements or test_elements must be a Tensor")
    kinds = [
        (x.dtype, 2 if x.ndim else 1) if is_tensor(x) else (dtypes.of_scalar(x), 0)
        for x in given
    ]  # fmt: skip
    kind = dtypes.result_type_of(kinds)
    if kind is dtypes.bool_:
        raise RuntimeError("Unsupported input type encountered for isin(): Bool")
    x, among = (
        v.detach().to(kind) if is_tensor(v) else tensor(v, dtype=kind) for v in given
    )
    if not among.numel():
        out = constant(np.zeros(tuple(x.shape), bool))
        return out.logical_not() if invert else out
    ordered = among.reshape(-1).sort().values
    place = apply(Searchsorted, ordered, x, right=False, small=False)
    nearest = apply(Index, ordered, place.clamp(max=ordered.shape[0] - 1), dims=(0,))
    found = apply2(Eq, nearest, x)
    return found.logical_not() if invert else found
