"""Threads that share the work of one kernel.

A kernel's work is cut into parts; whoever is free takes the next part: the thread that
called, and workers that spin for a moment after each job and then sleep. The caller
never waits for a worker that has not begun, so a worker that sleeps late, or whose
processor is busy elsewhere, costs nothing but its help. Which thread computes which
part does not change a number.

The pool is native code of its own, around a small record in memory:

====== ====================================================
offset what
====== ====================================================
0      address of ``run``
8      threads, the caller included
64     the job: its number (32 bits), parts (16), next (16)
128    parts that are done
192    sign for sleeping workers (i32), how many sleep (i32)
256    task, what it works on, its extent; control of rounding and denormals (i32)
320    taken (i32): one job at a time
384    stop (i32), workers alive (i32)
====== ====================================================
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import driver, jit

#: parts for each thread: what one leaves over another takes
_PARTS = 2
#: rounds that a worker spins before it sleeps, about 0.1 ms
_ROUNDS = 3000

_FUTEX = {"x86_64": 202, "aarch64": 98}
_SYSCALL = _FUTEX.get(platform.machine()) if sys.platform == "linux" else None

_X86_TEXT = {
    "pause": "call void @llvm.x86.sse2.pause()",
    "save": "call void @llvm.x86.sse.stmxcsr(ptr %mode)",
    "restore": "call void @llvm.x86.sse.ldmxcsr(ptr %mode)",
    "declare": "declare void @llvm.x86.sse2.pause()\n"
    "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)",
}
_OTHER_TEXT = {"pause": "", "save": "", "restore": "", "declare": ""}

_TEXT = """
declare i64 @syscall(i64, ...)
declare i32 @sched_yield()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
{declare}

; Take parts of job %number until none is left; how many were taken.
define internal void @work(ptr %pool, i64 %job) {{
entry:
  %word = getelementptr i8, ptr %pool, i64 64
  %task.at = getelementptr i8, ptr %pool, i64 256
  %on.at = getelementptr i8, ptr %pool, i64 264
  %extent.at = getelementptr i8, ptr %pool, i64 272
  %done = getelementptr i8, ptr %pool, i64 128
  br label %look
look:
  %now = phi i64 [ %job, %entry ], [ %again, %taken ], [ %seen, %lost ]
  %same = xor i64 %now, %job
  %other = lshr i64 %same, 32
  %ours = icmp eq i64 %other, 0
  %next = and i64 %now, 65535
  %shifted = lshr i64 %now, 16
  %parts = and i64 %shifted, 65535
  %left = icmp ult i64 %next, %parts
  %go = and i1 %ours, %left
  br i1 %go, label %take, label %out
take:
  %following = add i64 %now, 1
  %pair = cmpxchg ptr %word, i64 %now, i64 %following seq_cst seq_cst
  %seen = extractvalue {{ i64, i1 }} %pair, 0
  %won = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %won, label %taken, label %lost
lost:
  br label %look
taken:
  %task = load ptr, ptr %task.at, align 8
  %on = load ptr, ptr %on.at, align 8
  %extent = load i64, ptr %extent.at, align 8
  %a = mul i64 %extent, %next
  %begin = udiv i64 %a, %parts
  %b = add i64 %a, %extent
  %end = udiv i64 %b, %parts
  call void %task(ptr %on, i64 %begin, i64 %end)
  %was = atomicrmw add ptr %done, i64 1 seq_cst
  %again = load atomic i64, ptr %word seq_cst, align 8
  br label %look
out:
  ret void
}}

define void @run(ptr %pool, ptr %task, ptr %on, i64 %extent, i64 %wake) {{
entry:
  %threads.at = getelementptr i8, ptr %pool, i64 8
  %threads = load i64, ptr %threads.at, align 8
  %many = icmp sgt i64 %threads, 1
  br i1 %many, label %try, label %alone
try:
  %busy = getelementptr i8, ptr %pool, i64 320
  %was = atomicrmw xchg ptr %busy, i32 1 seq_cst
  %free = icmp eq i32 %was, 0
  br i1 %free, label %asleep, label %alone
asleep:
  %sleepers.at = getelementptr i8, ptr %pool, i64 196
  %sleepers = load atomic i32, ptr %sleepers.at seq_cst, align 4
  %sleeping = sext i32 %sleepers to i64
  %awake = add i64 %sleeping, 1
  %useless = icmp sge i64 %awake, %threads
  %small = icmp eq i64 %wake, 0
  %skip = and i1 %useless, %small
  br i1 %skip, label %release, label %publish
release:
  store atomic i32 0, ptr %busy release, align 4
  br label %alone
alone:
  call void %task(ptr %on, i64 0, i64 %extent)
  ret void
publish:
  %task.at = getelementptr i8, ptr %pool, i64 256
  %on.at = getelementptr i8, ptr %pool, i64 264
  %extent.at = getelementptr i8, ptr %pool, i64 272
  %mode = getelementptr i8, ptr %pool, i64 280
  %done = getelementptr i8, ptr %pool, i64 128
  %word = getelementptr i8, ptr %pool, i64 64
  store ptr %task, ptr %task.at, align 8
  store ptr %on, ptr %on.at, align 8
  store i64 %extent, ptr %extent.at, align 8
  {save}
  store atomic i64 0, ptr %done release, align 8
  %wanted = mul i64 %threads, {parts}
  %less = icmp slt i64 %extent, %wanted
  %parts = select i1 %less, i64 %extent, i64 %wanted
  %old = load atomic i64, ptr %word seq_cst, align 8
  %number = lshr i64 %old, 32
  %new = add i64 %number, 1
  %high = shl i64 %new, 32
  %middle = shl i64 %parts, 16
  %job = or i64 %high, %middle
  store atomic i64 %job, ptr %word seq_cst, align 8
  %late = load atomic i32, ptr %sleepers.at seq_cst, align 4
  %call = icmp ne i32 %late, 0
  br i1 %call, label %ring, label %share
ring:
  %sign = getelementptr i8, ptr %pool, i64 192
  %rung = atomicrmw add ptr %sign, i32 1 seq_cst
  %woken = call i64 (i64, ...) @syscall(i64 {futex}, ptr %sign, i32 129, i32 65535, ptr null, ptr null, i32 0)
  br label %share
share:
  call void @work(ptr %pool, i64 %job)
  br label %wait
wait:
  %round = phi i64 [ 0, %share ], [ %count, %on.wait ]
  %finished = load atomic i64, ptr %done seq_cst, align 8
  %all = icmp eq i64 %finished, %parts
  br i1 %all, label %out, label %more
more:
  %count = add i64 %round, 1
  {pause}
  %long = icmp ugt i64 %count, 20000
  br i1 %long, label %yield, label %on.wait
yield:
  %yielded = call i32 @sched_yield()
  br label %on.wait
on.wait:
  br label %wait
out:
  store atomic i32 0, ptr %busy release, align 4
  ret void
}}

define internal ptr @worker(ptr %pool) {{
entry:
  %word = getelementptr i8, ptr %pool, i64 64
  %sign = getelementptr i8, ptr %pool, i64 192
  %sleepers = getelementptr i8, ptr %pool, i64 196
  %mode = getelementptr i8, ptr %pool, i64 280
  %stop = getelementptr i8, ptr %pool, i64 384
  %alive = getelementptr i8, ptr %pool, i64 388
  br label %fresh
fresh:
  br label %spin
spin:
  %round = phi i64 [ 0, %fresh ], [ %count, %none ]
  %job = load atomic i64, ptr %word seq_cst, align 8
  %next = and i64 %job, 65535
  %shifted = lshr i64 %job, 16
  %parts = and i64 %shifted, 65535
  %left = icmp ult i64 %next, %parts
  br i1 %left, label %help, label %none
help:
  {restore}
  call void @work(ptr %pool, i64 %job)
  br label %fresh
none:
  {pause}
  %count = add i64 %round, 1
  %tired = icmp ugt i64 %count, {rounds}
  br i1 %tired, label %bed, label %spin
bed:
  %in = atomicrmw add ptr %sleepers, i32 1 seq_cst
  %heard = load atomic i32, ptr %sign seq_cst, align 4
  %job2 = load atomic i64, ptr %word seq_cst, align 8
  %next2 = and i64 %job2, 65535
  %shifted2 = lshr i64 %job2, 16
  %parts2 = and i64 %shifted2, 65535
  %left2 = icmp ult i64 %next2, %parts2
  %stopping = load atomic i32, ptr %stop seq_cst, align 4
  %stops = icmp ne i32 %stopping, 0
  br i1 %stops, label %end, label %doze
doze:
  br i1 %left2, label %up, label %sleep
sleep:
  %slept = call i64 (i64, ...) @syscall(i64 {futex}, ptr %sign, i32 128, i32 %heard, ptr null, ptr null, i32 0)
  br label %up
up:
  %outof = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  %stopping2 = load atomic i32, ptr %stop seq_cst, align 4
  %stops2 = icmp ne i32 %stopping2, 0
  br i1 %stops2, label %leave, label %fresh
end:
  %outof2 = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %leave
leave:
  %gone = atomicrmw sub ptr %alive, i32 1 seq_cst
  ret ptr null
}}

; One worker more; not 0 where the system refuses.
define i32 @start(ptr %pool) {{
entry:
  %handle = alloca i64, align 8
  %alive = getelementptr i8, ptr %pool, i64 388
  %one = atomicrmw add ptr %alive, i32 1 seq_cst
  %refused = call i32 @pthread_create(ptr %handle, ptr null, ptr @worker, ptr %pool)
  %fine = icmp eq i32 %refused, 0
  br i1 %fine, label %good, label %bad
good:
  %id = load i64, ptr %handle, align 8
  %detached = call i32 @pthread_detach(i64 %id)
  ret i32 0
bad:
  %less = atomicrmw sub ptr %alive, i32 1 seq_cst
  ret i32 %refused
}}

define void @call_all(ptr %pool) {{
entry:
  %sign = getelementptr i8, ptr %pool, i64 192
  %rung = atomicrmw add ptr %sign, i32 1 seq_cst
  %woken = call i64 (i64, ...) @syscall(i64 {futex}, ptr %sign, i32 129, i32 65535, ptr null, ptr null, i32 0)
  ret void
}}
"""


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _asked() -> int:
    for name in ("RETROGRAD_NUM_THREADS", "OMP_NUM_THREADS"):
        given = os.environ.get(name, "").split(",")[0].strip()
        if given.isdigit() and int(given) > 0:
            return int(given)
    return _processors()


def _text() -> str:
    text = _X86_TEXT if jit.is_x86() else _OTHER_TEXT
    own = _TEXT.format(**text, parts=_PARTS, rounds=_ROUNDS, futex=_SYSCALL or 0)
    return own + driver.text()


def get_ready() -> None:
    """Import what compiling takes, if nothing that was compiled is on disk."""
    if jit.stored(jit.key(_text())) is None:
        from . import build, proof  # noqa: F401

        jit.vector_bytes()


class Pool:
    """The workers of this process."""

    def __init__(self) -> None:
        raw = np.zeros(1024 + 64, np.uint8)
        start = -int(raw.__array_interface__["data"][0]) % 64
        self._memory = raw[start : start + 1024]
        self.address = int(self._memory.__array_interface__["data"][0])
        self.threads = _asked()
        self._library: Any = None
        self._lock = threading.Lock()

    def prepare(self) -> int:
        """The address of the pool, its code ready and its workers started."""
        with self._lock:
            if self._library is None:
                if _SYSCALL is None:  # no workers here: only ``run`` is used
                    self.threads = 1
                self._library = jit.library(_text())
                driver.STEP.begin(self._library.address("step"))
                self._slot(0, self._library.address("run"))
                self._start = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(
                    self._library.address("start")
                )
                self._ring = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
                    self._library.address("call_all")
                )
            if self._alive() != self.threads - 1:
                self._resize()
        return self.address

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        """Compile the pool's code beside what is done meanwhile."""
        if self._library is not None:
            yield
            return
        jit.vector_bytes()  # imports LLVM here, lest a thread waits for what this one holds
        thread = threading.Thread(target=self._attempt)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _attempt(self) -> None:
        with contextlib.suppress(Exception):  # who needs the pool tries again
            self.prepare()

    def resize(self, threads: int) -> None:
        with self._lock:
            self.threads = threads if _SYSCALL is not None else 1
            if self._library is not None:
                self._resize()

    def _resize(self) -> None:
        if self._alive() > self.threads - 1:
            self._end()
        while self._alive() < self.threads - 1:
            if self._start(self.address):
                self.threads = self._alive() + 1  # the system gives no more
        self._slot(8, self.threads)

    def stop(self) -> None:
        """End the workers: their code may go away."""
        with self._lock:
            if self._library is not None:
                self._end()

    def _end(self) -> None:
        self._slot(8, 1)
        self._word(384, 1)
        while self._alive():
            self._ring(self.address)
        self._word(384, 0)

    def forked(self) -> None:
        """A child process has no workers, until it compiles something itself."""
        self._lock = threading.Lock()
        self._memory[8:] = 0

    def _alive(self) -> int:
        return int(self._memory[388:392].view(np.int32)[0])

    def _slot(self, at: int, value: int) -> None:
        self._memory[at : at + 8].view(np.int64)[0] = value

    def _word(self, at: int, value: int) -> None:
        self._memory[at : at + 4].view(np.int32)[0] = value


POOL = Pool()
atexit.register(POOL.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forked)
