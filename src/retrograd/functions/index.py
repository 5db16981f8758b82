"""Indexing: reading and writing parts, by place or by computed indices."""

from __future__ import annotations

import builtins
from typing import Any, cast

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from ..ops.index import Gather, Index, IndexPut, Scatter
from ..ops.movement import Expand, Reshape, Slice
from ..ops.op import normalize_dim
from ..trace import Handle, spec_of

__all__ = ["getitem", "gather", "scatter", "scatter_add", "scatter_reduce", "index_select",
           "index_add", "index_copy", "index_fill", "index_put", "masked_fill",
           "masked_select", "take", "take_along_dim", "nonzero", "argwhere", "unique",
           "searchsorted", "bucketize"]  # fmt: skip

_ALL = ("s", None, None, None)


def _basic(part: Any) -> Any:
    """One part of a basic index in hashable form, or None if it is an advanced one."""
    kind = type(part)
    if kind is int:
        return ("i", part)
    if kind is slice:
        return (
            "s",
            *(
                x if x is None or type(x) is int else x.__index__()
                for x in (part.start, part.stop, part.step)
            ),
        )
    if part is None:
        return ("n",)
    if kind is bool or kind is np.bool_:
        return None
    if isinstance(part, np.integer):
        return ("i", int(part))
    if isinstance(part, Handle):
        spec, number = spec_of(part), cast(Any, part)
        if not spec.shape and spec.dtype.category == dtypes.INTEGRAL:
            return ("i", number.item())
    return None


def getitem(input: Any, key: Any) -> Any:
    """``input[key]``: integers, slices, None, …, lists, tensors and masks."""
    kind = type(key)
    if kind is int or kind is slice or key is None:
        return apply(Slice, input, index=(_basic(key),))
    basic, advanced = split_key(tuple(input.shape), key)
    if basic is not None:
        input = apply(Slice, input, index=basic)
    if advanced is not None:
        input = apply(
            Index, input, *[t for _, t in advanced], dims=tuple(d for d, _ in advanced)
        )
    elif basic is None:
        input = apply(Slice, input, index=())
    return input


def basic_view(input: Any, basic: Any) -> Any:
    """The view that the basic part of a key selects."""
    return apply(Slice, input, index=basic)


def put(input: Any, advanced: Any, value: Any) -> Any:
    """*input* with *value* at the places of the advanced part of a key."""
    dims = tuple(d for d, _ in advanced)
    tensors = [t for _, t in advanced]
    return apply(IndexPut, input, value, *tensors, dims=dims, accumulate=False)


def _as_index(part: Any) -> Any:
    if isinstance(part, Handle):
        return part
    array = np.asarray(part)
    if array.dtype == object or array.dtype.kind not in "iub":
        if array.size == 0:
            array = array.astype(np.int64)
        else:
            kind = TypeError if array.dtype.kind in "US" else IndexError
            raise kind(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte "
                f"Variables are valid indices (got {type(part).__name__})"
            )
    return constant(array if array.dtype.kind == "b" else array.astype(np.int64))


def split_key(shape: tuple[int, ...], key: Any) -> tuple[Any, Any]:
    """A key as (basic index or None, [(dimension, integer tensor), …] or None).

    The basic part comes first; the dimensions of the advanced part count in what the
    basic part leaves.
    """
    parts = list(key) if type(key) is tuple else [key]
    used = 0
    for i, p in enumerate(parts):
        if p is Ellipsis or p is None:
            continue
        if isinstance(p, (builtins.bool, np.bool_)):
            continue
        mask_dims = getattr(p, "ndim", 0) if _is_mask(p) else 1
        if _is_mask(p) and not hasattr(p, "ndim"):
            parts[i] = p = _as_index(p)
            mask_dims = p.ndim
        used += mask_dims
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    if dots:
        parts[dots[0] : dots[0] + 1] = [slice(None)] * (len(shape) - used)
    basic: list[Any] = []
    advanced: list[tuple[int, Any]] = []
    dim = 0  # of what the basic part leaves
    source = 0  # of the tensor itself
    for p in parts:
        code = _basic(p)
        if code is not None:
            basic.append(code)
            source += code[0] != "n"
            dim += code[0] != "i"
            continue
        if isinstance(p, (builtins.bool, np.bool_)):
            basic.append(("n",))
            advanced.append((dim, constant(np.zeros(int(p), np.int64))))
            dim += 1
            continue
        index = _as_index(p)
        if index.dtype is dtypes.bool_ or index.dtype is dtypes.uint8:
            mask = index.numpy() if not index.requires_grad else index.detach().numpy()
            for k, n in enumerate(mask.shape):
                if shape[source + k] != n:
                    raise IndexError(
                        f"The shape of the mask {list(mask.shape)} at index {k} does not "
                        f"match the shape of the indexed tensor {list(shape)} at index "
                        f"{source + k}"
                    )
            found = np.nonzero(mask.astype(bool)) if mask.ndim else None
            if found is None:
                basic.append(("n",))
                advanced.append((dim, constant(np.zeros(int(mask.item()), np.int64))))
                dim += 1
                continue
            for places in found:
                basic.append(_ALL)
                advanced.append((dim, constant(places)))
                dim, source = dim + 1, source + 1
        else:
            basic.append(_ALL)
            advanced.append((dim, index))
            dim, source = dim + 1, source + 1
    trivial = all(b == _ALL for b in basic)
    return (None if trivial else tuple(basic)), (advanced or None)


def _is_mask(p: Any) -> builtins.bool:
    if isinstance(p, Handle):
        return spec_of(p).dtype in (dtypes.bool_, dtypes.uint8)
    if isinstance(p, np.ndarray):
        return builtins.bool(p.dtype == np.bool_)
    if isinstance(p, list):
        while isinstance(p, list) and p:
            p = p[0]
        return isinstance(p, (builtins.bool, np.bool_))
    return False


def gather(input: Any, dim: int, index: Any, **_: Any) -> Any:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    return apply(Gather, input, index, dim=dim)


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None) -> Any:  # fmt: skip
    """*input* with *src* (or a number) at index along *dim*."""
    source = value if src is None else src
    if not isinstance(source, Handle):
        one = constant(np.array(source, input.dtype.np))
        source = apply(Expand, one, shape=tuple(index.shape))
    if reduce not in (None, "add"):
        return scatter_reduce(input, dim, index, source, "prod")
    return apply(Scatter, input, index, source, dim=dim, reduce=reduce or "set")


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """*input* with *src* added at index along *dim*; repeated places add up."""
    return apply(Scatter, input, index, src, dim=dim, reduce="add")


def scatter_reduce(
    input: Any,
    dim: int,
    index: Any,
    src: Any,
    reduce: str,
    *,
    include_self: bool = True,
) -> Any:
    """Scatter with a reduction: "sum" and "mean" here."""
    if reduce not in ("sum", "mean"):
        raise NotImplementedError(
            f"scatter_reduce with {reduce!r}: there are 'sum' and 'mean'"
        )
    if not include_self:
        zeros = constant(np.zeros(tuple(index.shape), input.dtype.np))
        input = apply(Scatter, input, index, zeros, dim=dim, reduce="set")
    total = apply(Scatter, input, index, src, dim=dim, reduce="add")
    if reduce == "sum":
        return total
    ones = constant(np.ones(tuple(index.shape), input.dtype.np))
    base = np.full(tuple(input.shape), float(include_self), input.dtype.np)
    count = apply(Scatter, constant(base), index, ones, dim=dim, reduce="add")
    return total / count.clamp(min=1)


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The parts of a dimension that *index* lists."""
    return apply(Index, input, index, dims=(normalize_dim(dim, len(input.shape)),))


def _put_along(
    input: Any, dim: int, index: Any, source: Any, accumulate: builtins.bool
) -> Any:
    d = normalize_dim(dim, len(input.shape))
    if index.ndim == 0:
        index = apply(Reshape, index, shape=(1,))
    return apply(IndexPut, input, source, index, dims=(d,), accumulate=accumulate)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """*input* with the parts of *source* added at *index* of a dimension."""
    return _put_along(input, dim, index, source * alpha if alpha != 1 else source, True)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """*input* with the parts of *source* at *index* of a dimension."""
    return _put_along(input, dim, index, source, False)


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """*input* with a number at *index* of a dimension."""
    if not isinstance(value, Handle):
        value = constant(np.array(value, input.dtype.np))
    return _put_along(input, dim, index, value, False)


def index_put(
    input: Any, indices: Any, values: Any, accumulate: builtins.bool = False
) -> Any:
    """*input* with *values* put, or added, at ``input[indices]``."""
    basic, advanced = split_key(tuple(input.shape), tuple(indices))
    if basic is not None or advanced is None:
        raise NotImplementedError("index_put takes tensors only; use x[key] = value")
    dims, tensors = tuple(d for d, _ in advanced), [t for _, t in advanced]
    return apply(IndexPut, input, values, *tensors, dims=dims, accumulate=accumulate)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """*value* where the mask is true, the input elsewhere."""
    from .elementwise import where

    if isinstance(value, Handle):
        value = value.to(input.dtype)  # type: ignore[attr-defined]
    return where(mask, value, input)


def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask is true, in one dimension."""
    from .shape import broadcast_tensors

    input, mask = broadcast_tensors(input, mask)
    return getitem(input, mask)


def take(input: Any, index: Any) -> Any:
    """Elements by their place in the flattened input."""
    return apply(Index, apply(Reshape, input, shape=(-1,)), index, dims=(0,))


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """As gather, with broadcasting of the other dimensions."""
    if dim is None:
        return take(input, indices.reshape(-1))
    d = normalize_dim(dim, len(input.shape))
    a, b = list(input.shape), list(indices.shape)
    for i in range(len(a)):
        if i != d:
            a[i] = b[i] = max(a[i], b[i])
    return apply(Gather, input.expand(*a), indices.expand(*b), dim=d)


def nonzero(input: Any, *, as_tuple: builtins.bool = False) -> Any:
    """The places of the elements that are not zero (this runs what is pending)."""
    found = np.nonzero(np.atleast_1d(input.detach().numpy()))
    if as_tuple:
        return tuple(constant(i) for i in found)
    places = np.stack(found, 1)
    return constant(places if input.ndim else places[:, :0])


def argwhere(input: Any) -> Any:
    """The places of the elements that are not zero, one a row."""
    return nonzero(input)


def unique(
    input: Any, sorted: builtins.bool = True, return_inverse: builtins.bool = False,
    return_counts: builtins.bool = False, dim: int | None = None,
) -> Any:  # fmt: skip
    """The different values, in order (this runs what is pending)."""
    values, inverse, counts = np.unique(
        input.detach().numpy(), return_inverse=True, return_counts=True, axis=dim
    )
    out = [constant(values)]
    if return_inverse:
        out.append(
            constant(
                inverse.reshape(input.shape if dim is None else -1).astype(np.int64)
            )
        )
    if return_counts:
        out.append(constant(counts.astype(np.int64)))
    return out[0] if len(out) == 1 else tuple(out)


def searchsorted(
    sorted_sequence: Any, input: Any, *, right: builtins.bool = False, side: str | None = None,
    **_: Any,
) -> Any:  # fmt: skip
    """Where each value would be inserted to keep the order."""
    s = sorted_sequence.detach().numpy()
    v = input.detach().numpy() if isinstance(input, Handle) else np.asarray(input)  # type: ignore[attr-defined]
    way: Any = "right" if right or side == "right" else "left"
    if s.ndim == 1:
        return constant(np.asarray(np.searchsorted(s, v, way), np.int64))
    rows = [
        np.searchsorted(a, b, way)
        for a, b in zip(
            s.reshape(-1, s.shape[-1]), v.reshape(-1, v.shape[-1]), strict=True
        )
    ]
    return constant(np.asarray(rows, np.int64).reshape(v.shape))


def bucketize(
    input: Any, boundaries: Any, *, right: builtins.bool = False, **_: Any
) -> Any:
    """The number of the interval between boundaries that each value falls into."""
    return searchsorted(boundaries, input, right=right)
