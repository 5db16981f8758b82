"""Parts of leaves that are taken at once, and leaves that are joined at once, where
recording that would cost more.

A part of data in memory costs nothing to take. Recorded, it is part of the program: a loop
over random places of the data would be a new program each time, and data that NumPy code
may write to before the work is run would be copied whole for the sake of a few rows.
Samples that are joined to a batch are others each time, and some may be the same tensor.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..dispatch import Recorder, apply, constant, realize, recorder
from ..execute.interpreter import follow
from ..ops.index import Index
from ..ops.movement import Slice
from ..trace import Handle, State, follow_base, memory_of, meta_of, spec_of

#: From so many parts of one shape on, recorded in one place, they are taken at once.
VARIED = 4
#: So many tensors are joined at once, if all of them are leaves.
MANY = 8
#: Bytes of memory that NumPy code may hold, from which it is not copied for a part of it.
LARGE = 1 << 18


def part_of(input: Any, index: tuple[Any, ...]) -> Any:
    """The view of *input* that a basic index selects."""
    rec = _recorder_of_leaf(input)
    if rec is None:
        return apply(Slice, input, index=index)
    start = rec.state
    place = (Slice, input._array.shape)
    if _shown(input) or (start.many is not None and place in start.many):
        try:
            return _view(input, index)
        except (IndexError, ValueError):
            pass  # told below, with the line
    before = rec.count
    out = apply(Slice, input, index=index)
    if rec.count != before:  # it was not known there
        if start.many is None:
            start.many = set()
        start.many.add((*place, index))
        if sum(slot[:2] == place for slot in start.many) >= VARIED:
            start.many.add(place)
    return out


def rows_of(input: Any, *indices: Any, **attrs: Any) -> Any:
    """The elements of *input* that integer tensors select along some dimensions."""
    if _recorder_of_leaf(input) is None or not _shown(input):
        return apply(Index, input, *indices, **attrs)
    out = apply(Index, constant(input._array), *indices, **attrs)
    realize(out)  # before anybody writes to the memory
    return out


def joined(tensors: list[Any], dim: int, stacked: bool) -> Any:
    """Many leaves of one type along a dimension, that exists or (*stacked*) is new; None
    where that has to be recorded."""
    if len(tensors) < MANY or _records_all(recorder()):
        return None
    waiting = [x for x in tensors if type(x._key) is State]
    if any(x._key.grad or not x._key.view for x in waiting):
        return None
    if 2 * len(waiting) > len(tensors):
        return None
    realize(*waiting)  # views, such as of the newest sample
    arrays = []
    for x in tensors:
        if x._array is None:
            return None
        if x._meta is not None and x.requires_grad:
            return None
        arrays.append(x._array)
    if any(a.dtype != arrays[0].dtype for a in arrays):
        return None
    try:
        return constant((np.stack if stacked else np.concatenate)(arrays, dim))
    except (ValueError, IndexError):
        return None  # told where it is recorded, with the line


def _recorder_of_leaf(x: Any) -> Recorder | None:
    """The recorder, if *x* is in memory and the part may be taken at once."""
    if not isinstance(x, Handle) or type(x._key) is State or x._array is None:
        return None
    if x._meta is not None and cast(Any, x).requires_grad:
        return None
    rec = recorder()
    return None if _records_all(rec) else rec


def _records_all(rec: Recorder) -> bool:
    """Whether somebody looks at what is recorded, or it is run at once anyway."""
    watched = rec.tracing is not None or rec.capture is not None
    return watched or rec.running or rec.eager or rec.inference


def _shown(x: Any) -> bool:
    """Whether NumPy code may write to the memory of *x*, and it is large."""
    meta = x._meta
    if meta is None or x._key is not None or x._array.nbytes < LARGE:
        return False
    base = meta.base
    return bool(
        meta.exposed
        or (base is not None and base._meta is not None and base._meta.exposed)
    )


def _view(x: Any, index: tuple[Any, ...]) -> Any:
    attrs = Slice.normalize(spec_of(x), index=index)
    step = ("slice", tuple(attrs.items()))
    out = constant(follow(x._array, (step,)))
    meta = meta_of(out)
    follow_base(meta, x)
    meta.path = (*meta.path, step)
    meta.seen = memory_of(x)[0]
    meta.inference = x._meta is not None and x._meta.inference
    return out
