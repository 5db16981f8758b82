"""Elements picked and put at computed places along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from ..ops.elementwise import Where
from ..ops.families import Number, Tensor, Tensors
from ..ops.index import Gather, Index, IndexPut, Scatter
from ..ops.movement import Cast, Expand, Reshape, constant_zeros
from ..ops.op import Spec, normalize_dim
from ..ops.scatter import ScatterReduce
from ..trace import Handle, is_tensor
from .filled import fitting
from .indexing import split_key
from .leaf_parts import rows_of
from .out import with_out

__all__ = ["gather", "scatter", "scatter_add", "scatter_reduce", "index_select",
           "index_add", "index_copy", "index_fill", "index_put",
           "index_reduce"]  # fmt: skip

Operand = Any  # a Tensor or a Python number


def same_type(name: str, input: Tensor, src: Any) -> None:
    if not is_tensor(src):
        raise TypeError(f"{name}(): src must be Tensor, not {type(src).__name__}")
    kind = src.dtype
    if kind is not input.dtype:
        raise RuntimeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, but they are "
            f"{input.dtype.name} and {kind.name}; use src.to({input.dtype!r})"
        )


def number_like(value: Any, input: Tensor, name: str) -> Tensor:
    """A number, or a tensor without dimensions, in the type of *input*."""
    if isinstance(value, Handle):
        given: Any = value
        if given.ndim:
            raise RuntimeError(
                f"{name} only supports a 0-dimensional value tensor, but got tensor "
                f"with {given.ndim} dimension(s)."
            )
        return given if given.dtype is input.dtype else apply(
            Cast, given, dtype=input.dtype
        )  # fmt: skip
    return constant(np.array(fitting(value, input.dtype)).astype(input.dtype.np))


# -- gather and scatter ---------------------------------------------------------------


@with_out
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:  # fmt: skip
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1, 2], [3, 4]])
    >>> rg.gather(x, 1, rg.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    if not index.numel() and index.ndim != input.ndim:
        normalize_dim(dim, input.ndim)
        return constant(np.zeros(tuple(index.shape), input.dtype.np))
    if index.ndim + input.ndim == 1:  # a number and a vector of one
        shape = tuple(index.shape)
        out = apply(Gather, input.reshape(-1), index.reshape(-1), dim=dim)
        return apply(Reshape, out, shape=shape)
    return apply(Gather, input, index, dim=dim)


_REDUCTIONS = {"add": "add", "multiply": "prod"}


@with_out
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Operand = None, *,
    value: Operand = None, reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """*input* with *src*, a tensor or a number, at index along *dim*: out[index[i][j]][j]
    = src[i][j] for dim 0. With *reduce* "add" or "multiply" it is added or multiplied.

    >>> import retrograd as rg
    >>> rg.zeros(2, 3).scatter(1, rg.tensor([[2], [0]]), 5.0)
    tensor([[0., 0., 5.],
            [5., 0., 0.]])
    """
    if reduce is not None and reduce not in _REDUCTIONS:
        raise RuntimeError("reduce argument must be either add or multiply.")
    source = value if src is None else src
    if source is None:
        raise TypeError(
            "scatter() missing 1 required argument: 'src', a tensor or a number"
        )
    if not isinstance(source, Handle):
        source = apply(
            Expand, number_like(source, input, "scatter"), shape=tuple(index.shape)
        )
    same_type("scatter", input, source)
    return _scattered(input, dim, index, source, _REDUCTIONS.get(reduce or "", "set"))


def _scattered(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, own: bool = True
) -> Tensor:
    if not index.numel():
        normalize_dim(dim, input.ndim)
        return input.clone()
    shape = tuple(input.shape)
    if not shape or (len(shape) == 1 and 0 in (index.ndim, src.ndim)):
        # a number counts as a vector of one
        base, place, part = (x if x.ndim else x.reshape(1) for x in (input, index, src))
        return _scattered(base, dim, place, part, reduce, own).reshape(shape)
    if index.ndim != src.ndim:
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as src tensor: "
            f"{list(index.shape)} and {list(src.shape)}"
        )
    if reduce in ("set", "add"):
        return apply(Scatter, input, index, src, dim=dim, reduce=reduce)
    return apply(ScatterReduce, input, index, src, dim=dim, reduce=reduce, own=own)


@with_out
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """*input* with *src* added at index along *dim*; repeated places add up."""
    same_type("scatter_add", input, src)
    return _scattered(input, dim, index, src, "add")


@with_out
def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """Scatter where all that comes to one place is reduced by "sum", "prod", "mean",
    "amax" or "amin", together with what *input* has there unless *include_self* is off.

    >>> import retrograd as rg
    >>> groups = rg.tensor([0, 1, 0, 1])
    >>> x = rg.tensor([1.0, 2.0, 5.0, 8.0])
    >>> rg.zeros(2).scatter_reduce(0, groups, x, "mean", include_self=False)
    tensor([3., 5.])
    """
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "reduce argument must be either sum, prod, mean, amax or amin, got "
            f"{reduce}."
        )
    same_type("scatter_reduce", input, src)
    if not index.numel():
        return _scattered(input, dim, index, src, "add")
    if not include_self:
        first = constant(_neutral(reduce, input.dtype))
        wide = apply(Expand, first, shape=tuple(index.shape))
        input = _scattered(input, dim, index, wide, "set")
    if input.dtype is dtypes.bool_ and reduce == "mean":
        raise NotImplementedError(
            'scatter_reduce: "mean" of truth values; use x.float()'
        )
    if reduce in ("prod", "amax", "amin"):
        return _scattered(input, dim, index, src, reduce, include_self)
    if input.dtype is dtypes.bool_:
        return _scattered(input, dim, index, src, "amax")
    total = _scattered(input, dim, index, src, "add")
    if reduce == "sum":
        return total
    ones = constant(np.ones(tuple(index.shape), input.dtype.np))
    counts = constant(np.ones(tuple(input.shape), input.dtype.np))
    if not include_self:
        counts = _scattered(counts, dim, index, ones * 0, "set")
    count = _scattered(counts, dim, index, ones, "add").clamp(min=1)
    if input.dtype.is_floating_point:
        return total / count
    return total.div(count, rounding_mode="floor")


def _neutral(reduce: str, dtype: dtypes.dtype) -> Any:
    """What changes nothing when it is reduced with something."""
    value: Any = {"sum": 0, "mean": 0, "prod": 1}.get(reduce)
    if value is None:
        value = -np.inf if reduce == "amax" else np.inf
        if dtype is dtypes.bool_:
            value = reduce == "amin"
        elif not dtype.is_floating_point:
            limits = dtypes.iinfo(dtype)
            value = limits.min if reduce == "amax" else limits.max
    return np.array(value, dtype.np)


# -- along one dimension --------------------------------------------------------------


def _vector(name: str, index: Tensor, kind: type[Exception] = IndexError) -> Tensor:
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"{name}(): Expected dtype int32 or int64 for index, not {index.dtype.name}"
        )
    if index.ndim > 1:
        raise kind(
            f"{name}(): Index is supposed to be a vector, but got shape "
            f"{list(index.shape)}"
        )
    return index if index.ndim else apply(Reshape, index, shape=(1,))


@with_out
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The parts of a dimension that *index* lists.

    >>> import retrograd as rg
    >>> rg.index_select(rg.tensor([[1, 2], [3, 4]]), 1, rg.tensor([1, 1]))
    tensor([[2, 2],
            [4, 4]])
    """
    d = normalize_dim(dim, input.ndim)
    places = _vector("index_select", index)
    if not input.ndim:
        if places.numel() != 1:
            raise RuntimeError(
                "index_select(): Index to scalar can have only 1 value, got "
                f"{places.numel()} value(s)"
            )
        return apply(
            Reshape,
            apply(Index, input.reshape(1), places, dims=(0,), wraps=False),
            shape=(),
        )
    return rows_of(input, places, dims=(d,), wraps=False)


def _put_along(
    name: str, input: Tensor, dim: int, index: Tensor, source: Tensor, add: bool
) -> Tensor:
    """Parts of *source* put, or added, at the places of a dimension."""
    d, places = normalize_dim(dim, input.ndim), _vector(name, index)
    same_type(name, input, source)
    n = source.shape[d] if source.ndim > d else 1
    if places.numel() != n:
        kind: type[Exception] = RuntimeError if add else IndexError
        raise kind(
            f"{name}(): Number of indices ({places.numel()}) should be equal to "
            f"source.size({d}) ({n})"
        )
    if source.ndim != input.ndim and (source.ndim or input.ndim > (not add)):
        kind = RuntimeError if add else IndexError
        raise kind(
            f"{name}(): source ({source.ndim} dimensions) must have as many dimensions "
            f"as the input ({input.ndim})"
        )
    shape = list(input.shape) or [1]
    shape[d] = n
    source = source if source.ndim else source.reshape(1)
    if list(source.shape) != shape:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified "
            f"dimension. Got self.shape = {list(input.shape)} source.shape = "
            f"{list(source.shape)}"
        )
    base = input if input.ndim else input.reshape(1)
    how = {"dims": (d,), "accumulate": add, "wraps": False}
    out = apply(IndexPut, base, source, places, **how)
    return out if input.ndim else out.reshape(())


@with_out
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1
) -> Tensor:
    """*input* with alpha · the parts of *source* added at *index* of a dimension."""
    source = source if alpha == 1 else source * alpha
    return _put_along("index_add", input, dim, index, source, True)


@with_out
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """*input* with the parts of *source* at *index* of a dimension."""
    return _put_along("index_copy", input, dim, index, source, False)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
    """*input* with a number at *index* of a dimension."""
    d = normalize_dim(dim, input.ndim)
    places = _vector("index_fill", index, RuntimeError)
    number = number_like(value, input, "index_fill_")
    base = input if input.ndim else input.reshape(1)
    # A mask, so that a place which is listed twice has the derivative of one.
    none = constant_zeros(Spec(tuple(base.shape), dtypes.bool_))
    true = constant(np.array(True))
    mask = apply(IndexPut, none, true, places, dims=(d,), accumulate=False)
    out = apply(Where, mask, number, base)
    return out if input.ndim else out.reshape(())


@with_out
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """As index_add, with the reduction "prod", "mean", "amax" or "amin"."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but "
            f"got {reduce}."
        )
    d, places = normalize_dim(dim, input.ndim), _vector("index_reduce", index)
    if source.ndim and places.numel() != source.shape[d]:
        raise RuntimeError(
            f"index_reduce(): Number of indices ({places.numel()}) should be equal to "
            f"self.size(dim): ({source.shape[d]}), for dim: {d}"
        )
    if not input.ndim:
        return scatter_reduce(
            input.reshape(1), 0, places, source.reshape(1), reduce,
            include_self=include_self,
        ).reshape(())  # fmt: skip
    line = [1] * input.ndim
    line[d] = -1
    shape = list(source.shape)
    wide = apply(Expand, places.reshape(line), shape=tuple(shape))
    return scatter_reduce(input, d, wide, source, reduce, include_self=include_self)


def index_put(
    input: Tensor, indices: Tensors, values: Tensor, accumulate: bool = False
) -> Tensor:
    """*input* with *values* put, or added, at ``input[indices]``."""
    if not isinstance(values, Handle):
        raise TypeError(
            f"index_put(): values must be Tensor, not {type(values).__name__}"
        )
    same_type("index_put", input, values)
    key = tuple([slice(None) if i is None else i for i in indices])
    basic, advanced = split_key(tuple(input.shape), key)
    if basic is not None or advanced is None:
        raise NotImplementedError("index_put takes tensors only; use x[key] = value")
    dims, tensors = tuple(d for d, _ in advanced), [t for _, t in advanced]
    return apply(IndexPut, input, values, *tensors, dims=dims, accumulate=accumulate)
