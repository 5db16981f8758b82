"""Many steps in one call: a native loop around a compiled step.

For data in memory Python is not needed between two steps: the loop gathers the rows of
a batch, puts in the numbers of the optimizer and the states of random draws that were
worked out before, calls the step, and keeps its result.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.op import Array
from . import jit

#: between two calls Python sees signals and lets other threads run
SECONDS = 0.05
#: steps in one call
MOST = 1 << 14

Proceed = Callable[[int], Any] | None

# copies: 6 numbers each: after (0 or 1), target, source, bytes of a row, rows, index.
# Row r of step k comes from row index[k·rows + r] of the source, without an index
# (address 0) from row k; a copy after the step goes to row k of the target.
_TEXT = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @PyLong_AsLong(ptr)

define internal void @copies(ptr %table, i64 %count, i64 %k, i64 %which) {
entry:
  br label %one
one:
  %c = phi i64 [ 0, %entry ], [ %c.next, %next ]
  %c.more = icmp slt i64 %c, %count
  br i1 %c.more, label %look, label %out
look:
  %place = mul i64 %c, 6
  %row = getelementptr i64, ptr %table, i64 %place
  %after = load i64, ptr %row, align 8
  %mine = icmp eq i64 %after, %which
  br i1 %mine, label %go, label %next
go:
  %p1 = getelementptr i64, ptr %row, i64 1
  %target = load ptr, ptr %p1, align 8
  %p2 = getelementptr i64, ptr %row, i64 2
  %source = load ptr, ptr %p2, align 8
  %p3 = getelementptr i64, ptr %row, i64 3
  %bytes = load i64, ptr %p3, align 8
  %p4 = getelementptr i64, ptr %row, i64 4
  %rows = load i64, ptr %p4, align 8
  %p5 = getelementptr i64, ptr %row, i64 5
  %index = load ptr, ptr %p5, align 8
  %indexed = icmp ne ptr %index, null
  %first = mul i64 %k, %rows
  %kept = icmp eq i64 %which, 1
  br i1 %kept, label %keep, label %rows.head
keep:
  %back = mul i64 %k, %bytes
  %there = getelementptr i8, ptr %target, i64 %back
  call void @llvm.memcpy.p0.p0.i64(ptr %there, ptr %source, i64 %bytes, i1 false)
  br label %next
rows.head:
  %r = phi i64 [ 0, %go ], [ %r.next, %copy ]
  %r.more = icmp slt i64 %r, %rows
  br i1 %r.more, label %find, label %next
find:
  br i1 %indexed, label %by.index, label %copy
by.index:
  %n = add i64 %first, %r
  %at = getelementptr i64, ptr %index, i64 %n
  %chosen = load i64, ptr %at, align 8
  br label %copy
copy:
  %from = phi i64 [ %k, %find ], [ %chosen, %by.index ]
  %far = mul i64 %from, %bytes
  %s = getelementptr i8, ptr %source, i64 %far
  %near = mul i64 %r, %bytes
  %t = getelementptr i8, ptr %target, i64 %near
  call void @llvm.memcpy.p0.p0.i64(ptr %t, ptr %s, i64 %bytes, i1 false)
  %r.next = add i64 %r, 1
  br label %rows.head
next:
  %c.next = add i64 %c, 1
  br label %one
out:
  ret void
}

; Steps begin … end; how many of all were done when one failed, or the end.
define i64 @repeat(ptr %step, ptr %objects, i64 %n, ptr %table, i64 %count, i64 %begin, i64 %end) {
entry:
  br label %head
head:
  %k = phi i64 [ %begin, %entry ], [ %k.next, %done ]
  %more = icmp slt i64 %k, %end
  br i1 %more, label %body, label %out
body:
  call void @copies(ptr %table, i64 %count, i64 %k, i64 0)
  %result = call ptr %step(ptr null, ptr %objects, i64 %n)
  %status = call i64 @PyLong_AsLong(ptr %result)
  %fine = icmp eq i64 %status, 0
  br i1 %fine, label %done, label %out
done:
  call void @copies(ptr %table, i64 %count, i64 %k, i64 1)
  %k.next = add i64 %k, 1
  br label %head
out:
  ret i64 %k
}
"""


@functools.cache
def _driver() -> tuple[Any, Any]:
    library = jit.library(_TEXT)
    kind = ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 2, ctypes.c_int64,
                             ctypes.c_void_p, *[ctypes.c_int64] * 3)  # fmt: skip
    return kind(library.address("repeat")), library


class Copies:
    """What is brought in before each step, and taken out after it."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.held: list[Array] = []

    def before(self, target: Array, source: Array, index: Array | None = None) -> None:
        """Rows of *source* into *target*: those of the index, or row k of step k."""
        rows = 1 if index is None else target.shape[0]
        self._add(0, target, source, target.nbytes // rows, rows, index)

    def after(self, target: Array, source: Array) -> None:
        """*source* into row k of *target*."""
        self._add(1, target, source, source.nbytes, 1, None)

    def _add(
        self, when: int, target: Array, source: Array, size: int, rows: int, index: Any
    ) -> None:
        assert target.flags.c_contiguous and source.flags.c_contiguous
        where = 0 if index is None else _address(index)
        self.rows.append((when, _address(target), _address(source), size, rows, where))
        self.held += [target, source, *([] if index is None else [index])]


def repeat(
    address: int, objects: list[Any], copies: Copies, steps: int, proceed: Proceed
) -> tuple[int, BaseException | None]:
    """Call the native step so often, in chunks of about SECONDS; after each, *proceed*
    is told how many calls were made since, and says whether to go on. How many calls
    were well, and what was raised between them: the caller has accounts to settle."""
    run, _ = _driver()
    table = np.array(copies.rows, np.int64)
    pointers = np.array([id(o) for o in objects], np.int64)
    done, chunk = 0, 1
    try:
        while done < steps:
            until = min(done + chunk, steps)
            before, start = done, time.perf_counter()
            done = run(address, _address(pointers), len(objects), _address(table),
                       len(table), done, until)  # fmt: skip
            took = time.perf_counter() - start
            if done > before and proceed is not None and not proceed(done - before):
                break
            if done < until:
                break
            chunk = min(MOST, 4 * chunk, 1 + int(chunk * SECONDS / max(took, 1e-9)))
    except BaseException as error:
        return int(done), error
    return int(done), None


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
