"""Pooling in one and two dimensions, and the adjoints: plane by plane, lanes along a row
of windows.

Where windows reach past the plane, the plane is first laid out with a border (the lowest
number for a maximum, zeros for a sum), so that every tap can be read everywhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from .conv import Axis, Image
from .fuse import Fusion, Pooling
from .ir import SIZES, Function, Module, Value, literal
from .lower import element_of
from .stage import ERROR, SCRATCH, Stage, stage_function

#: what one thread uses at a time lies on its stack up to so many bytes
STACK = 512 << 10

Pair = tuple[int, int]


class PoolCode:
    """Emits one pooling operation; ``parameters`` are its buffers."""

    # of windows: rows, then columns
    size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    count: Pair

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Pooling,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        self.name, self.module = name, module
        self.parameters = [fusion.view(k).buffer for k in node.inputs] + [node]
        self.e = str(element_of(self.parameters[0].spec))
        self.bytes = SIZES[self.e]
        self.w = vector_bytes // self.bytes
        self.scratch = 0
        self.stages: list[Stage] = []
        kind, attrs = node.op.name, dict(node.attrs)
        n = len(attrs["plane"] if "plane" in attrs else attrs["count"])
        windows = self.parameters[0].spec.shape  # where g, or the input, is given
        if kind == "sum_pool_input":
            attrs["count"] = windows[len(windows) - n :]
        for key in ("size", "stride", "padding", "dilation", "count"):
            if key in attrs:
                setattr(self, key, _pair(attrs[key], 0 if key == "padding" else 1))
        shape = {"max_pool_input": 1, "plane_add": 2, "sum_pool_input": 1}.get(kind, 0)
        plane = self.parameters[shape].spec.shape
        self.planes = math.prod(plane[: len(plane) - n])
        self.high, self.wide = _pair(plane[len(plane) - n :], 1)
        {
            "max_pool": self._maxima,
            "sum_pool": self._sums,
            "max_pool_index": self._places,
            "max_pool_input": self._to_maxima,
            "plane_add": self._add,
            "sum_pool_input": self._spread,
        }[kind]()

    # -- reading windows ------------------------------------------------------------------

    @property
    def taps(self) -> list[tuple[int, int]]:
        return list(itertools.product(range(self.size[0]), range(self.size[1])))

    def _begin(self, local: int, each: float, *extra: str) -> Function:
        """The function of the only stage, with *local* bytes of memory for each plane."""
        own = local > STACK
        buffers: tuple[Any, ...] = (*self.parameters, *extra)
        if own:
            self.scratch = local * self.planes
            buffers = (*buffers, SCRATCH)
        elements = sum(b.spec.size for b in self.parameters)
        self.stages.append(Stage(self.name, buffers, self.planes, elements * each))
        f = self.f = stage_function(self.module, self.name, buffers)
        if local and not own:
            self.memory = f.value(f"alloca i8, i64 {local}, align 64", "ptr")
        self.loop = f.loop(f.parameters[-2], f.parameters[-1])
        if own:
            by = f.times(self.loop.index, local)
            self.memory = f.at(f.parameters[-3], by, "i8")
        return f

    def _finish(self) -> None:
        self.loop.end()
        self.f.emit("ret void")

    def _plane(self, i: int, size: int, element: str) -> Value:
        """The plane of parameter *i* that the loop is at."""
        by = self.f.times(self.loop.index, size)
        return self.f.at(self.f.parameters[i], by, element)

    def _border(self) -> Image | None:
        """The plane with a border, if windows reach past it."""
        axes, outside = [], False
        for d, size in enumerate((self.high, self.wide)):
            last = (self.count[d] - 1) * self.stride[d]
            reach = last + (self.size[d] - 1) * self.dilation[d] + 1
            outside = outside or self.padding[d] > 0 or reach > size
            axes.append(Axis(size, reach, self.padding[d], 1, 1))
        return Image(*axes) if outside else None

    def _room(self, image: Image | None) -> int:
        return _up((image.plane + self.w) * self.bytes) if image else 0

    def _laid(self, i: int, image: Image | None, low: float) -> tuple[Value, int]:
        """Where the plane of parameter *i* can be read, and how far its rows lie apart."""
        f, e, w = self.f, self.e, self.w
        source = self._plane(i, self.high * self.wide, e)
        if image is None:
            return source, self.wide
        number = f.splat(Value(literal(low, e), e), w)
        loop = f.loop(0, image.plane, w)
        f.store(number, f.at(self.memory, loop.index, e))
        loop.end()
        image.place(f, source, self.memory, e, w)
        return self.memory, image.x.length

    def _tap(
        self,
        base: Value,
        pitch: int,
        tap: tuple[int, int],
        i: Value,
        j: Any,
        lanes: int,
    ) -> Value:
        """What windows (i, j), (i, j + 1), … see at a tap."""
        row, step = self._place(base, pitch, tap, i, j), self.stride[1]
        if step == 1:
            return self.f.load(row, self.e, self.w, lanes)
        return self.f.gather(row, step, self.e, self.w, lanes)

    def _place(
        self, base: Value, pitch: int, tap: tuple[int, int], i: Value, j: Any
    ) -> Value:
        """Where window (i, j) has its tap."""
        f, e, step = self.f, self.e, self.stride[1]
        row = f.at(base, f.times(i, self.stride[0] * pitch), e)
        row = f.at(
            row, tap[0] * self.dilation[0] * pitch + tap[1] * self.dilation[1], e
        )
        return f.at(row, f.times(j, step) if isinstance(j, Value) else j * step, e)

    def _seen(
        self, base: Value, pitch: int, i: Value, j: Any, lanes: int
    ) -> Iterator[Value]:
        """What windows (i, j), (i, j + 1), … see, tap by tap: with a stride of 2, two
        neighbouring taps are the even and the odd ones of the same numbers."""
        f, e, odd = self.f, self.e, None
        shared = self.stride[1] == 2 and self.dilation[1] == 1
        for tap in self.taps:
            if odd is not None:
                yield odd
                odd = None
            elif shared and tap[1] + 1 < self.size[1]:
                place = self._place(base, pitch, tap, i, j)
                even, odd = f.pairs(place, e, self.w, 2 * (lanes or self.w))
                yield even
            else:
                yield self._tap(base, pitch, tap, i, j, lanes)

    def _rows(self, body: Any, after: Any = None) -> None:
        """For each row of windows, and each vector of it: body(i, j, lanes)."""
        f, w, wide = self.f, self.w, self.count[1]
        rows = f.loop(0, self.count[0])
        full = wide - wide % w
        if full:
            along = f.loop(0, full, w)
            body(rows.index, along.index, 0)
            along.end()
        if wide > full:
            body(rows.index, full, wide - full)
        if after:
            after(rows.index)
        rows.end()

    def _reduce(self, low: float, word: str) -> None:
        image = self._border()
        f = self._begin(self._room(image), 0.1)
        base, pitch = self._laid(0, image, low)
        out = self._plane(1, math.prod(self.count), self.e)

        def some(i: Value, j: Any, lanes: int) -> None:
            total, *rest = self._seen(base, pitch, i, j, lanes)
            for value in rest:
                total = getattr(f, word)(total, value)
            row = f.at(out, f.times(i, self.count[1]), self.e)
            f.store(total, f.at(row, j, self.e), lanes)

        self._rows(some)
        self._finish()

    def _maxima(self) -> None:
        self._reduce(-math.inf, "maximum")

    def _sums(self) -> None:
        self._reduce(0.0, "add")

    # -- where the maxima are ---------------------------------------------------------------

    def _argmax(
        self, base: Value, pitch: int, outside: bool, i: Value, j: Any, lanes: int
    ) -> tuple[Value, Value]:
        """The first maximum of each window: at which tap, and where in the plane (i32)."""
        f, w = self.f, self.w
        best: Value | None = None
        place = chosen = Value("splat (i32 -1)", "i32", w)
        first = f.splat(f.convert(_number(j), "i32"), w)
        columns = f.add(first, f.lanes(w, "i32"))
        columns = f.mul(columns, f.constant(self.stride[1], columns))
        seen = self._seen(base, pitch, i, j, lanes)
        for n, (tap, value) in enumerate(zip(self.taps, seen, strict=True)):
            down = tap[0] * self.dilation[0] - self.padding[0]
            right = tap[1] * self.dilation[1] - self.padding[1]
            row = f.times(i, self.stride[0])
            y = f.value(f"add i64 {row.name}, {down}", "i64")
            x = f.add(columns, f.constant(right, columns))
            here = f.add(f.splat(f.convert(f.times(y, self.wide), "i32"), w), x)
            if best is None:
                best, better = value, f.compare("lt", place, f.constant(0, place))
            else:
                nan = f.compare("ne", value, value)
                better = f.logic("or", f.compare("gt", value, best), nan)
            if outside:
                none = f.compare("lt", place, f.constant(0, place))
                better = f.logic("or", better, none)
                inside = f.logic(
                    "and",
                    f.compare("ge", x, f.constant(0, x)),
                    f.compare("lt", x, f.constant(self.wide, x)),
                )
                over = Value(f.op(f"icmp ult i64 {y.name}, {self.high}"), "i1")
                inside = f.logic("and", inside, f.splat(over, w))
                better = f.logic("and", better, inside)
            best = f.select(better, value, best)
            place = f.select(better, here, place)
            chosen = f.select(better, f.constant(n, chosen), chosen)
        return chosen, place

    def _places(self) -> None:
        image = self._border()
        f = self._begin(self._room(image), 0.2)
        base, pitch = self._laid(0, image, -math.inf)
        out = self._plane(1, math.prod(self.count), "i64")

        def some(i: Value, j: Any, lanes: int) -> None:
            _, place = self._argmax(base, pitch, image is not None, i, j, lanes)
            row = f.at(out, f.times(i, self.count[1]), "i64")
            f.store(f.convert(place, "i64"), f.at(row, j, "i64"), lanes)

        self._rows(some)
        self._finish()

    def _to_maxima(self) -> None:
        """Each number of g to where the maximum of its window is."""
        image = self._border()
        apart = self.size[0] <= self.stride[0] and self.size[1] <= 2 == self.stride[1]
        if image is None and apart and self.dilation == (1, 1):
            self._to_maxima_apart()
            return
        high, wide = self.count
        f = self._begin(self._room(image) + _up((wide + self.w) * 4), 0.4)
        base, pitch = self._laid(1, image, -math.inf)
        grads = self._plane(0, high * wide, self.e)
        out = self._plane(2, self.high * self.wide, self.e)
        places = f.at(self.memory, self._room(image), "i8")
        self._clear(out)

        def some(i: Value, j: Any, lanes: int) -> None:
            _, place = self._argmax(base, pitch, image is not None, i, j, lanes)
            f.store(place, f.at(places, j, "i32"))

        def after(i: Value) -> None:
            row = f.at(grads, f.times(i, wide), self.e)
            along = f.loop(0, wide)
            place = f.load(f.at(places, along.index, "i32"), "i32")
            self._gain(out, f.convert(place, "i64"), f.at(row, along.index, self.e))
            along.end()

        self._rows(some, after)
        self._finish()

    def _to_maxima_apart(self) -> None:
        """The same for windows that do not overlap: the two columns of a row of windows,
        g where the maximum is and 0 elsewhere, are woven into one another and written.
        Nothing is added to what was written just before, for which one would wait."""
        e, w, plane = self.e, self.w, self.high * self.wide
        high, wide = self.count
        f = self._begin(0, 0.15)
        given = self._plane(1, plane, e)
        grads, out = self._plane(0, high * wide, e), self._plane(2, plane, e)
        if self.size != self.stride or plane != high * wide * math.prod(self.size):
            self._clear(out)  # there are places in no window

        def some(i: Value, j: Any, lanes: int) -> None:
            chosen, _ = self._argmax(given, self.wide, False, i, j, lanes)
            g = f.load(f.at(f.at(grads, f.times(i, wide), e), j, e), e, w, lanes)
            zero = f.constant(0, g)
            parts = [
                f.select(f.compare("eq", chosen, f.constant(n, chosen)), g, zero)
                for n in range(len(self.taps))
            ]
            both = self.size[1]
            for row in range(self.size[0]):
                left, *right = parts[row * both : (row + 1) * both]
                there = self._place(out, self.wide, (row, 0), i, j)
                # the last column may lie outside if it is in no window
                count = 2 * (lanes or w) - (not right)
                low, high = f.woven(left, right[0] if right else zero)
                f.store(low, there, min(count, w))
                if count > w:
                    f.store(high, f.at(there, w, e), count - w)

        self._rows(some)
        self._finish()

    # -- back to planes -----------------------------------------------------------------------

    def _gain(self, out: Value, place: Value, source: Value) -> None:
        """out[place] += the number at *source*."""
        f = self.f
        there = f.at(out, place, self.e)
        f.store(f.add(f.load(there, self.e), f.load(source, self.e)), there)

    def _clear(self, out: Value) -> None:
        f, w, n = self.f, self.w, self.high * self.wide
        zero = f.splat(Value(literal(0, self.e), self.e), w)
        full = n - n % w
        if full:
            loop = f.loop(0, full, w)
            f.store(zero, f.at(out, loop.index, self.e))
            loop.end()
        if n > full:
            f.store(zero, f.at(out, full, self.e), n - full)

    def _add(self) -> None:
        """Numbers added where an index says; one that lies outside is noted."""
        f = self._begin(0, 0.4, ERROR)
        error, plane = f.parameters[3], self.high * self.wide
        given = self.parameters[0].spec.size // self.planes
        grads = self._plane(0, given, self.e)
        index = self._plane(1, given, "i64")
        out = self._plane(2, plane, self.e)
        self._clear(out)
        along = f.loop(0, given)
        place = f.load(f.at(index, along.index, "i64"), "i64")
        bad = Value(f.op(f"icmp uge i64 {place.name}, {plane}"), "i1")
        flag = f.convert(bad, "i32")
        f.op(f"atomicrmw or ptr {error.name}, i32 {flag.name} monotonic")
        place = f.select(bad, Value("0", "i64"), place)
        self._gain(out, place, f.at(grads, along.index, self.e))
        along.end()
        self._finish()

    def _spread(self) -> None:
        """Each number of g added to its whole window."""
        high, wide = self.count
        f = self._begin(0, 0.1 * len(self.taps))
        e, w, step = self.e, self.w, self.stride[1]
        grads = self._plane(0, high * wide, e)
        out = self._plane(1, self.high * self.wide, e)
        self._clear(out)
        for ky, kx in self.taps:
            down = ky * self.dilation[0] - self.padding[0]
            right = kx * self.dilation[1] - self.padding[1]
            i0, i1 = _inside(high, self.stride[0], down, self.high)
            j0, j1 = _inside(wide, step, right, self.wide)
            if i0 >= i1 or j0 >= j1:
                continue
            rows = f.loop(i0, i1)
            source = f.at(f.at(grads, f.times(rows.index, wide), e), j0, e)
            target = f.at(out, f.times(rows.index, self.stride[0] * self.wide), e)
            target = f.at(target, down * self.wide + j0 * step + right, e)
            full = (j1 - j0) - (j1 - j0) % w
            if full:
                along = f.loop(0, full, w)
                self._gain_some(source, target, along.index, 0)
                along.end()
            if j1 - j0 > full:
                self._gain_some(source, target, Value(str(full), "i64"), j1 - j0 - full)
            rows.end()
        self._finish()

    def _gain_some(self, source: Value, target: Value, j: Value, lanes: int) -> None:
        """A vector of numbers added to places that lie a stride apart."""
        f, e, w, step = self.f, self.e, self.w, self.stride[1]
        g = f.load(f.at(source, j, e), e, w, lanes)
        there = f.at(target, f.times(j, step), e)
        if step == 1:
            f.store(f.add(f.load(there, e, w, lanes), g), there, lanes)
        else:
            before = f.gather(there, step, e, w, lanes)
            f.scatter(f.add(before, g), there, step, lanes)


def _inside(count: int, stride: int, shift: int, size: int) -> tuple[int, int]:
    """From which to which window the place i·stride + shift lies in the plane."""
    good = [i for i in range(count) if 0 <= i * stride + shift < size]
    return (good[0], good[-1] + 1) if good else (0, 0)


def _number(j: Any) -> Value:
    return j if isinstance(j, Value) else Value(str(j), "i64")


def _pair(numbers: Any, one: int) -> Pair:
    """Numbers of one dimension, as those of two."""
    if len(numbers) == 1:
        return (one, int(numbers[0]))
    return (int(numbers[0]), int(numbers[1]))


def _up(size: int) -> int:
    return -(-size // 64) * 64
