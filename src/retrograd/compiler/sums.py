"""What all reductions have in common: from where they start, how two numbers are joined,
and in which blocks they are added up."""

from __future__ import annotations

import math
from typing import Any

from ..ops.op import Shape
from .ir import FLOATS, SIZES, Function, Value, literal

#: so many vectors, or rows, are added up before the sum joins the others
BLOCK = 128


def identity(word: str, element: str) -> Value:
    """What a reduction starts from."""
    number: float = {"add": 0, "mul": 1, "and": 1, "or": 0}.get(word, 0)
    if word in ("maximum", "minimum"):
        if element in FLOATS:
            number = -math.inf if word == "maximum" else math.inf
        elif element == "i1":
            number = word == "minimum"
        else:
            top = 1 << (8 * SIZES[element] - 1)
            number = -top if word == "maximum" else top - 1
    return Value(literal(number, element), element)


def combine(f: Function, word: str, a: Value, b: Value) -> Value:
    if word in ("and", "or"):
        return f.logic(word, a, b)
    if a.element == "i1":
        return f.logic("or" if word in ("maximum", "add") else "and", a, b)
    return getattr(f, word)(a, b)  # type: ignore[no-any-return]


def merge(sizes: Shape, places: list[Shape]) -> tuple[list[int], list[list[int]]]:
    """Neighbouring dimensions that every place walks through as one become one."""
    out: list[int] = []
    strides: list[list[int]] = [[] for _ in places]
    for d, n in enumerate(sizes):
        if out and all(s[-1] == p[d] * n for s, p in zip(strides, places, strict=True)):
            out[-1] *= n
            for s, p in zip(strides, places, strict=True):
                s[-1] = p[d]
        else:
            out.append(n)
            for s, p in zip(strides, places, strict=True):
                s.append(p[d])
    return out, strides


def blocked(
    f: Function, begin: Any, end: Any, step: int, count: int, carried: list[Value],
    starts: list[Value], join: Any, body: Any,
) -> list[Value]:  # fmt: skip
    """A loop of at most *count* rounds that adds up in blocks, and blocks of blocks."""
    span = 1
    while count > BLOCK * span:
        span *= BLOCK
    loop = f.loop(begin, end, span * step, *carried)
    if span == 1:
        return loop.end(*body(loop.index, loop.values))
    last = f.value(f"add nsw i64 {loop.index.name}, {span * step}", "i64")
    limit = end if isinstance(end, Value) else Value(str(end), "i64")
    near = Value(f.op(f"icmp slt i64 {last.name}, {limit.name}"), "i1")
    last = f.select(near, last, limit)
    inside = blocked(f, loop.index, last, step, span, starts, starts, join, body)
    return loop.end(*join(loop.values, inside))
