"""Parts of leaves that are taken at once, where recording them would cost more.

A part of data in memory costs nothing to take. Recorded, it is part of the program: a loop
over random places of the data would be a new program each time, and data that NumPy code
may write to before the work is run would be copied whole for the sake of a few rows.
"""

from __future__ import annotations

from typing import Any

from ..dispatch import Recorder, apply, constant, realize, recorder
from ..execute.interpreter import follow
from ..ops.index import Index
from ..ops.movement import Slice
from ..trace import Handle, State, follow_base, memory_of, meta_of, spec_of

#: From so many parts of one shape on, recorded in one place, they are taken at once.
VARIED = 4
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


def _recorder_of_leaf(x: Any) -> Recorder | None:
    """The recorder, if *x* is in memory and the part may be taken at once."""
    if not isinstance(x, Handle) or type(x._key) is State or x._array is None:
        return None
    meta = x._meta
    if meta is not None and (meta.requires_grad or meta.history is not None):
        return None
    rec = recorder()
    if rec.tracing is not None or rec.capture is not None or rec.running or rec.eager:
        return None
    return rec


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
