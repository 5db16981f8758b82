"""``x[key]``: every form of a key, and what it selects."""

from __future__ import annotations

import builtins
from typing import Any, cast

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant, recorder
from ..errors import warn
from ..ops.index import IndexPut
from ..ops.movement import Slice
from ..trace import Handle, State, spec_of
from .leaf_parts import part_of, rows_of

__all__ = ["getitem"]

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
            if recorder().tracing is not None and type(part._key) is State:
                return None  # it may be another one for each example of a vmap
            return ("i", number.item())
    return None


def getitem(input: Any, key: Any) -> Any:
    """``input[key]``: integers, slices, None, …, lists, tensors and masks."""
    kind = type(key)
    if kind is int or kind is slice or key is None:
        return part_of(input, (_basic(key),))
    basic, advanced = split_key(tuple(input.shape), key)
    if basic is not None:
        input = part_of(input, basic)
    if advanced is not None:
        indices, dims = [t for _, t in advanced], tuple(d for d, _ in advanced)
        input = rows_of(input, *indices, dims=dims)
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
        mask_dims = getattr(p, "ndim", 0) if is_mask(p) else 1
        if is_mask(p) and not hasattr(p, "ndim"):
            parts[i] = p = _as_index(p)
            mask_dims = p.ndim
        used += mask_dims
    if used > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    for i in reversed(dots[1:]):  # one more says nothing, if nothing comes after it
        if used < len(shape) and any(p is not None for p in parts[i + 1 :]):
            raise IndexError("an index can only have a single ellipsis ('...')")
        del parts[i]
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
        if index.dtype is dtypes.uint8:
            warn("indexing with uint8 is deprecated: use a mask of type bool instead")
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


def is_mask(p: Any) -> builtins.bool:
    """Whether a part of a key selects where it is true."""
    if isinstance(p, Handle):
        return spec_of(p).dtype in (dtypes.bool_, dtypes.uint8)
    if isinstance(p, np.ndarray):
        return builtins.bool(p.dtype == np.bool_)
    if isinstance(p, list):
        while isinstance(p, list) and p:
            p = p[0]
        return isinstance(p, (builtins.bool, np.bool_))
    return False
