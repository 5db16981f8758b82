"""A piece of work as one native function, which can be done in parts."""

from __future__ import annotations

from typing import Any, NamedTuple

from .ir import Function, Module, Value

#: pointers that a function may want beside its buffers
ERROR, SCRATCH = "error", "scratch"

#: nanoseconds of work below which nothing is divided
WORTH = 8000.0


class Stage(NamedTuple):
    """``function(pointers to the buffers, begin, end)`` does what lies from *begin* to
    *end* of *extent*; those parts may be done at once, by several threads."""

    function: str
    buffers: tuple[Any, ...]  # keys, or ERROR, or SCRATCH
    extent: int
    nanoseconds: float  # about, on one thread


def stage_function(module: Module, name: str, buffers: tuple[Any, ...]) -> Function:
    """The function of a stage, to be filled. It is given one pointer, to those to the
    buffers; ``parameters`` are the latter, and then the part."""
    f = Function(module, name, [("ptr", "on"), ("i64", "begin"), ("i64", "end")])
    on, begin, end = f.parameters
    places = [f.at(on, i, "i64") for i in range(len(buffers))]
    f.parameters = [*(f.load(p, "ptr_") for p in places), begin, end]
    return f


def last_part(f: Function, extent: int) -> Value:
    """Whether this part reaches the end of the extent."""
    end = f.parameters[-1]
    return Value(f.op(f"icmp eq i64 {end.name}, {extent}"), "i1")
