"""Convolutions in one and two dimensions, and their two adjoints.

The input of one image is laid out with zeros around it, and, for a stride s, cut into its
s×s phases, so that what a tap of the kernel meets is a run of neighbours, wherever the
window stands. Then outputs are computed in tiles, a few channels of a few vectors of
places, in registers through all channels and taps: a matrix product whose right side is
read out of the image itself (implicit GEMM).

    conv          tiles over the places of y
    conv_input    the same, of y with zeros between (stride), kernel turned round
    conv_weight   tiles of a few channels of y by a few taps, lanes along the places
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from .fuse import Convolution, Fusion
from .ir import SIZES, Function, Module, Value, literal
from .lower import element_of
from .products import tile_rows
from .stage import SCRATCH, Stage, stage_function

#: what one thread uses at a time lies on its stack up to so many bytes
STACK = 512 << 10
#: operations in a nanosecond, about
SPEED = 80.0


class Axis(NamedTuple):
    """How a dimension of the source lies in the padded image: place a of the source is
    at ``shift + a·stretch``, and the image is cut into ``phases``."""

    size: int  # of the source
    reach: int  # places of the image that windows see
    shift: int
    stretch: int
    phases: int

    @property
    def length(self) -> int:
        """Places of one phase."""
        return -(-self.reach // self.phases)

    def parts(self) -> list[tuple[int, int, int, int]]:
        """For each phase: its number, the first place of the source, how many there are,
        and where in the phase the first one comes. Places lie ``phases`` apart in the
        source, and ``stretch`` apart in the phase."""
        found = []
        for r in range(self.phases):
            inside = [
                a
                for a in range(self.size)
                if 0 <= self.shift + a * self.stretch < self.reach
                and (self.shift + a * self.stretch) % self.phases == r
            ]
            if inside:
                at = (self.shift + inside[0] * self.stretch) // self.phases
                found.append((r, inside[0], len(inside), at))
        return found


class Image(NamedTuple):
    """One channel laid out: rows and columns in phases."""

    y: Axis
    x: Axis

    @property
    def phase(self) -> int:
        return self.y.length * self.x.length

    @property
    def plane(self) -> int:
        return self.y.phases * self.x.phases * self.phase

    def offset(self, y: int, x: int) -> int:
        """Where the place (y, x) of the padded channel is."""
        number = (y % self.y.phases) * self.x.phases + x % self.x.phases
        row, column = y // self.y.phases, x // self.x.phases
        return number * self.phase + row * self.x.length + column

    def place(self, f: Function, source: Value, target: Value, e: str, w: int) -> None:
        """Copy a channel to where its places are."""
        for ry, first, rows, at_y in self.y.parts():
            loop = f.loop(0, rows)
            line = f.at(source, f.times(loop.index, self.y.phases * self.x.size), e)
            down = f.times(loop.index, self.y.stretch * self.x.length)
            row = f.at(target, down, e)
            for rx, left, columns, at_x in self.x.parts():
                number = ry * self.x.phases + rx
                begin = number * self.phase + at_y * self.x.length + at_x
                here = f.at(line, first * self.x.size + left, e)
                there = f.at(row, begin, e)
                self._line(f, here, there, columns, e, w)
            loop.end()

    def _line(
        self, f: Function, source: Value, target: Value, n: int, e: str, w: int
    ) -> None:
        apart, spread = self.x.phases, self.x.stretch

        def some(i: Any, count: int) -> None:
            near = f.times(i, apart) if isinstance(i, Value) else i * apart
            far = f.times(i, spread) if isinstance(i, Value) else i * spread
            here, there = f.at(source, near, e), f.at(target, far, e)
            if apart == 1:
                value = f.load(here, e, w, count)
            else:
                value = f.gather(here, apart, e, w, count)
            if spread == 1:
                f.store(value, there, count)
            else:
                f.scatter(value, there, spread, count)

        full = n - n % w
        if full:
            loop = f.loop(0, full, w)
            some(loop.index, 0)
            loop.end()
        if n > full:
            some(full, n - full)


def fill(f: Function, target: Value, count: int, e: str, w: int) -> None:
    """Zeros, in whole vectors: there must be room for them."""
    loop = f.loop(0, count, w)
    f.store(f.splat(Value(literal(0, e), e), w), f.at(target, loop.index, e))
    loop.end()


class ConvCode:
    """Emits one convolution; ``parameters`` are its buffers."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Convolution,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        self.module, self.name = module, name
        self.e = str(element_of(node.spec))
        self.w = vector_bytes // SIZES[self.e]
        a, b = (fusion.view(k).buffer for k in node.inputs)
        self.parameters = [a, b, node]
        self.attrs = {k: _two(v, k) for k, v in node.attrs.items() if k != "groups"}
        self.groups = node.attrs["groups"]
        self.scratch = 0
        self.stages: list[Stage] = []
        one = len(node.spec.shape) == 3
        shapes = [
            (*s[:2], 1, s[2]) if one else s
            for s in (a.spec.shape, b.spec.shape, node.spec.shape)
        ]
        {"conv": self._forward, "conv_input": self._input, "conv_weight": self._weight}[
            node.op.name
        ](*shapes)

    # -- what the three are made of ----------------------------------------------------

    def _image(self, source: Any, out: Any, kernel: Any) -> Image:
        """The input of a convolution as it is laid out."""
        axes = []
        for d in (0, 1):
            s, p, k = (self.attrs[n][d] for n in ("stride", "padding", "dilation"))
            reach = (out[d] - 1) * s + (kernel[d] - 1) * k + 1
            axes.append(Axis(source[d], reach, p, 1, s))
        return Image(*axes)

    def _forward(self, x: Any, w: Any, y: Any) -> None:
        image = self._image(x[2:], y[2:], w[2:])
        steps = self.attrs["dilation"]
        taps = [
            image.offset(i * steps[0], j * steps[1])
            for i, j in itertools.product(range(w[2]), range(w[3]))
        ]
        self._correlate(image, taps, x, y, None)

    def _input(self, y: Any, w: Any, x: Any) -> None:
        axes = []
        for d in (0, 1):
            s, p, k = (self.attrs[n][d] for n in ("stride", "padding", "dilation"))
            span = k * (w[2 + d] - 1)
            axes.append(Axis(y[2 + d], x[2 + d] + span, span - p, s, 1))
        image, steps = Image(*axes), self.attrs["dilation"]
        taps = [
            image.offset(i * steps[0], j * steps[1])
            for i, j in itertools.product(range(w[2]), range(w[3]))
        ]
        count = len(taps)
        # [C, O/groups · taps], every kernel turned round
        inside, outside = w[1], y[1] // self.groups
        bytes_ = x[1] * outside * count * SIZES[self.e]
        self.scratch = _up(bytes_)
        buffers = (self.parameters[1], SCRATCH)
        time = x[1] * outside * count * 1.0
        self.stages.append(Stage(f"{self.name}w", buffers, x[1], time))
        f = stage_function(self.module, f"{self.name}w", buffers)
        source, target, begin, end = f.parameters
        loop = f.loop(begin, end)
        group = f.value(f"udiv i64 {loop.index.name}, {inside}", "i64")
        c = f.value(f"urem i64 {loop.index.name}, {inside}", "i64")
        here = f.at(source, f.times(group, outside * inside * count), self.e)
        here = f.at(here, f.times(c, count), self.e)
        there = f.at(target, f.times(loop.index, outside * count), self.e)
        over = f.loop(0, outside)
        kernel = f.at(here, f.times(over.index, inside * count), self.e)
        turned = f.at(there, f.times(over.index, count), self.e)
        for t in range(count):
            f.store(
                f.load(f.at(kernel, t, self.e), self.e),
                f.at(turned, count - 1 - t, self.e),
            )
        over.end()
        loop.end()
        f.emit("ret void")
        self._correlate(image, taps, y, x, 0)

    # -- places of the output ------------------------------------------------------------

    def _correlate(
        self, image: Image, taps: list[int], x: Any, y: Any, weights: int | None
    ) -> None:
        """y[n, o, i] = Σ_c Σ_t image[n, c, i + taps[t]] · w[o, c, t]. The *weights* are
        the second buffer, or lie in the scratch memory."""
        e, w, size = self.e, self.w, SIZES[self.e]
        inside, outside = x[1] // self.groups, y[1] // self.groups
        high, wide = y[2:]
        apart = image.x.length
        run = (high - 1) * apart + wide
        by_rows = -(-wide // w) * w * high <= 1.05 * (-(-run // w) * w)
        local = _up((inside * image.plane + 5 * w) * size)
        own = local > STACK
        place = self.scratch
        if own:
            self.scratch += local * x[0]
        uses = own or weights is not None
        buffers = (*self.parameters, SCRATCH) if uses else (*self.parameters,)
        flops = 2 * y[0] * y[1] * high * wide * inside * len(taps)
        self.stages.append(Stage(self.name, buffers, x[0], flops / SPEED))
        f = stage_function(self.module, self.name, buffers)
        px, pw, py = f.parameters[:3]
        begin, end = f.parameters[-2:]
        if weights is not None:
            pw = f.at(f.parameters[3], weights, "i8")
        if not own:
            laid = f.value(f"alloca i8, i64 {local}, align 64", "ptr")
            fill(f, laid, local // size, e, w)
        tile = None
        if not by_rows:
            tile = f.value(f"alloca i8, i64 {16 * 5 * w * size}, align 64", "ptr")
        table = self.module.table(taps)
        images = f.loop(begin, end)
        if own:
            laid = f.at(f.parameters[3], place, "i8")
            laid = f.at(laid, f.times(images.index, local), "i8")
            fill(f, laid, local // size, e, w)
        for g in range(self.groups):
            first = f.at(px, f.times(images.index, x[1] * x[2] * x[3]), e)
            first = f.at(first, g * inside * x[2] * x[3], e)
            channels = f.loop(0, inside)
            image.place(
                f, f.at(first, f.times(channels.index, x[2] * x[3]), e),
                f.at(laid, f.times(channels.index, image.plane), e), e, w,
            )  # fmt: skip
            channels.end()
            out = f.at(py, f.times(images.index, y[1] * high * wide), e)
            out = f.at(out, g * outside * high * wide, e)
            left = f.at(pw, g * outside * inside * len(taps), e)
            work = _Tiles(self.module, f, e, w, left, table, len(taps), inside,
                          image.plane, outside, high * wide)  # fmt: skip
            if by_rows:
                rows = f.loop(0, high)
                here = f.at(laid, f.times(rows.index, apart), e)
                there = f.at(out, f.times(rows.index, wide), e)
                for start, count in _blocks(wide, 4 * w):
                    work.emit(f.at(here, start, e), f.at(there, start, e), count)
                rows.end()
            else:
                whole = run - run % (4 * w)
                if whole:
                    blocks = f.loop(0, whole, 4 * w)
                    work.pieces(laid, out, tile, blocks.index, 4 * w, apart, wide, high)
                    blocks.end()
                if run > whole:
                    rest = Value(str(whole), "i64")
                    work.pieces(laid, out, tile, rest, run - whole, apart, wide, high)
        images.end()
        f.emit("ret void")

    # -- the gradient of the kernel --------------------------------------------------------

    def _weight(self, x: Any, y: Any, k: Any) -> None:
        e, w, size = self.e, self.w, SIZES[self.e]
        inside, outside = k[1], k[0] // self.groups
        kernel, (high, wide) = k[2:], y[2:]
        image = self._image(x[2:], y[2:], kernel)
        steps = self.attrs["dilation"]
        apart = image.x.length
        lines, length = high, wide
        if apart == wide:  # one line after the other without a gap
            lines, length = 1, high * wide
        tiles = _tap_tiles(kernel)
        count = kernel[0] * kernel[1]
        taken = max(len(t) for t in tiles)
        most = max(1, min(outside, 20 // taken if taken > 1 else 12))
        # A unit of work: some channels of x and some of y.
        ys = [(o, min(most, outside - o)) for o in range(0, outside, most)]
        by = max(1, min(inside, (256 << 10) // (outside * count * w * size)))
        units_x = -(-inside // by) * self.groups
        by_y = len(ys) if units_x >= 4 else max(1, len(ys) // 2)
        units_y = -(-len(ys) // by_y)
        flops = 2 * y[0] * k[0] * inside * count * high * wide
        buffers = (*self.parameters,)
        extent = units_x * units_y
        plane = _up((image.plane + 2 * w) * size)
        sums = by * min(by_y * most, outside) * count * w * size
        own = plane + sums > STACK
        if own:
            self.scratch = (plane + sums) * extent
            buffers = (*self.parameters, SCRATCH)
        self.stages.append(Stage(self.name, buffers, extent, flops / SPEED))
        f = stage_function(self.module, self.name, buffers)
        px, py, pk = f.parameters[:3]
        begin, end = f.parameters[-2:]
        if not own:
            laid = f.value(f"alloca i8, i64 {plane + sums}, align 64", "ptr")
        unit = f.loop(begin, end)
        if own:
            laid = f.at(f.parameters[3], f.times(unit.index, plane + sums), "i8")
        partial = f.at(laid, plane, "i8")
        fill(f, laid, (plane + sums) // size, e, w)
        ux = f.value(f"udiv i64 {unit.index.name}, {units_y}", "i64")
        uy = f.value(f"urem i64 {unit.index.name}, {units_y}", "i64")
        per_group = -(-inside // by)
        group = f.value(f"udiv i64 {ux.name}, {per_group}", "i64")
        within = f.value(f"urem i64 {ux.name}, {per_group}", "i64")
        first = f.times(within, by)
        stop = f.least(f.value(f"add i64 {first.name}, {by}", "i64"), inside)
        top = f.times(uy, by_y * most)
        bottom = f.least(f.value(f"add i64 {top.name}, {by_y * most}", "i64"), outside)
        lot = min(by_y * most, outside)  # channels of y in a unit
        images = f.loop(0, x[0])
        channels = f.loop(first, stop)
        source = f.at(px, f.times(images.index, x[1] * x[2] * x[3]), e)
        source = f.at(source, f.times(group, inside * x[2] * x[3]), e)
        source = f.at(source, f.times(channels.index, x[2] * x[3]), e)
        image.place(f, source, laid, e, w)
        near = f.value(f"sub i64 {channels.index.name}, {first.name}", "i64")
        mine = f.at(partial, f.times(near, lot * count * w), e)
        grads = f.at(py, f.times(images.index, y[1] * high * wide), e)
        grads = f.at(grads, f.times(group, outside * high * wide), e)

        def tile(o: Value, rows: int) -> None:
            """All taps of *rows* channels of y from *o* on."""
            here = f.at(grads, f.times(o, high * wide), e)
            inner = f.value(f"sub i64 {o.name}, {top.name}", "i64")
            sums = f.at(mine, f.times(inner, count * w), e)
            done = 0
            for taps in tiles:
                offsets = [image.offset(i * steps[0], j * steps[1]) for i, j in taps]
                micro = tap_micro(self.module, e, w, rows, tuple(t - offsets[0] for t in offsets),
                                  lines, length, apart, wide, high * wide, count)  # fmt: skip
                f.call(micro, here, f.at(laid, offsets[0], e), f.at(sums, done * w, e))
                done += len(taps)

        many = outside - outside % most
        if many:
            last = f.least(bottom, many)
            over = f.loop(top, last, most)
            tile(over.index, most)
            over.end()
        if outside > many:
            inside_unit = Value(f.op(f"icmp eq i64 {bottom.name}, {outside}"), "i1")
            with f.when(inside_unit):
                tile(Value(str(many), "i64"), outside - many)
        channels.end()
        images.end()
        # the lanes of each sum, added up
        order = [t for taps in tiles for t in taps]
        channels = f.loop(first, stop)
        near = f.value(f"sub i64 {channels.index.name}, {first.name}", "i64")
        mine = f.at(partial, f.times(near, lot * count * w), e)
        over = f.loop(top, bottom)
        inner = f.value(f"sub i64 {over.index.name}, {top.name}", "i64")
        sums_at = f.at(mine, f.times(inner, count * w), e)
        target = f.at(pk, f.times(group, outside * inside * count), e)
        target = f.at(target, f.times(over.index, inside * count), e)
        target = f.at(target, f.times(channels.index, count), e)
        add = lanes_sum(self.module, e, w)
        for n, (i, j) in enumerate(order):
            f.call(add, f.at(sums_at, n * w, e), f.at(target, i * kernel[1] + j, e))
        over.end()
        channels.end()
        unit.end()
        f.emit("ret void")


class _Tiles:
    """Outputs of one image and group: all channels, for some places."""

    def __init__(
        self, module: Module, f: Function, e: str, w: int, weights: Value, table: Value,
        taps: int, inside: int, plane: int, outside: int, apart: int,
    ) -> None:  # fmt: skip
        self.module, self.f, self.e, self.w = module, f, e, w
        self.weights, self.table, self.taps = weights, table, taps
        self.inside, self.plane = inside, plane
        self.outside, self.apart = (
            outside,
            apart,
        )  # channels, and how far apart they lie

    def _micro(
        self, here: Value, o: Value, out: Value, rows: int, count: int, apart: int
    ) -> None:
        f, w = self.f, self.w
        vectors, tail = -(-count // w), count % w
        kernel = place_micro(self.module, self.e, w, rows, vectors, tail)
        k = self.inside * self.taps
        sizes = (self.taps, self.inside, self.plane, k, apart)
        f.call(kernel, here, f.at(self.weights, f.times(o, k), self.e), out, self.table,
               *(Value(str(n), "i64") for n in sizes))  # fmt: skip

    def _over(self, count: int, body: Any) -> None:
        """The channels in tiles of as many rows as fit into registers."""
        f = self.f
        rows = tile_rows(self.outside, -(-count // self.w))
        many = self.outside - self.outside % rows
        if many > rows:
            loop = f.loop(0, many, rows)
            body(loop.index, rows)
            loop.end()
        elif many:
            body(Value("0", "i64"), rows)
        if self.outside > many:
            body(Value(str(many), "i64"), self.outside - many)

    def emit(self, here: Value, out: Value, count: int) -> None:
        """*count* neighbouring places, at most four vectors."""

        def tile(o: Value, rows: int) -> None:
            there = self.f.at(out, self.f.times(o, self.apart), self.e)
            self._micro(here, o, there, rows, count, self.apart)

        self._over(count, tile)

    def pieces(
        self, laid: Value, out: Value, tile: Any, start: Value, count: int, apart: int,
        wide: int, high: int,
    ) -> None:  # fmt: skip
        """*count* places of the image in a run, of which those that are places of the
        output are kept."""
        f, e, w = self.f, self.e, self.w
        here = f.at(laid, start, e)
        full = -(-count // w) * w

        def block(o: Value, rows: int) -> None:
            self._micro(here, o, tile, rows, full, full)
            row = f.value(f"udiv i64 {start.name}, {apart}", "i64")
            last = f.value(f"add i64 {start.name}, {count - 1}", "i64")
            last = f.value(f"udiv i64 {last.name}, {apart}", "i64")
            last = f.value(f"add i64 {last.name}, 1", "i64")
            lines = f.loop(row, f.least(last, high))
            begin = f.times(lines.index, apart)
            stop = f.value(f"add i64 {begin.name}, {wide}", "i64")
            stop = f.least(stop, f.value(f"add i64 {start.name}, {count}", "i64"))
            late = Value(f.op(f"icmp slt i64 {begin.name}, {start.name}"), "i1")
            first = f.select(late, start, begin)
            length = f.value(f"sub i64 {stop.name}, {first.name}", "i64")
            skip = f.value(f"sub i64 {first.name}, {start.name}", "i64")
            column = f.value(f"sub i64 {first.name}, {begin.name}", "i64")
            there = f.at(out, f.times(o, self.apart), e)
            there = f.at(f.at(there, f.times(lines.index, wide), e), column, e)
            source = f.at(tile, skip, e)
            for r in range(rows):
                along = f.loop(0, length, w)
                rest = f.value(f"sub i64 {length.name}, {along.index.name}", "i64")
                value = f.load(f.at(f.at(source, r * full, e), along.index, e), e, w)
                target = f.at(f.at(there, r * self.apart, e), along.index, e)
                f.store_some(value, target, rest)
                along.end()
            lines.end()

        self._over(full, block)


def place_micro(
    module: Module, e: str, w: int, rows: int, vectors: int, tail: int
) -> str:
    """y[rows × vectors] = Σ_c Σ_t w[row, c, t] · image[c, place + table[t]]."""
    name = f"conv_{e}{w}_{rows}x{vectors}_{tail}"
    if name in module.functions:
        return name
    types = [("ptr", "image"), ("ptr", "w"), ("ptr", "y"), ("ptr", "table"), ("i64", "taps"),
             ("i64", "channels"), ("i64", "plane"), ("i64", "ldw"), ("i64", "ldy")]  # fmt: skip
    f = Function(module, name, types)
    image, weights, y, table, taps, channels, plane, ldw, ldy = f.parameters
    left = [weights]
    for _ in range(rows - 1):
        left.append(f.at(left[-1], ldw, e))
    zero = f.splat(Value(literal(0, e), e), w)
    over = f.loop(0, channels, 1, *[zero] * (rows * vectors))
    by = f.value(f"mul i64 {over.index.name}, {plane.name}", "i64")
    channel = f.at(image, by, e)
    first = f.value(f"mul i64 {over.index.name}, {taps.name}", "i64")
    loop = f.loop(0, taps, 1, *over.values)
    now = list(loop.values)
    offset = f.load(f.at(table, loop.index, "i64"), "i64")
    here = f.at(channel, offset, e)
    k = f.value(f"add i64 {first.name}, {loop.index.name}", "i64")
    wide = [f.load(f.at(here, v * w, e), e, w) for v in range(vectors)]
    for r in range(rows):
        spread = f.splat(f.load(f.at(left[r], k, e), e), w)
        for v in range(vectors):
            now[r * vectors + v] = f.fma(spread, wide[v], now[r * vectors + v])
    tile = over.end(*loop.end(*now))
    for r in range(rows):
        for v in range(vectors):
            lanes = tail if v == vectors - 1 else 0
            f.store(tile[r * vectors + v], f.at(y, v * w, e), lanes)
        if r < rows - 1:
            y = f.at(y, ldy, e)
    f.emit("ret void")
    return name


def tap_micro(
    module: Module, e: str, w: int, rows: int, offsets: tuple[int, ...], lines: int,
    length: int, apart: int, wide: int, plane: int, count: int,
) -> str:  # fmt: skip
    """sums[row, tap] += Σ places of y[row] · image[place + tap], lane by lane."""
    spread = "_".join(map(str, offsets)).replace("-", "m")
    name = (
        f"taps_{e}{w}_{rows}_{lines}x{length}_{apart}_{wide}_{plane}_{count}_{spread}"
    )
    if name in module.functions:
        return name
    f = Function(module, name, [("ptr", "y"), ("ptr", "image"), ("ptr", "sums")])
    y, image, sums = f.parameters
    taps = len(offsets)
    places = [
        f.at(sums, (r * count + t) * w, e) for r in range(rows) for t in range(taps)
    ]
    starts = [f.load(p, e, w) for p in places]
    over = f.loop(0, lines, 1, *starts)
    line = f.at(y, f.times(over.index, wide), e)
    seen = f.at(image, f.times(over.index, apart), e)

    def step(i: Any, carried: list[Value], lanes: int) -> list[Value]:
        now = list(carried)
        here, there = f.at(line, i, e), f.at(seen, i, e)
        grads = [f.load(f.at(here, r * plane, e), e, w, lanes) for r in range(rows)]
        for t, offset in enumerate(offsets):
            value = f.load(f.at(there, offset, e), e, w, lanes)
            for r in range(rows):
                now[r * taps + t] = f.fma(grads[r], value, now[r * taps + t])
        return now

    full = length - length % w
    values = over.values
    if full == w:
        values = step(0, values, 0)
    elif full:
        loop = f.loop(0, full, w, *values)
        values = loop.end(*step(loop.index, loop.values, 0))
    if length > full:
        values = step(full, values, length - full)
    for place, value in zip(places, over.end(*values), strict=True):
        f.store(value, place)
    f.emit("ret void")
    return name


def lanes_sum(module: Module, e: str, w: int) -> str:
    """out = the sum of the lanes of a vector."""
    name = f"lanes_{e}{w}"
    if name in module.functions:
        return name
    f = Function(module, name, [("ptr", "a"), ("ptr", "out")])
    a, out = f.parameters
    value, width = f.load(a, e, w), w
    while width > 1:
        half = width // 2
        parts = []
        for first in (0, half):
            lanes = ", ".join(f"i32 {first + i}" for i in range(half))
            parts.append(
                f.value(
                    f"shufflevector {value.type} {value.name}, {value.type} poison, "
                    f"<{half} x i32> <{lanes}>",
                    e,
                    half,
                )
            )
        value, width = f.add(*parts), half
    f.store(f.value(f"extractelement {value.type} {value.name}, i64 0", e), out)
    f.emit("ret void")
    return name


def _tap_tiles(kernel: Any) -> list[list[tuple[int, int]]]:
    """The taps of a kernel, a few at a time."""
    if kernel[0] * kernel[1] <= 9:
        return [list(itertools.product(range(kernel[0]), range(kernel[1])))]
    return [
        [(i, j) for j in range(first, min(first + 8, kernel[1]))]
        for i in range(kernel[0])
        for first in range(0, kernel[1], 8)
    ]


def _blocks(n: int, most: int) -> list[tuple[int, int]]:
    return [(i, min(most, n - i)) for i in range(0, n, most)]


def _two(numbers: Any, name: str) -> tuple[int, int]:
    """Attributes of one dimension, as those of two."""
    if len(numbers) == 2:
        return (int(numbers[0]), int(numbers[1]))
    return (0 if name == "padding" else 1, int(numbers[0]))


def _up(size: int) -> int:
    return -(-size // 64) * 64
