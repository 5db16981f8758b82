"""Arrays put together of parts: concatenation, padding, writing into a part.

Each part is copied by a stage of its own, in order, so that a later one may cover an
earlier one.
"""

from __future__ import annotations

from typing import Any

from ..ops.op import REGISTRY
from .fuse import Fusion, Joined
from .ir import SIZES, Function, Module, Value, literal
from .lower import element_of
from .stage import Stage, last_part, stage_function
from .sums import merge
from .views import View, broadcast, derived, squeezed_strides, whole

#: so many vectors at least are one thread's part
_PART = 16


def parts_of(node: Any, fusion: Fusion) -> list[tuple[Any, View]] | None:
    """What is put where: (a view that is read, or a number; the place of it)."""
    own = whole(node)
    name = node.op.name
    if name == "cat":
        d, at, parts = node.attrs["dim"], 0, []
        for key in node.inputs:
            shape = key.spec.shape
            offset = at * _full_strides(node.spec.shape)[d]
            strides = _strides(shape, node.spec.shape)
            parts.append((fusion.view(key), View(node, shape, strides, offset)))
            at += shape[d]
        return [p for p in parts if 0 not in p[1].shape]
    if name == "pad":
        pad = node.attrs["pad"]
        if any(p < 0 for pair in pad for p in pair):
            return None
        (a,) = node.inputs
        full = _full_strides(node.spec.shape)
        offset = sum(low * s for (low, _), s in zip(pad, full, strict=True))
        inner = View(
            node, a.spec.shape, _strides(a.spec.shape, node.spec.shape), offset
        )
        return [(node.attrs["value"], own), (fusion.view(a), inner)]
    base, value = node.inputs
    place = own
    for word, attrs in node.attrs["path"]:
        made = _Made(word, dict(attrs), place)
        seen = derived(made, place) if made.spec else None
        if seen is None:
            return None
        place = seen
    stretched = broadcast(fusion.view(value), place.shape)
    return [(fusion.view(base), own), (stretched, place)]


class _Made:
    """A view operation that is only thought of."""

    def __init__(self, word: str, attrs: dict[str, Any], of: View) -> None:
        self.op, self.attrs = REGISTRY[word], attrs
        spec = of.buffer.spec
        self.spec: Any = None
        try:
            self.spec = self.op.infer(type(spec)(of.shape, spec.dtype), **attrs)
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError):
            return


def _full_strides(shape: Any) -> list[int]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return strides[::-1]


def _strides(shape: Any, outer: Any) -> tuple[int, ...]:
    """Strides of a part of that shape in an array of shape *outer*."""
    full = _full_strides(outer)
    return tuple(0 if n == 1 else s for n, s in zip(shape, full, strict=True))


class JoinCode:
    """Emits the copies; ``parameters`` are the buffers."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Joined,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        self.e = str(element_of(node.spec))
        self.w = vector_bytes // max(SIZES[self.e], 4)
        self.stages: list[Stage] = []
        for i, (source, target) in enumerate(kernel.parts):
            self._part(module, f"{name}p{i}" if i else name, source, target)

    def _part(self, module: Module, name: str, source: Any, target: View) -> None:
        e, w = self.e, self.w
        number = not isinstance(source, View)
        dims = [d for d, n in enumerate(target.shape) if n != 1]
        sizes = tuple(target.shape[d] for d in dims)
        to = squeezed_strides(target)
        of = (0,) * len(sizes) if number else squeezed_strides(source)
        shape, (to_steps, of_steps) = merge(sizes, [to, of])
        shape, to_steps, of_steps = shape or [1], to_steps or [1], of_steps or [0]
        n = shape[-1]
        alone = len(shape) == 1
        unit = _PART * w
        extent = -(-n // unit) if alone else shape[0]
        buffers = (target.buffer,) if number else (source.buffer, target.buffer)
        count = target.buffer.spec.size if number else 1
        for size in shape:
            count *= size if not number else 1
        self.stages.append(Stage(name, buffers, extent, count * SIZES[e] * 0.2))
        f = stage_function(module, name, buffers)
        begin, end = f.parameters[-2:]
        here = None if number else f.at(f.parameters[0], source.offset, e)
        there = f.at(f.parameters[-3], target.offset, e)
        loops = []
        for d, size in enumerate(shape[:-1]):
            loops.append(f.loop(0, size) if d else f.loop(begin, end))
            there = f.at(there, f.times(loops[-1].index, to_steps[d]), e)
            if here is not None:
                here = f.at(here, f.times(loops[-1].index, of_steps[d]), e)
        step, read = to_steps[-1], of_steps[-1]

        def some(i: Value, lanes: int) -> None:
            if here is None:
                value = f.splat(Value(literal(source, e), e), w)
            else:
                value = _read(f, here, i, read, e, w, lanes)
            place = f.at(there, f.times(i, step), e)
            if step == 1:
                f.store(value, place, lanes)
            else:
                f.scatter(value, place, step, lanes)

        full = n - n % w
        if full:
            first: Any = 0
            last: Any = full
            if alone:
                first = f.times(begin, unit)
                last = f.least(f.times(end, unit), full)
            loop = f.loop(first, last, w)
            some(loop.index, 0)
            loop.end()
        if n > full:
            rest = Value(str(full), "i64")
            if alone:
                with f.when(last_part(f, extent)):
                    some(rest, n - full)
            else:
                some(rest, n - full)
        for loop in reversed(loops):
            loop.end()
        f.emit("ret void")


def _read(
    f: Function, here: Value, i: Value, step: int, e: str, w: int, lanes: int
) -> Value:
    place = f.at(here, f.times(i, step), e)
    if step == 1:
        return f.load(place, e, w, lanes)
    if step == 0:
        return f.splat(f.load(place, e), w)
    return f.gather(place, step, e, w, lanes)
