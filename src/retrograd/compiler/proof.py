"""New machine code is tried before it is trusted: each kernel on made-up numbers, beside
the NumPy ``forward`` of its operations.

What a text of LLVM becomes depends on the processor and on LLVM's version, and no test
of this library's has seen them all. So the code of a plan is tried where it is compiled,
once: what is stored on disk was tried before. If a kernel differs, its plan is
interpreted and nothing of it is stored.

The numbers are small multiples of 1/8: their sums and products are exact, so that ties
and comparisons come out as in NumPy whatever the order. Where rounding shows, the
kernel must be about as near to the result in double precision as NumPy is.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
from typing import Any

import numpy as np

from ..dtypes import float64
from ..execute.interpreter import follow
from ..ops.op import Array
from ..trace import Const
from .stage import ERROR, SCRATCH

#: what a stage's function takes: pointers, and the part to be done
_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
#: bytes before and behind each array that must stay as they are
_MARGIN = 64
_MARK = 0xA5
#: a kernel may be so many times as far from the result as NumPy is
_TIMES = 16.0
#: it differs only if it does so with so many choices of numbers
_DRAWS = 3
#: errors, relative to the largest number, below which nobody looks closer
_NEAR = {4: 3e-6, 8: 1e-12}
#: numbers of which values are made, twice: a prime count, so that no row is like another
_COUNT = 4093
#: … out of a hash: NumPy's generators take longer to import than a kernel to be tried
_BITS = np.frombuffer(hashlib.shake_128(b"made up").digest(4 * _COUNT), "<u4")
_WHOLE = np.tile(_BITS.astype(np.int64) >> 2, 2)
_SIGNED, _POSITIVE = (_WHOLE % 33 - 16) / 8, (_WHOLE % 16 + 1) / 8
#: numbers that are compared at a time
_PART = 1 << 14
#: nanoseconds, and bytes, above which a kernel is tried only if no other of its kind was
_LONG, _MUCH = 50_000.0, 1 << 19
#: kinds of kernels that were right
_RIGHT: set[Any] = set()


class Fault(Exception):
    """A kernel does not compute what its operations mean."""


class _Room:
    """An array with a margin on both sides."""

    def __init__(self, spec: Any) -> None:
        size = spec.nbytes
        self.raw = np.full(size + 2 * _MARGIN + 64, _MARK, np.uint8)
        start = -int(self.raw.__array_interface__["data"][0]) % 64 + _MARGIN
        self.array = self.raw[start : start + size].view(spec.dtype.np)
        self.array = self.array.reshape(spec.shape)
        self._margins = (self.raw[:start], self.raw[start + size :])

    @property
    def address(self) -> int:
        return int(self.array.__array_interface__["data"][0])

    @property
    def untouched(self) -> bool:
        return all(bool((m == _MARK).all()) for m in self._margins)


def prove(build: Any, step: Any, code: Any) -> None:
    """Try the functions of a segment; :class:`Fault` if one is wrong. A long-running one
    is left out where another of the same operations and inner functions was right."""
    functions = list(dict.fromkeys(s.function for _, s in step.stages))
    address = dict(zip(functions, code.roots(len(functions)), strict=True))
    work: dict[int, list[Any]] = {i: [] for i in step.kernels}
    for i, stage in step.stages:
        if i in work:
            work[i].append(stage)
    time = {i: sum(s.nanoseconds for s in stages) for i, stages in work.items()}
    done: set[str] = set()
    for i in sorted(work, key=lambda i: time[i]):
        kernel, names = build.fusion.kernels[i], {s.function for s in work[i]}
        kind = (*(n.op.name for n in kernel.nodes), *(step.calls[n] for n in names))
        large = time[i] > _LONG or _bytes(work[i]) > _MUCH
        if done >= names or (large and kind in _RIGHT):
            continue
        done |= names
        _Trial(build.fusion, kernel, work[i], address, step.scratch.get(i, 0)).run()
        _RIGHT.add(kind)


def _bytes(stages: list[Any]) -> int:
    """Of all that a kernel reads and writes."""
    buffers = {b for s in stages for b in s.buffers if type(b) is not str}
    return sum(b.spec.nbytes for b in buffers)


class _Trial:
    """One kernel, run by itself."""

    def __init__(
        self, fusion: Any, kernel: Any, stages: list[Any], address: Any, scratch: int
    ) -> None:
        self.fusion, self.kernel, self.stages = fusion, kernel, stages
        self.address, self.scratch = address, scratch
        self.made = set(kernel.nodes)
        buffers = dict.fromkeys(b for s in stages for b in s.buffers)
        self.given = [b for b in buffers if type(b) is not str and b not in self.made]
        self.stored = [b for b in buffers if b in self.made]

    def run(self) -> None:
        """:class:`Fault` if the kernel differs whatever the numbers are: a comparison
        that is as good as a tie may come out otherwise once."""
        if any(map(_twice, self.kernel.nodes)):
            return  # which of two numbers stays is left to the order
        for draw in range(_DRAWS):
            why = self._difference(draw)
            if not why:
                return
        words = ", ".join(dict.fromkeys(n.op.name for n in self.kernel.nodes))
        raise Fault(f"the machine code of {words} is faulty: {why}")

    def _difference(self, draw: int) -> str:
        """What is wrong; nothing if nothing is."""
        for positive in (False, True):
            rooms = {b: _Room(b.spec) for b in self.given}
            self._fill(rooms, draw, positive)
            given = {b: room.array for b, room in rooms.items()}
            try:
                with np.errstate(all="ignore"):
                    want = self._interpreted(given, False)
            except Exception:
                return ""  # there is nothing to compare with
            got, why = self._native(rooms)
            if why:
                return why
            self.exact: Any = None
            for node, value in got.items():
                if not self._same(node, value, want[node], given):
                    return f"{node.op.name} is not what NumPy computes"
            if not any(map(_blind, want.values())):
                break
        return ""

    # -- numbers --------------------------------------------------------------------

    def _fill(self, rooms: dict[Any, _Room], draw: int, positive: bool) -> None:
        """Made-up values of what the kernel reads."""
        limits = self._limits()
        for n, (buffer, room) in enumerate(rooms.items()):
            kind = buffer.spec.dtype.np
            if type(buffer) is Const:
                room.array[...] = buffer.value
                continue
            some: Array
            if kind.kind == "f":
                some = _POSITIVE if positive else _SIGNED
            else:
                some = _WHOLE % (2 if kind.kind == "b" else limits.get(buffer, 3))
            start, flat = (101 * n + 997 * draw) % _COUNT, room.array.reshape(-1)
            for at in range(0, len(flat), _COUNT):
                part = flat[at : at + _COUNT]
                part[...] = some[start : start + len(part)].astype(kind)

    def _limits(self) -> dict[Any, int]:
        """How large the numbers may be that say where something is."""
        limits: dict[Any, int] = {}
        for node in self.kernel.nodes:
            name, inputs = node.op.name, node.inputs
            if name in ("gather", "pick_class", "scatter"):
                index, size = inputs[1], inputs[0].spec.shape[node.attrs["dim"]]
            elif name in ("index", "index_put"):
                index, size = inputs[-1], inputs[0].spec.shape[0]
            elif name == "plane_add":
                index, size = inputs[1], int(np.prod(node.attrs["plane"]))
            else:
                continue
            buffer = self.fusion.view(index).buffer
            limits[buffer] = min(size, limits.get(buffer, size))
        return limits

    # -- both ways ------------------------------------------------------------------

    def _interpreted(self, given: dict[Any, Array], double: bool) -> dict[Any, Array]:
        """The stored values by NumPy, in *double* precision if need be; ``largest`` is
        then the largest number on the way."""
        nodes, keep = self.kernel.nodes, set(self.stored)
        buffers = [[self.fusion.view(k).buffer for k in n.inputs] for n in nodes]
        last = {b: n for n, used in enumerate(buffers) for b in used}
        values = dict(given)
        self.largest = 0.0
        for n, node in enumerate(nodes):
            operands = [self._seen(values, key, double) for key in node.inputs]
            attrs, kind = dict(node.attrs), node.spec.dtype.np
            if double and kind == np.float32:
                kind = np.dtype(np.float64)
                if node.op.name == "cast":
                    attrs["dtype"] = float64
            value = np.asarray(node.op.forward(*operands, **attrs), kind)
            values[node] = value
            if double and kind.kind == "f":
                self.largest = max(self.largest, _size(value))
            for b in set(buffers[n]) & self.made - keep:
                if last[b] == n:
                    del values[b]
        return {node: values[node] for node in self.stored}

    def _seen(self, values: dict[Any, Array], key: Any, double: bool) -> Array:
        view = self.fusion.view(key)
        buffer = view.buffer
        array = values[buffer] if buffer in values else np.asarray(buffer.value)
        if double and array.dtype == np.float32:
            array = array.astype(np.float64)
        flat = np.ascontiguousarray(array).reshape(-1)[view.offset :]
        strides = tuple(s * array.itemsize for s in view.strides)
        return np.lib.stride_tricks.as_strided(flat, view.shape, strides)

    def _native(self, given: dict[Any, _Room]) -> tuple[dict[Any, Array], str]:
        """The stored values by the machine code, and whether it did what it must not."""
        rooms = given | {b: _Room(b.spec) for b in self.stored}
        scratch = np.empty(self.scratch + 64, np.uint8)
        error = np.zeros(1, np.int32)
        for stage in self.stages:
            places = [
                error.__array_interface__["data"][0] if b is ERROR
                else _up(scratch.__array_interface__["data"][0]) if b is SCRATCH
                else rooms[b].address
                for b in stage.buffers
            ]  # fmt: skip
            on = np.array(places, np.uint64)
            call = _FUNCTION(self.address[stage.function])
            middle = (stage.extent + 1) // 3  # as several threads would
            for begin, end in ((middle, stage.extent), (0, middle)):
                if begin < end:
                    call(on.__array_interface__["data"][0], begin, end)
        why = "an index inside is taken for one outside" if error[0] else ""
        if not all(room.untouched for room in rooms.values()):
            why = "it writes beside an array"
        return {b: rooms[b].array for b in self.stored}, why

    # -- comparing ------------------------------------------------------------------

    def _same(
        self, node: Any, got: Array, want: Array, given: dict[Any, Array]
    ) -> bool:
        floating = want.dtype.kind == "f"
        if not floating:
            return np.array_equal(got, want)
        near = _NEAR[want.itemsize]
        if _close(got, want, near):
            return True
        with np.errstate(all="ignore"):
            if self.exact is None:
                self.exact = self._interpreted(given, True)
            exact = self.exact[node]
            there = np.isfinite(exact) & np.isfinite(want)
            off, mine = (_size((a - exact)[there]) for a in (want, got))
            # of a sum whose terms cancel little is left but rounding
            sizes = [n.spec.size for n in self.kernel.nodes]
            noise = near * math.sqrt(max(sizes) / min(sizes)) * self.largest
        return bool(np.isfinite(got[there]).all() and mine <= _TIMES * off + noise)


def _twice(node: Any) -> bool:
    """Whether it writes to the same place more than once."""
    if node.op.name != "view_write":
        return False
    places = np.arange(node.spec.size).reshape(node.spec.shape)
    part = follow(places, node.attrs["path"])
    return len(np.unique(part)) < part.size


def _close(got: Array, want: Array, near: float) -> bool:
    """Whether all numbers agree to *near*, also relative to the largest; part by part,
    as the parts in between take memory."""
    mine, theirs, largest = got.reshape(-1), want.reshape(-1), -1.0
    for i in range(0, len(mine), _PART):
        a, b = mine[i : i + _PART], theirs[i : i + _PART]
        if not np.array_equal(a, b):
            largest = near * _size(want) if largest < 0 else largest
            if not np.allclose(a, b, near, largest, equal_nan=True):
                return False
    return True


def _blind(value: Array) -> bool:
    """Whether little can be said from it, since most of it is not finite."""
    return value.dtype.kind == "f" and bool(np.isfinite(value).mean() < 0.25)


def _size(value: Array) -> float:
    """The largest number that is one."""
    flat, most = value.reshape(-1), 0.0
    for i in range(0, len(flat), _PART):
        part = flat[i : i + _PART]
        most = max(most, np.max(np.abs(part), initial=0.0, where=np.isfinite(part)))
    return float(most)


def _up(address: int) -> int:
    return address + -address % 64
