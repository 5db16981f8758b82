"""LLVM IR as text: functions built line by line, with explicit vectors.

No IR passes run afterwards, so that compiling stays in milliseconds: what is written
here is what the machine code does. Loops carry their values in phi nodes, and what does
not change in a loop is put in front of it by whoever emits it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple


class Value(NamedTuple):
    """A register or a constant: *element* type, and *width* lanes (0: a scalar)."""

    name: str
    element: str
    width: int = 0

    @property
    def type(self) -> str:
        return vector(self.element, self.width)


def vector(element: str, width: int) -> str:
    return f"<{width} x {element}>" if width else element


def literal(number: Any, element: str) -> str:
    """A number as the IR writes it."""
    if element == "i1":
        return "true" if number else "false"
    if element not in ("float", "double"):
        return str(int(number))
    if element == "float":  # a float is written as the double that equals it
        try:
            number = struct.unpack("<f", struct.pack("<f", number))[0]
        except OverflowError:
            number = float("inf") if number > 0 else float("-inf")
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


FLOATS = ("float", "double")
SIZES = {
    "ptr_": 8,
    "float": 4,
    "double": 8,
    "i1": 1,
    "i8": 1,
    "i16": 2,
    "i32": 4,
    "i64": 8,
}
BITS = {"float": "i32", "double": "i64"}


class Module:
    """Functions by name: the same kernel is emitted once. If the processor does not
    have a·b + c as one instruction, it is not *fused*: rounded twice."""

    def __init__(self, fused: bool = True) -> None:
        self.fused = fused
        self.functions: dict[str, Function] = {}
        self.declared: dict[str, str] = {}
        self.tables: dict[tuple[int, ...], str] = {}
        self.roots: list[str] = []  # functions whose addresses others want

    def table(self, numbers: Sequence[int]) -> Value:
        """A constant array of integers; its address."""
        name = self.tables.setdefault(tuple(numbers), f"@table{len(self.tables)}")
        return Value(name, "ptr")

    def declare(self, name: str, signature: str) -> str:
        """An intrinsic or outside function: ``signature`` is "result (arguments)"."""
        self.declared[name] = signature
        return name

    def text(self) -> str:
        return self.parts(1)[0]

    def parts(self, count: int) -> list[str]:
        """The text in so many parts that take about as long to compile, each a module
        that calls the functions of the others."""
        texts = {name: f.text() for name, f in self.functions.items()}
        order = sorted(texts, key=lambda name: -_effort(texts[name]))
        mine: list[set[str]] = [set() for _ in range(count)]
        load = [0] * count
        for name in order:
            least = load.index(min(load))
            mine[least].add(name)
            load[least] += _effort(texts[name])
        found = []
        for n, chosen in enumerate(mine):
            own = [text for name, text in texts.items() if name in chosen]
            used = set(re.findall(r"@([\w.]+)", "\n".join(own)))
            if not n:
                used.update(self.roots)
            others = [f for name, f in self.functions.items() if name in used - chosen]
            parts = self._tables(used) if count > 1 else self._tables(None)
            if self.roots and not n:
                roots = ", ".join(f"ptr @{f}" for f in self.roots)
                parts.append(f"@roots = constant [{len(self.roots)} x ptr] [{roots}]")
            for name, signature in sorted(self.declared.items()):
                result, arguments = signature.split(" (", 1)
                parts.append(f"declare {result} @{name}({arguments}")
            parts += [f"declare {f.head()}" for f in others]
            parts += own if count == 1 else [_shared(text) for text in own]
            parts.append(
                'attributes #0 = { nounwind "prefer-vector-width"="512" '
                '"no-nans-fp-math"="false" }'
            )
            found.append("\n".join(parts) + "\n")
        return found

    def _tables(self, used: set[str] | None) -> list[str]:
        """The constant arrays, or those that are used."""
        parts = []
        for numbers, called in self.tables.items():
            if used is None or called[1:] in used:
                kind = f"[{len(numbers)} x i64]"
                text = ", ".join(f"i64 {n}" for n in numbers)
                parts.append(f"{called} = internal constant {kind} [{text}], align 64")
        return parts


def _effort(text: str) -> int:
    """How long a function takes to compile, in lines of ordinary code."""
    return 20 + text.count("\n") + 3 * text.count("shufflevector")


def _shared(text: str) -> str:
    """A function that another module may call."""
    return text.replace("define internal ", "define hidden ", 1)


class Loop:
    """A counted loop under construction: ``index``, and values carried around it."""

    def __init__(
        self, f: Function, begin: Any, end: Any, step: int, carried: Sequence[Value]
    ) -> None:
        self.f, self.step = f, step
        n = f.count
        f.count += 1
        self.head, self.body, self.latch, self.exit = (
            f"{part}{n}" for part in ("head", "body", "latch", "exit")
        )
        before = f.block
        f.emit(f"br label %{self.head}")
        f.start(self.head)
        self.index = Value(f"%i{n}", "i64")
        self.values = [Value(f"%c{n}.{k}", v.element, v.width)
                       for k, v in enumerate(carried)]  # fmt: skip
        f.emit(f"{self.index.name} = phi i64 [ {name(begin)}, %{before} ], "
               f"[ %n{n}, %{self.latch} ]")  # fmt: skip
        self.slots = []
        for k, (v, first) in enumerate(zip(self.values, carried, strict=True)):
            self.slots.append(f"%d{n}.{k}")
            f.emit(f"{v.name} = phi {v.type} [ {first.name}, %{before} ], "
                   f"[ {self.slots[-1]}, %{self.latch} ]")  # fmt: skip
        more = f.op(f"icmp slt i64 {self.index.name}, {name(end)}")
        f.emit(f"br i1 {more}, label %{self.body}, label %{self.exit}")
        f.start(self.body)
        self.number = n

    def end(self, *following: Value) -> list[Value]:
        """Close the loop; the carried values after it."""
        f = self.f
        f.emit(f"br label %{self.latch}")
        f.start(self.latch)
        f.emit(f"%n{self.number} = add nsw i64 {self.index.name}, {self.step}")
        for slot, v in zip(self.slots, following, strict=True):
            f.emit(f"{slot} = bitcast {v.type} {v.name} to {v.type}")
        f.emit(f"br label %{self.head}")
        f.start(self.exit)
        return self.values


def name(value: Any) -> str:
    return value.name if isinstance(value, Value) else str(value)


class Function:
    """One function: ``op`` appends an instruction and gives its register."""

    def __init__(
        self,
        module: Module,
        called: str,
        parameters: Iterable[tuple[str, str]],
        result: str = "void",
        internal: bool = True,
    ) -> None:
        self.module, self.name, self.result = module, called, result
        self.given = [Value(f"%{n}", t) for t, n in parameters]
        self.parameters = self.given  # what the body works with
        self.internal = internal
        self.lines: list[Any] = []  # lines, and sections that are lists of their own
        self.count = 0
        self.block = "entry"
        module.functions[called] = self

    def section(self) -> list[Any]:
        """A place here into which lines can be put later."""
        lines: list[Any] = []
        self.lines.append(lines)
        return lines

    @contextmanager
    def into(self, section: list[Any]) -> Iterator[None]:
        """Put what is emitted into a section, in front of what came since."""
        outer, self.lines = self.lines, section
        try:
            yield
        finally:
            self.lines = outer

    def head(self) -> str:
        given = ", ".join(f"{p.element} {p.name}" for p in self.given)
        return f"{self.result} @{self.name}({given})"

    def calls(self) -> str:
        """The functions that this one calls, by name."""
        called = re.findall(r"@([\w.]+)\(", "\n".join(_flat(self.lines)))
        return " ".join(dict.fromkeys(called))

    def text(self) -> str:
        kind = "internal " if self.internal else ""
        noinline = " noinline" if self.internal else ""
        return (
            f"define {kind}{self.head()}{noinline} #0 {{\n"
            "entry:\n" + "\n".join(_flat(self.lines)) + "\n}"
        )

    # -- instructions ---------------------------------------------------------------

    def emit(self, line: str) -> None:
        self.lines.append("  " + line)

    def start(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def op(self, text: str) -> str:
        register = f"%r{self.count}"
        self.count += 1
        self.lines.append(f"  {register} = {text}")
        return register

    def value(self, text: str, element: str, width: int = 0) -> Value:
        return Value(self.op(text), element, width)

    def constant(self, number: Any, like: Value) -> Value:
        """A number in the type of *like*."""
        text = literal(number, like.element)
        if like.width:
            text = f"splat ({like.element} {text})"
        return Value(text, like.element, like.width)

    def loop(self, begin: Any, end: Any, step: int = 1, *carried: Value) -> Loop:
        return Loop(self, begin, end, step, carried)

    def call(self, function: str, *arguments: Value) -> None:
        given = ", ".join(f"{a.type} {a.name}" for a in arguments)
        self.emit(f"call void @{function}({given})")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is emitted inside runs if the condition holds."""
        n, self.count = self.count, self.count + 1
        self.emit(f"br i1 {condition.name}, label %then{n}, label %past{n}")
        self.start(f"then{n}")
        yield
        self.emit(f"br label %past{n}")
        self.start(f"past{n}")

    def least(self, a: Value, b: Any) -> Value:
        """The smaller one of two numbers, i64."""
        test = Value(self.op(f"icmp slt i64 {a.name}, {name(b)}"), "i1")
        return self.select(test, a, Value(name(b), "i64"))

    def times(self, a: Value, factor: int) -> Value:
        if factor == 1:
            return a
        if not a.name.startswith("%"):
            return Value(str(int(a.name) * factor), "i64")
        return self.value(f"mul i64 {a.name}, {factor}", "i64")

    def intrinsic(self, called: str, result: Value, *arguments: Value) -> Value:
        """``llvm.<called>`` in the type of *result*, whose register is not used."""
        suffix = {"float": "f32", "double": "f64"}.get(result.element, result.element)
        if result.width:
            suffix = f"v{result.width}{suffix}"
        full = f"llvm.{called}.{suffix}"
        types = ", ".join(a.type for a in arguments)
        self.module.declare(full, f"{result.type} ({types})")
        given = ", ".join(f"{a.type} {a.name}" for a in arguments)
        return self.value(
            f"call {result.type} @{full}({given})", result.element, result.width
        )

    # -- arithmetic on scalars and vectors alike ------------------------------------

    def _two(self, floating: str, whole: str, a: Value, b: Value) -> Value:
        word = floating if a.element in FLOATS else whole
        return self.value(f"{word} {a.type} {a.name}, {b.name}", a.element, a.width)

    def add(self, a: Value, b: Value) -> Value:
        return self._two("fadd", "add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self._two("fsub", "sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self._two("fmul", "mul", a, b)

    def div(self, a: Value, b: Value) -> Value:
        return self._two("fdiv", "sdiv", a, b)

    def neg(self, a: Value) -> Value:
        if a.element in FLOATS:
            return self.value(f"fneg {a.type} {a.name}", a.element, a.width)
        return self.sub(self.constant(0, a), a)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        if not self.module.fused:
            return self.add(self.mul(a, b), c)
        return self.intrinsic("fma", a, a, b, c)

    def logic(self, word: str, a: Value, b: Value) -> Value:
        return self.value(f"{word} {a.type} {a.name}, {b.name}", a.element, a.width)

    def compare(self, relation: str, a: Value, b: Value) -> Value:
        """eq ne lt le gt ge: false where an operand is NaN, but for ne."""
        if a.element in FLOATS:
            word = f"fcmp {'une' if relation == 'ne' else 'o' + relation}"
        elif a.element == "i1":
            word = f"icmp {relation if relation in ('eq', 'ne') else 'u' + relation}"
        else:
            word = f"icmp {relation if relation in ('eq', 'ne') else 's' + relation}"
        return self.value(f"{word} {a.type} {a.name}, {b.name}", "i1", a.width)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        return self.value(
            f"select {condition.type} {condition.name}, {a.type} {a.name}, "
            f"{b.type} {b.name}",
            a.element,
            a.width,
        )

    def maximum(self, a: Value, b: Value) -> Value:
        """NaN where an operand is NaN; of truth values, whether one is true."""
        if a.element == "i1":
            return self.logic("or", a, b)
        keep = "ogt" if a.element in FLOATS else "sgt"
        word = "fcmp" if a.element in FLOATS else "icmp"
        test = self.op(f"{word} {keep} {a.type} {a.name}, {b.name}")
        big = self.select(Value(test, "i1", a.width), a, b)
        return self._not_a_number(a, big)

    def minimum(self, a: Value, b: Value) -> Value:
        """NaN where an operand is NaN; of truth values, whether both are true."""
        if a.element == "i1":
            return self.logic("and", a, b)
        keep = "olt" if a.element in FLOATS else "slt"
        word = "fcmp" if a.element in FLOATS else "icmp"
        test = self.op(f"{word} {keep} {a.type} {a.name}, {b.name}")
        small = self.select(Value(test, "i1", a.width), a, b)
        return self._not_a_number(a, small)

    def _not_a_number(self, a: Value, otherwise: Value) -> Value:
        # a NaN in b fails the test and is what the select gave; one in a is put here
        if a.element not in FLOATS:
            return otherwise
        test = self.op(f"fcmp uno {a.type} {a.name}, {a.name}")
        return self.select(Value(test, "i1", a.width), a, otherwise)

    # -- types and lanes ------------------------------------------------------------

    def convert(self, a: Value, element: str) -> Value:
        """To another number type, as NumPy's ``astype`` does."""
        if a.element == element:
            return a
        target = vector(element, a.width)
        if element == "i1":
            return self.compare("ne", a, self.constant(0, a))
        if a.element in FLOATS and element in FLOATS:
            word = "fpext" if element == "double" else "fptrunc"
        elif a.element in FLOATS:
            word = "fptosi"
        elif element in FLOATS:
            word = "uitofp" if a.element == "i1" else "sitofp"
        elif a.element == "i1":
            word = "zext"
        else:
            word = "sext" if SIZES[a.element] < SIZES[element] else "trunc"
        return self.value(f"{word} {a.type} {a.name} to {target}", element, a.width)

    def bits(self, a: Value, element: str) -> Value:
        """The same bits as another type of that size."""
        return self.value(
            f"bitcast {a.type} {a.name} to {vector(element, a.width)}", element, a.width
        )

    def splat(self, a: Value, width: int) -> Value:
        if a.width or not width:
            return a
        if not a.name.startswith("%"):
            return Value(f"splat ({a.element} {a.name})", a.element, width)
        kind = vector(a.element, width)
        one = self.op(f"insertelement {kind} poison, {a.type} {a.name}, i64 0")
        lanes = f"<{width} x i32> zeroinitializer"
        return self.value(
            f"shufflevector {kind} {one}, {kind} poison, {lanes}", a.element, width
        )

    def lanes(self, width: int, element: str = "i64") -> Value:
        """0, 1, 2, … along the lanes."""
        text = ", ".join(f"{element} {i}" for i in range(width))
        return Value(f"<{text}>", element, width)

    # -- memory ---------------------------------------------------------------------

    def at(self, pointer: Value, index: Any, element: str) -> Value:
        """The address of an element."""
        if name(index) == "0":
            return pointer
        stored = "i8" if element == "i1" else element
        text = f"getelementptr {stored}, ptr {pointer.name}, i64 {name(index)}"
        return self.value(text, "ptr")

    def load(
        self, pointer: Value, element: str, width: int = 0, count: int = 0
    ) -> Value:
        """*width* neighbours, of which only the first *count* are read, if given."""
        if element == "ptr_":
            return self.value(f"load ptr, ptr {pointer.name}, align 8", "ptr")
        stored = "i8" if element == "i1" else element
        kind, size = vector(stored, width), SIZES[element]
        if count and count < width:
            full = f"llvm.masked.load.v{width}{_short(stored)}.p0"
            mask = f"<{width} x i1>"
            self.module.declare(full, f"{kind} (ptr, {mask}, {kind})")
            text = (
                f"call {kind} @{full}(ptr align {size} {pointer.name}, {mask} "
                f"{_mask(width, count)}, {kind} zeroinitializer)"
            )
        else:
            text = f"load {kind}, ptr {pointer.name}, align {size}"
        found = self.value(text, stored, width)
        if element == "i1":
            found = self.compare("ne", found, self.constant(0, found))
        return found

    def store(self, a: Value, pointer: Value, count: int = 0) -> None:
        if a.element == "i1":
            a = self.convert(a, "i8")
        size = SIZES[a.element]
        if count and count < a.width:
            full = f"llvm.masked.store.v{a.width}{_short(a.element)}.p0"
            mask = f"<{a.width} x i1>"
            self.module.declare(full, f"void ({a.type}, ptr, {mask})")
            self.emit(
                f"call void @{full}({a.type} {a.name}, ptr align {size} "
                f"{pointer.name}, {mask} {_mask(a.width, count)})"
            )
        else:
            self.emit(f"store {a.type} {a.name}, ptr {pointer.name}, align {size}")

    def store_some(self, a: Value, pointer: Value, count: Value) -> None:
        """The first lanes, as many as *count* says (a number of the running program)."""
        limit = self.splat(count, a.width)
        mask = self.compare("lt", self.lanes(a.width), limit)
        full = f"llvm.masked.store.v{a.width}{_short(a.element)}.p0"
        self.module.declare(full, f"void ({a.type}, ptr, {mask.type})")
        self.emit(
            f"call void @{full}({a.type} {a.name}, ptr align {SIZES[a.element]} "
            f"{pointer.name}, {mask.type} {mask.name})"
        )

    def gather(
        self, pointer: Value, stride: int, element: str, width: int, count: int = 0
    ) -> Value:
        """*width* elements, *stride* apart."""
        stored = "i8" if element == "i1" else element
        kind = vector(stored, width)
        if stride == 2 and element in FLOATS:
            # every other one of two vectors; what lies behind the last is not touched
            return self.pairs(pointer, element, width, 2 * (count or width) - 1)[0]
        found = Value("zeroinitializer", stored, width)
        for lane in range(count or width):
            one = self.load(self.at(pointer, lane * stride, element), stored)
            found = self.value(
                f"insertelement {kind} {found.name}, {stored} {one.name}, i64 {lane}",
                stored,
                width,
            )
        if element == "i1":
            found = self.compare("ne", found, self.constant(0, found))
        return found

    def pairs(
        self, pointer: Value, element: str, width: int, count: int
    ) -> tuple[Value, Value]:
        """The even ones and the odd ones of *count* neighbours, at most two vectors."""
        low = self.load(pointer, element, width, min(count, width))
        high = Value("zeroinitializer", element, width)
        if count > width:
            high = self.load(
                self.at(pointer, width, element), element, width, count - width
            )
        even = range(0, 2 * width, 2)
        return self.shuffled(low, high, even), self.shuffled(
            low, high, [i + 1 for i in even]
        )

    def shuffled(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """The *lanes* of *a* and, counted on, of *b*."""
        text = ", ".join(f"i32 {i}" for i in lanes)
        return self.value(
            f"shufflevector {a.type} {a.name}, {b.type} {b.name}, "
            f"<{len(lanes)} x i32> <{text}>",
            a.element,
            len(lanes),
        )

    def woven(self, a: Value, b: Value) -> tuple[Value, Value]:
        """a₀ b₀ a₁ b₁ …, as two vectors."""
        w = a.width
        order = [i // 2 + (i % 2) * w for i in range(2 * w)]
        return self.shuffled(a, b, order[:w]), self.shuffled(a, b, order[w:])

    def scatter(self, a: Value, pointer: Value, stride: int, count: int = 0) -> None:
        """The lanes of *a* to elements *stride* apart."""
        if a.element == "i1":
            a = self.convert(a, "i8")
        for lane in range(count or a.width):
            one = self.value(f"extractelement {a.type} {a.name}, i64 {lane}", a.element)
            self.store(one, self.at(pointer, lane * stride, a.element))


def _flat(lines: list[Any]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if type(line) is str:
            found.append(line)
        else:
            found += _flat(line)
    return found


def _short(element: str) -> str:
    return {"float": "f32", "double": "f64"}.get(element, element)


def _mask(width: int, count: int) -> str:
    lanes = ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(width))
    return f"<{lanes}>"
