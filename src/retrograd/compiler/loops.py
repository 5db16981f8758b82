"""The code of a :class:`~retrograd.compiler.fuse.Loop`.

once    what depends on no index
row     for each row: what depends on the row alone
  phase   for each phase: a loop along the row in vectors, the last one masked;
          then the reductions it gathered, and what follows from them
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..ops.op import Shape
from ..trace import Const
from .fuse import FULL, REDUCTIONS, ROW, SCALAR, Fusion, Loop
from .ir import FLOATS, SIZES, Module, Value, literal
from .lower import EXPENSIVE, element_of, lowering
from .program import Node
from .stage import ERROR, Stage, last_part, stage_function
from .sums import blocked, combine, identity, merge
from .views import broadcast

#: so many vectors at least are one thread's part, where a part of one is left over
PART = 16


class Place(NamedTuple):
    """Where an operand is read: strides over the rows, and along them."""

    buffer: Any
    rows: Shape
    inner: Shape
    offset: int

    @property
    def element(self) -> str:
        return str(element_of(self.buffer.spec))


class LoopCode:
    """Emits one kernel; ``parameters`` are the buffers it takes, in order."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Loop,
        fusion: Fusion,
        outside: set[Any],
        vector_bytes: int,
    ) -> None:
        self.module, self.name, self.kernel, self.fusion = module, name, kernel, fusion
        self.level, self.phase = kernel.level, kernel.phase
        self.stored = {n for n in kernel.nodes if n in outside}
        self._keep_costly()
        sizes = [
            SIZES[str(element_of(n.spec))]
            for n in kernel.nodes
            if kernel.level[n] == FULL and element_of(n.spec) in FLOATS
        ]
        self.width = vector_bytes // max(sizes, default=4)
        self.checks = any(
            n.op.name in ("gather", "pick_class", "scatter") for n in kernel.nodes
        )
        self._find_places()
        self._emit()

    # -- what is read where ---------------------------------------------------------

    def _buffer(self, key: Any) -> Any:
        return self.fusion.view(key).buffer

    def _keep_costly(self) -> None:
        """Full values that a later phase uses and that cost much are kept in memory."""
        for node in self.kernel.nodes:
            for key in node.inputs:
                u = self._buffer(key)
                if u in self.level and self.level[u] == FULL and self._weight(u):
                    if self.phase[u] < self.phase[node]:
                        self.stored.add(u)

    def _weight(self, node: Any) -> int:
        if node not in self.level or node in self.stored or self.level[node] != FULL:
            return 0
        own = int(node.op.name in EXPENSIVE)
        return own + sum(self._weight(self._buffer(k)) for k in node.inputs)

    def _shape_and_level(self, node: Node, i: int) -> tuple[Shape, int]:
        """In which shape, and at which level, operand *i* is read."""
        name = node.op.name
        if name in REDUCTIONS or name in ("gather", "pick_class"):
            if i == 0:
                return node.inputs[0].spec.shape, FULL
            return node.spec.shape, ROW
        if name == "scatter" and i > 0:
            return node.inputs[i].spec.shape, ROW
        return node.spec.shape, self.level[node]

    def _operand_place(self, node: Node, i: int) -> Place:
        shape, level = self._shape_and_level(node, i)
        view = broadcast(self.fusion.view(node.inputs[i]), shape)
        strides = self.kernel.place(view, level)
        n = self.kernel.outer
        return Place(view.buffer, strides[:n], strides[n:], view.offset)

    def _own_place(self, node: Node) -> Place:
        strides = self.kernel.own_place(node)
        n = self.kernel.outer
        return Place(node, strides[:n], strides[n:], 0)

    def _find_places(self) -> None:
        """All places, with the dimensions that they have in common merged."""
        places: dict[Place, None] = {}
        self.reads: dict[tuple[Node, int], Place] = {}
        for node in self.kernel.nodes:
            for i, key in enumerate(node.inputs):
                if type(self._buffer(key)) is Const:
                    continue
                place = self._operand_place(node, i)
                self.reads[node, i] = place
                if place.buffer not in self.level:
                    places[place] = None
        for node in self.kernel.nodes:
            if node in self.stored:
                places[self._own_place(node)] = None
        given = list(places)
        self.rows, rows = merge(self.kernel.rows, [p.rows for p in given])
        self.inner, inner = merge(self.kernel.inner, [p.inner for p in given])
        self.strides = {p: (r, n) for p, r, n in zip(given, rows, inner, strict=True)}
        self.parameters = list(dict.fromkeys(p.buffer for p in given))

    # -- emission -------------------------------------------------------------------

    def _emit(self) -> None:
        buffers = (*self.parameters, *([ERROR] if self.checks else []))
        f = self.f = stage_function(self.module, self.name, buffers)
        self.begin, self.end = f.parameters[-2:]
        self.base = dict(zip(self.parameters, f.parameters, strict=False))
        self._divide()
        self.stages = [Stage(self.name, buffers, self.extent, self._time())]
        self.once = f.section()
        self.known: dict[Any, Value] = {}  # by place or node, and its splat
        self.pointers: dict[Place, Value] = {}
        loops = []
        for d, n in enumerate(self.rows):
            loops.append(f.loop(0, n) if d else f.loop(self.begin, self.end))
        self.index = [loop.index for loop in loops]
        self.row = f.section()
        # what depends on no row is computed once, unless it follows from a reduction
        for node in self.kernel.nodes:
            if self.level[node] == SCALAR:
                with f.into(self.once):
                    self._small(node)
        last = max(self.phase.values(), default=0)
        for p in range(last + 1):
            self._phase(p)
        for loop in reversed(loops):
            loop.end()
        f.emit("ret void")

    def _divide(self) -> None:
        """How the work can be done in parts: by rows, else along what is no row."""
        self.along, self.unit = False, 1
        if self.rows:
            self.extent = self.rows[0]
            return
        self.extent = 1
        whole = not any(self._gathers(n) for n in self.kernel.nodes)
        if self.inner and whole:
            n = self.inner[0]
            self.along = n > 1
            if len(self.inner) == 1:
                # of whole vectors the code is the same, however many there are
                self.unit = self.width * (PART if n % self.width else 1)
                self.along = n > self.unit or n % self.width == 0
                n = -(-n // self.unit)
            self.extent = n

    def _time(self) -> float:
        """Nanoseconds on one thread, about."""
        full = [n for n in self.kernel.nodes if self.level[n] == FULL]
        costly = sum(n.op.name in EXPENSIVE for n in full)
        each = (0.02 * len(full) + 0.25 * costly) * 16 / self.width
        moved = sum(b.spec.nbytes for b in self.parameters)
        return float(math.prod(self.kernel.shape) * each + moved / 10)

    def _phase(self, p: int) -> None:
        f, nodes = self.f, self.kernel.nodes
        self.current, self.now = p, f.section()
        for node in nodes:
            known = node in self.known
            if self.level[node] == ROW and self.phase[node] == p and not known:
                if not self._gathers(node):
                    with f.into(self.now):
                        self._small(node)
        for node in nodes:
            picks = node.op.name in ("gather", "pick_class", "scatter")
            if picks and self.phase[node] == p:
                with f.into(self.now):
                    self._check(node)
        gathered = [n for n in nodes if self._gathers(n) and self.phase[n] == p]
        written = [
            n
            for n in nodes
            if self.level[n] == FULL and n in self.stored and self.phase[n] == p
        ]
        if not gathered and not written:
            return
        starts = []
        for node in gathered:
            element = str(element_of(node.spec))
            start = identity(self._word(node), element)
            starts.append(f.splat(start, self.width if self.inner else 0))
        results = self._along([], self.inner, gathered, written, starts)
        for node, value in zip(gathered, results, strict=True):
            word = self._word(node)
            if value.width:
                value = self._all_lanes(word, value)
            self.known[node] = value
            self._store_small(node, value)

    def _check(self, node: Node) -> None:
        """Note an index that lies outside the row: the interpreter will say so."""
        f = self.f
        buffer = self._buffer(node.inputs[1])
        if type(buffer) is Const:
            number = Value(str(int(buffer.value)), "i64")
        elif buffer in self.level:
            number = self.known[buffer]
        else:
            number = self._small_read(self.reads[node, 1])
        number = f.convert(number, "i64")
        size = node.inputs[0].spec.shape[-1]
        bad = Value(f.op(f"icmp uge i64 {number.name}, {size}"), "i1")
        error, flag = f.parameters[-3], f.convert(bad, "i32")
        f.op(f"atomicrmw or ptr {error.name}, i32 {flag.name} monotonic")

    def _gathers(self, node: Node) -> bool:
        return node.op.name in (*REDUCTIONS, "gather", "pick_class")

    def _word(self, node: Node) -> str:
        return REDUCTIONS.get(node.op.name, "add")

    def _all_lanes(self, word: str, value: Value) -> Value:
        f, width = self.f, value.width
        while width > 1:
            half = width // 2
            parts = []
            for first in (0, half):
                lanes = ", ".join(f"i32 {first + i}" for i in range(half))
                parts.append(
                    f.value(
                        f"shufflevector {value.type} {value.name}, {value.type} poison,"
                        f" <{half} x i32> <{lanes}>",
                        value.element,
                        half,
                    )
                )
            value, width = combine(f, word, *parts), half
        return f.value(
            f"extractelement {value.type} {value.name}, i64 0", value.element
        )

    def _along(
        self,
        outer: list[Value],
        sizes: list[int],
        gathered: list[Node],
        written: list[Node],
        carried: list[Value],
    ) -> list[Value]:
        """The loops along a row; the gathered values after them."""
        f, width = self.f, self.width
        if not sizes:
            return self._step(
                outer, Value("0", "i64"), 0, 0, gathered, written, carried
            )
        starts = [
            f.splat(identity(self._word(n), str(element_of(n.spec))), width)
            for n in gathered
        ]
        parted = self.along and not outer
        if len(sizes) > 1:
            first, last = (self.begin, self.end) if parted else (0, sizes[0])
            loop = f.loop(first, last, 1, *carried)
            inside = self._along(
                [*outer, loop.index], sizes[1:], gathered, written, starts
            )
            return loop.end(*self._combined(gathered, loop.values, inside))
        n = sizes[0]
        full = n - n % width
        values = carried
        if parted:
            unit = self.unit
            last = f.times(self.end, unit)
            if n % unit:
                last = f.least(last, full)
            loop = f.loop(f.times(self.begin, unit), last, width)
            self._step(outer, loop.index, width, 0, gathered, written, [])
            loop.end()
            if n > full:
                with f.when(last_part(f, self.extent)):
                    rest = Value(str(full), "i64")
                    self._step(outer, rest, width, n - full, gathered, written, [])
            return values
        if full == width:
            zero = Value("0", "i64")
            values = self._step(outer, zero, width, 0, gathered, written, values)
        elif full:
            values = blocked(
                f, 0, full, width, full // width if gathered else 1, values, starts,
                lambda a, b: self._combined(gathered, a, b),
                lambda i, v: self._step(outer, i, width, 0, gathered, written, v),
            )  # fmt: skip
        if n > full:
            rest = Value(str(full), "i64")
            values = self._step(outer, rest, width, n - full, gathered, written, values)
        return values

    def _combined(
        self, gathered: list[Node], before: list[Value], inside: list[Value]
    ) -> list[Value]:
        return [
            combine(self.f, self._word(node), a, b)
            for node, a, b in zip(gathered, before, inside, strict=True)
        ]

    def _step(
        self,
        outer: list[Value],
        index: Value,
        width: int,
        count: int,
        gathered: list[Node],
        written: list[Node],
        carried: list[Value],
    ) -> list[Value]:
        """The body: *width* elements at *index*, of which *count* count, if given."""
        f = self.f
        self.here = (outer, index, width, count)
        self.vectors: dict[Any, Value] = {}
        # Everything is read before anything is written: the memory may be the same.
        values = [self._full(node) for node in written]
        results = []
        for node, before in zip(gathered, carried, strict=True):
            value = self._operand(node, 0)
            element = str(element_of(node.spec))
            if node.op.name in REDUCTIONS:
                value = f.convert(value, element)
            else:
                chosen = self._operand(node, 1)
                same = f.compare("eq", self._number(), f.convert(chosen, "i64"))
                # −0 + a = a for every a, −0 included
                value = f.select(same, value, f.constant(-0.0, value))
            after = combine(f, self._word(node), before, value)
            if count:
                lanes = ", ".join(f"i1 {str(i < count).lower()}" for i in range(width))
                mask = Value(f"<{lanes}>", "i1", width)
                after = f.select(mask, after, before)
            results.append(after)
        for node, value in zip(written, values, strict=True):
            place = self._own_place(node)
            stride = self.strides[place][1][-1] if self.inner else 0
            pointer = self._address(place, outer, index)
            if not width:
                f.store(value, pointer)
            elif stride == 1:
                f.store(value, pointer, count)
            else:
                f.scatter(value, pointer, stride, count)
        return results

    def _number(self) -> Value:
        """The index along the row, lane by lane."""
        _, index, width, _ = self.here
        if not width:
            return index
        key = "number"
        if key not in self.vectors:
            start = self.f.splat(index, width)
            self.vectors[key] = self.f.add(start, self.f.lanes(width))
        return self.vectors[key]

    # -- values ---------------------------------------------------------------------

    def _full(self, node: Node) -> Value:
        """A node of the full shape, at the place where the loop is."""
        found = self.vectors.get(node)
        if found is not None:
            return found
        f, width = self.f, self.here[2]
        name = node.op.name
        if name == "zeros":
            zero = Value(
                literal(0, str(element_of(node.spec))), str(element_of(node.spec))
            )
            found = f.splat(zero, width)
        elif name == "scatter":
            base, chosen, src = (self._operand(node, i) for i in range(3))
            same = f.compare("eq", self._number(), f.convert(chosen, "i64"))
            found = f.select(same, f.add(base, src), base)
        else:
            lower = lowering(node)
            assert lower is not None
            found = lower(f, *(self._operand(node, i) for i in range(len(node.inputs))))
        self.vectors[node] = found
        return found

    def _operand(self, node: Node, i: int) -> Value:
        """Operand *i* of a full node, as wide as the loop."""
        f, (outer, index, width, count) = self.f, self.here
        buffer = self._buffer(node.inputs[i])
        if type(buffer) is Const:
            element = str(element_of(buffer.spec))
            return f.splat(Value(literal(buffer.value, element), element), width)
        place = self.reads[node, i]
        if buffer in self.level:
            if self.level[buffer] == FULL:
                early = self.phase[buffer] < self.current
                if not (early and buffer in self.stored):
                    return self._full(buffer)
                place = self._own_place(buffer)
            else:
                return self._splat(buffer)
        found = self.vectors.get(place)
        if found is not None:
            return found
        if place not in self.strides:
            raise AssertionError(f"{node} reads {buffer} where nobody placed it")
        inner = self.strides[place][1]
        if not any(inner):
            self._small_read(place)
            return self._splat(place)
        pointer = self._address(place, outer, index)
        stride = inner[-1]
        if not width:
            found = f.load(pointer, place.element)
        elif stride == 1:
            found = f.load(pointer, place.element, width, count)
        elif stride == 0:
            found = f.splat(f.load(pointer, place.element), width)
        else:
            found = f.gather(pointer, stride, place.element, width, count)
        self.vectors[place] = found
        return found

    def _splat(self, key: Any) -> Value:
        """A value of the row, or of the whole kernel, in all lanes."""
        width = self.here[2]
        value = self.known[key]
        if not width or not value.name.startswith("%"):
            return self.f.splat(value, width)
        wide = self.known.get(("splat", key))
        if wide is None:
            with self.f.into(self._section(key)):
                wide = self.f.splat(value, width)
            self.known["splat", key] = wide
        return wide

    def _section(self, key: Any) -> list[Any]:
        if type(key) is Place:
            return self.row if any(self.strides[key][0]) else self.once
        if self.level[key] == SCALAR:
            return self.once
        return self.now

    def _small_read(self, place: Place) -> Value:
        """A number that does not change along the row, read once."""
        found = self.known.get(place)
        if found is None:
            with self.f.into(self._section(place)):
                pointer = self._address(place, [], None)
                found = self.f.load(pointer, place.element)
            self.known[place] = found
        return found

    def _small(self, node: Node) -> None:
        """A node of the row, or of the whole kernel: scalar code."""
        f = self.f
        operands = []
        for i, key in enumerate(node.inputs):
            buffer = self._buffer(key)
            if type(buffer) is Const:
                element = str(element_of(buffer.spec))
                operands.append(Value(literal(buffer.value, element), element))
            elif buffer in self.level:
                operands.append(self.known[buffer])
            else:
                operands.append(self._small_read(self.reads[node, i]))
        lower = lowering(node)
        if node.op.name == "zeros":
            element = str(element_of(node.spec))
            value = Value(literal(0, element), element)
        else:
            assert lower is not None
            value = lower(f, *operands)
        self.known[node] = value
        self._store_small(node, value)

    def _store_small(self, node: Node, value: Value) -> None:
        if node in self.stored:
            place = self._own_place(node)
            self.f.store(value, self._address(place, [], None))

    def _address(self, place: Place, outer: list[Value], index: Value | None) -> Value:
        f = self.f
        rows, inner = self.strides[place]
        pointer = self.pointers.get(place)
        if pointer is None:
            with f.into(self.row if any(rows) else self.once):
                pointer = self.base[place.buffer]
                if place.offset:
                    pointer = f.at(pointer, place.offset, place.element)
                for i, stride in zip(self.index, rows, strict=True):
                    pointer = self._moved(pointer, i, stride, place.element)
            self.pointers[place] = pointer
        if index is not None:
            for i, stride in zip((*outer, index), inner, strict=False):
                pointer = self._moved(pointer, i, stride, place.element)
        return pointer

    def _moved(self, pointer: Value, index: Value, stride: int, element: str) -> Value:
        if not stride or index.name == "0":
            return pointer
        if stride != 1:
            if not index.name.startswith("%"):
                index = Value(str(int(index.name) * stride), "i64")
            else:
                index = self.f.value(f"mul i64 {index.name}, {stride}", "i64")
        return self.f.at(pointer, index, element)
