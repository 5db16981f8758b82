"""How a step runs: one native function for all plans, which walks a plan's tables.

Code for a list of calls would grow with the step, and cost more to make than the
kernels. The function takes the data pointers out of the arrays that it is called with,
puts each where the kernels look for it, and calls stage after stage. The last of its
arguments is the arena:

====== ====================================================
offset what
====== ====================================================
0      whether a kernel found something wrong (i32)
8      address of the pool of threads
16     where to note the clock after each stage, or 0
24     address of the plan's table
64     the pointers that stages take, one stage after the other
====== ====================================================

and then whatever lives within the step. The table is of 64-bit numbers: how many arrays,
moves, views, owners and stages there are, flags, whether to wake sleeping threads, and
then, row by row: moves (array, offset in the arena), views (arrays that may be views),
owners (arrays that are written in place), stages (code, offset of its pointers, extent,
flags).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.op import Array
from . import jit

#: bytes in front of the pointers
HEADER = 64
#: flags of a plan
RELEASES, FLUSHES = 1, 2
#: flags of a stage
DIVIDED, CHECKED = 1, 2
#: what a step gives: done, an array does not lie row by row, a kernel found something
#: wrong, an argument is a view of what is written
DONE, LAYOUT, WRONG, ALIAS = range(4)


def table(
    arrays: int,
    moves: Sequence[tuple[int, int]],
    views: Sequence[int],
    owners: Sequence[int],
    stages: Sequence[tuple[int, ...]],
    flags: int,
    wake: int,
) -> Array:
    """The table of a plan; *stages* are rows as above."""
    counts = (arrays, len(moves), len(views), len(owners), len(stages))
    parts: list[int] = [*counts, flags, wake]
    for row in (*moves, views, owners, *stages):
        parts.extend(row)
    return np.array(parts, np.int64)


class Step:
    """The function, as soon as it is compiled: its address, and what Python calls."""

    address = 0
    call: Any = None
    _definition: Any = None

    def begin(self, address: int) -> None:
        self.address = address
        self.call, self._definition = jit.python_function(address)


STEP = Step()

_X86_TEXT = {
    "declare": "declare i64 @llvm.readcyclecounter()",  # the pool declares the others
    "now": "%now = call i64 @llvm.readcyclecounter()",
    "flush": "call void @llvm.x86.sse.stmxcsr(ptr %old)\n"
    "  %before = load i32, ptr %old, align 4\n"
    "  %quick = or i32 %before, 32832\n"  # denormal numbers count as zero
    "  store i32 %quick, ptr %new, align 4\n"
    "  call void @llvm.x86.sse.ldmxcsr(ptr %new)",
    "restore": "call void @llvm.x86.sse.ldmxcsr(ptr %old)",
}
_OTHER_TEXT = {"declare": "", "now": "%now = add i64 0, 0", "flush": "", "restore": ""}

_TEXT = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyLong_FromLong(i64)
{declare}

define ptr @step(ptr %self, ptr %args, i64 %n) {{
entry:
  %old = alloca i32, align 4
  %new = alloca i32, align 4
  %last = sub i64 %n, 1
  %arena.place = getelementptr ptr, ptr %args, i64 %last
  %arena.object = load ptr, ptr %arena.place, align 8
  %arena.data = getelementptr i8, ptr %arena.object, i64 {data}
  %arena = load ptr, ptr %arena.data, align 8
  %table.place = getelementptr i8, ptr %arena, i64 24
  %table = load ptr, ptr %table.place, align 8
  %arrays = load i64, ptr %table, align 8
  %moves.n = getelementptr i64, ptr %table, i64 1
  %moves = load i64, ptr %moves.n, align 8
  %views.n = getelementptr i64, ptr %table, i64 2
  %views = load i64, ptr %views.n, align 8
  %owners.n = getelementptr i64, ptr %table, i64 3
  %owners = load i64, ptr %owners.n, align 8
  %stages.n = getelementptr i64, ptr %table, i64 4
  %stages = load i64, ptr %stages.n, align 8
  %flags.n = getelementptr i64, ptr %table, i64 5
  %flags = load i64, ptr %flags.n, align 8
  %wake.n = getelementptr i64, ptr %table, i64 6
  %wake = load i64, ptr %wake.n, align 8
  %moves.at = getelementptr i64, ptr %table, i64 7
  %moves.words = shl i64 %moves, 1
  %views.at = getelementptr i64, ptr %moves.at, i64 %moves.words
  %owners.at = getelementptr i64, ptr %views.at, i64 %views
  %stages.at = getelementptr i64, ptr %owners.at, i64 %owners
  br label %looks

; every array must be contiguous and aligned
looks:
  %a = phi i64 [ 0, %entry ], [ %a.next, %look ]
  %fine = phi i32 [ 257, %entry ], [ %fine.next, %look ]
  %a.more = icmp slt i64 %a, %arrays
  br i1 %a.more, label %look, label %looked
look:
  %a.place = getelementptr ptr, ptr %args, i64 %a
  %a.object = load ptr, ptr %a.place, align 8
  %a.flags = getelementptr i8, ptr %a.object, i64 {flags}
  %a.bits = load i32, ptr %a.flags, align 4
  %fine.next = and i32 %fine, %a.bits
  %a.next = add i64 %a, 1
  br label %looks
looked:
  %good = icmp eq i32 %fine, 257
  br i1 %good, label %moving, label %layout

moving:
  %m = phi i64 [ 0, %looked ], [ %m.next, %move ]
  %m.more = icmp slt i64 %m, %moves
  br i1 %m.more, label %move, label %viewing
move:
  %m.word = shl i64 %m, 1
  %m.at = getelementptr i64, ptr %moves.at, i64 %m.word
  %m.array = load i64, ptr %m.at, align 8
  %m.to = getelementptr i64, ptr %m.at, i64 1
  %m.offset = load i64, ptr %m.to, align 8
  %m.place = getelementptr ptr, ptr %args, i64 %m.array
  %m.object = load ptr, ptr %m.place, align 8
  %m.data = getelementptr i8, ptr %m.object, i64 {data}
  %m.pointer = load ptr, ptr %m.data, align 8
  %m.target = getelementptr i8, ptr %arena, i64 %m.offset
  store ptr %m.pointer, ptr %m.target, align 8
  %m.next = add i64 %m, 1
  br label %moving

; no argument may be a view of memory that is written in place
viewing:
  %v = phi i64 [ 0, %moving ], [ %v.next, %owned ]
  %v.more = icmp slt i64 %v, %views
  br i1 %v.more, label %view, label %begin
view:
  %v.at = getelementptr i64, ptr %views.at, i64 %v
  %v.array = load i64, ptr %v.at, align 8
  %v.place = getelementptr ptr, ptr %args, i64 %v.array
  %v.object = load ptr, ptr %v.place, align 8
  %v.base = getelementptr i8, ptr %v.object, i64 {base}
  %base = load ptr, ptr %v.base, align 8
  %whole = icmp eq ptr %base, null
  br i1 %whole, label %owned, label %owning
owning:
  %o = phi i64 [ 0, %view ], [ %o.next, %other ]
  %o.more = icmp slt i64 %o, %owners
  br i1 %o.more, label %owner, label %owned
owner:
  %o.at = getelementptr i64, ptr %owners.at, i64 %o
  %o.array = load i64, ptr %o.at, align 8
  %o.place = getelementptr ptr, ptr %args, i64 %o.array
  %o.object = load ptr, ptr %o.place, align 8
  %same = icmp eq ptr %base, %o.object
  br i1 %same, label %alias, label %other
other:
  %o.next = add i64 %o, 1
  br label %owning
owned:
  %v.next = add i64 %v, 1
  br label %viewing

begin:
  %flag.1 = and i64 %flags, 1
  %releases = icmp ne i64 %flag.1, 0
  br i1 %releases, label %release, label %mode
release:
  %saved = call ptr @PyEval_SaveThread()
  br label %mode
mode:
  %thread = phi ptr [ null, %begin ], [ %saved, %release ]
  %flag.2 = and i64 %flags, 2
  %flushes = icmp ne i64 %flag.2, 0
  br i1 %flushes, label %flush, label %start
flush:
  {flush}
  br label %start
start:
  store i32 0, ptr %arena, align 4
  %pool.place = getelementptr i8, ptr %arena, i64 8
  %pool = load ptr, ptr %pool.place, align 8
  %share = load ptr, ptr %pool, align 8
  %clock.place = getelementptr i8, ptr %arena, i64 16
  %clock = load ptr, ptr %clock.place, align 8
  %timed = icmp ne ptr %clock, null
  br label %running

running:
  %s = phi i64 [ 0, %start ], [ %s.next, %done ]
  br i1 %timed, label %tick, label %next
tick:
  {now}
  %tick.at = getelementptr i64, ptr %clock, i64 %s
  store i64 %now, ptr %tick.at, align 8
  br label %next
next:
  %s.more = icmp slt i64 %s, %stages
  br i1 %s.more, label %stage, label %end
stage:
  %s.word = shl i64 %s, 2
  %s.at = getelementptr i64, ptr %stages.at, i64 %s.word
  %code = load ptr, ptr %s.at, align 8
  %s.1 = getelementptr i64, ptr %s.at, i64 1
  %offset = load i64, ptr %s.1, align 8
  %s.2 = getelementptr i64, ptr %s.at, i64 2
  %extent = load i64, ptr %s.2, align 8
  %s.3 = getelementptr i64, ptr %s.at, i64 3
  %s.flags = load i64, ptr %s.3, align 8
  %on = getelementptr i8, ptr %arena, i64 %offset
  %s.next = add i64 %s, 1
  %plain = icmp eq i64 %s.flags, 0
  br i1 %plain, label %alone, label %special
alone:
  call void %code(ptr %on, i64 0, i64 %extent)
  br label %done
special:
  %s.divided = and i64 %s.flags, 1
  %divided = icmp ne i64 %s.divided, 0
  br i1 %divided, label %shared, label %single
shared:
  call void %share(ptr %pool, ptr %code, ptr %on, i64 %extent, i64 %wake)
  br label %after
single:
  call void %code(ptr %on, i64 0, i64 %extent)
  br label %after
after:
  %s.checked = and i64 %s.flags, 2
  %checked = icmp ne i64 %s.checked, 0
  br i1 %checked, label %check, label %done
check:
  %error = load i32, ptr %arena, align 4
  %wrong = icmp ne i32 %error, 0
  br i1 %wrong, label %end, label %done
done:
  br label %running

end:
  %status = phi i64 [ 0, %next ], [ 2, %check ]
  br i1 %flushes, label %restore, label %restored
restore:
  {restore}
  br label %restored
restored:
  br i1 %releases, label %resume, label %out
resume:
  call void @PyEval_RestoreThread(ptr %thread)
  br label %out
layout:
  br label %out
alias:
  br label %out
out:
  %result = phi i64 [ %status, %restored ], [ %status, %resume ], [ 1, %layout ], [ 3, %alias ]
  %number = call ptr @PyLong_FromLong(i64 %result)
  ret ptr %number
}}
"""


def text() -> str:
    """The code of ``step``, which is compiled together with the pool."""
    words = _X86_TEXT if jit.is_x86() else _OTHER_TEXT
    return _TEXT.format(data=jit.DATA, base=jit.BASE, flags=jit.FLAGS, **words)
