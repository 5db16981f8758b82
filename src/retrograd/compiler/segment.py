"""A run of kernels as one native call: its code, its table and its arena."""

from __future__ import annotations

from sys import getrefcount
from typing import Any, NamedTuple

import numpy as np

from ..ops.op import Array
from . import driver
from .driver import HEADER
from .pool import POOL
from .stage import Stage


class Layout(NamedTuple):
    """How a segment runs, in numbers: what its table and its arena are made of. *rows*
    are stages: number of the function, place of its pointers, extent, flags."""

    arrays: int
    functions: int
    moves: list[tuple[int, int]]
    fixed: list[tuple[int, int]]  # place of a pointer, and where in the arena it points
    views: list[int]
    owners: list[int]
    rows: list[tuple[int, int, int, int]]
    flags: int
    wake: int
    size: int  # of the arena


class Segment:
    """Kernels in a row as one function of arrays."""

    def __init__(self) -> None:
        self.kernels: list[int] = []
        self.inputs: list[Any] = []  # buffers that come from outside
        self.outputs: list[Any] = []  # … and that others want
        self.stages: list[tuple[int, Stage]] = []  # kernel and stage, as they run
        self.scratch: dict[int, int] = {}  # bytes of it, by kernel
        self.calls: dict[str, str] = {}  # what each function calls
        self.layout: Any = None  # until it has been stored
        self.fixed: Any = None  # … of which this is needed to make an arena
        self.bytes = self.count = 0  # of the arena; stages
        self.code: Any = None  # the library of its functions
        self.table: Any = None
        self.arena: Any = None
        self.function: Any = None
        self.size = 0  # of what lives within a step
        self.ins: list[int] = []  # slots of the inputs
        self.outs: list[Any] = []  # slot, shape and type of each output
        self.pool: list[Any] = []
        self.clean = True  # the inputs are sure to lie row by row

    def ready(self, code: Any) -> None:
        """Make everything that a call needs, from the code and the layout."""
        self.code, layout = code, self.layout
        address = code.roots(layout.functions)
        rows = [(address[r[0]], *r[1:]) for r in layout.rows]
        self.table = driver.table(layout.arrays, layout.moves, layout.views,
                                  layout.owners, rows, layout.flags, layout.wake)  # fmt: skip
        self.fixed = np.array(layout.fixed, np.int64).reshape(-1, 2)
        self.bytes, self.count = layout.size, len(layout.rows)
        self.arena = self.room()
        self.function = driver.STEP.call

    def room(self) -> Array:
        """An arena, with all in it that does not change from call to call."""
        arena = _aligned(self.bytes)
        words = arena.view(np.int64)
        start = int(arena.__array_interface__["data"][0])
        words[: HEADER // 8] = 0
        words[1], words[3] = POOL.prepare(), self.table.__array_interface__["data"][0]
        words[self.fixed[:, 0] // 8] = start + self.fixed[:, 1]
        return arena

    def results(self) -> list[Array]:
        """Arrays for the outputs: new ones, or of the pool if nobody holds them."""
        made = []
        pool = self.pool
        for i, (_, shape, dtype) in enumerate(self.outs):
            array = pool[i]
            if array is None:
                array = np.empty(shape, dtype)
            elif getrefcount(array) > 3:  # somebody holds what it showed before
                array = pool[i] = np.empty(shape, dtype)
            made.append(array)
        return made


def _aligned(size: int) -> Array:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -int(raw.__array_interface__["data"][0]) % 64
    return raw[start : start + size]
