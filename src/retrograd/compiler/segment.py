"""A run of kernels as one native call: its code, its table and its arena."""

from __future__ import annotations

from collections.abc import Callable
from sys import getrefcount
from typing import Any, NamedTuple

import numpy as np

from ..execute.usual import entries
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
        self.results: Any = None  # gives arrays for them
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


def reusing(outs: list[Any], again: list[int]) -> Callable[[], list[Array]]:
    """What gives the arrays for outputs (slot, shape and type of each): new ones, but
    those at the places *again* as before, if nobody holds what they showed."""
    sizes = [(i, shape, dtype) for i, (_, shape, dtype) in enumerate(outs)]
    old = [each for each in sizes if each[0] in again]
    new = [each for each in sizes if each[0] not in again]
    pool: list[Any] = [None] * len(outs)
    for i, shape, dtype in old:
        pool[i] = np.empty(shape, dtype)
    those, unheld = entries(again), (_UNHELD,) * len(again)
    empty = np.empty

    def results() -> list[Array]:
        if tuple(map(getrefcount, those(pool))) != unheld:
            for i, shape, dtype in old:
                if getrefcount(pool[i]) > 2:  # the list's, and the argument's
                    pool[i] = empty(shape, dtype)
        made = pool[:]
        for i, shape, dtype in new:
            made[i] = empty(shape, dtype)
        return made

    return results


def _counted() -> int:
    """The reference count of what only a list holds, seen as ``results`` sees it."""
    pool = [np.empty(1), np.empty(1)]
    return next(map(getrefcount, entries([0, 1])(pool)))


_UNHELD = _counted()


def _aligned(size: int) -> Array:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -int(raw.__array_interface__["data"][0]) % 64
    return raw[start : start + size]
