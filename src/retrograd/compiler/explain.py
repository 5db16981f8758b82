"""What a compiled graph consists of, and what each part costs.

Times are measured on copies: parameters as they are, arguments made up, so that nothing
of the program changes.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace import Arg, Bound
from . import jit
from .build import Build, divided
from .fuse import Call, Columns, Kernel, Loop, Product
from .native import NATIVES, Native
from .segment import Segment

#: rounds of which the fastest counts
ROUNDS = 5


@dataclass
class KernelInfo:
    """One kernel: what runs as a whole. Times are nanoseconds."""

    kind: str
    operations: tuple[str, ...]
    lines: tuple[str, ...]  # of the user's program
    shape: tuple[int, ...]
    flops: int
    bytes: int  # read and written, each buffer once
    predicted: float
    measured: float | None = None
    divided: bool = False  # done by all threads


@dataclass
class PlanInfo:
    """A graph as it runs; ``str`` of it is a table."""

    kernels: list[KernelInfo]
    arena: int  # bytes for what lives within a step
    arguments: int  # … for what it is given, parameters included
    results: int  # … for what it delivers
    segments: int  # native functions
    in_place: int  # parameters that are written where they are

    @property
    def peak(self) -> int:
        """The most bytes that a step needs at once, known before it runs."""
        return self.arena + self.arguments + self.results

    @property
    def flops(self) -> int:
        return sum(k.flops for k in self.kernels)

    def __str__(self) -> str:
        head = (
            "kernel",
            "operations",
            "lines",
            "flops",
            "bytes",
            "predicted",
            "measured",
        )
        rows = [head]
        for i, k in enumerate(self.kernels):
            shared = " ∥" if k.divided else ""
            took = "" if k.measured is None else _time(k.measured)
            rows.append((
                f"{i} {k.kind}{shared} {list(k.shape)}", _short(k.operations),
                _short(k.lines, 3), _count(k.flops), _count(k.bytes), _time(k.predicted),
                took,
            ))  # fmt: skip
        widths = [max(len(r[c]) for r in rows) for c in range(len(head))]
        lines = []
        for r in rows:
            cells = [x.ljust(w) if c < 3 else x.rjust(w)
                     for c, (x, w) in enumerate(zip(r, widths, strict=True))]  # fmt: skip
            lines.append("  ".join(cells).rstrip())
        measured = [k.measured for k in self.kernels if k.measured is not None]
        total = f", measured {_time(sum(measured))}" if measured else ""
        lines.append(
            f"{len(self.kernels)} kernels in {self.segments} native "
            f"function{'s' * (self.segments != 1)}, {_count(self.flops)} flops, "
            f"predicted {_time(sum(k.predicted for k in self.kernels))}{total}"
        )
        lines.append(
            f"memory: {_count(self.arguments)}B given, {_count(self.results)}B results, "
            f"{_count(self.arena)}B between, {_count(self.peak)}B at most; "
            f"{self.in_place} parameters written in place"
        )
        return "\n".join(lines)


def _short(words: tuple[str, ...], most: int = 6) -> str:
    """a ×3, b, c, …"""
    counts: dict[str, int] = {}
    for w in words:
        counts[w] = counts.get(w, 0) + 1
    parts = [w if n == 1 else f"{w} ×{n}" for w, n in counts.items()]
    more = f", … {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + more


def _count(n: float) -> str:
    for unit in ("", "k", "M", "G"):
        if n < 1000:
            return f"{n:.3g}{unit}"
        n /= 1000
    return f"{n:.3g}T"


def _time(nanoseconds: float) -> str:
    n = nanoseconds
    for unit in ("ns", "µs", "ms"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} s"


def _kind(kernel: Kernel) -> str:
    if type(kernel) is Loop:
        return "rows" if kernel.decided else "loop"
    return {Columns: "columns", Product: "product", Call: "NumPy"}.get(
        type(kernel), type(kernel).__name__.lower()
    )


def _flops(kernel: Kernel) -> int:
    total = 0
    for node in kernel.nodes:
        if node.op.name == "matmul":
            total += 2 * node.spec.size * node.inputs[0].spec.shape[-1]
        elif not node.op.view and node.op.name not in ("zeros", "clone", "cast"):
            total += max([node.spec.size, *(k.spec.size for k in node.inputs)])
    return total


def explain(native: Native, measure: bool = True) -> PlanInfo:
    """The kernels of a graph, in the order in which they run."""
    infos: list[KernelInfo] = []
    build = native.build
    for step, running in zip(build.steps, native.steps, strict=True):
        if type(step) is not Segment:
            infos.append(_info(build, step, 0.0, False))
            continue
        if not step.stages:
            build.text(step)  # finds them
        times = _measure(running) if measure and jit.is_x86() else None
        for i in step.kernels:
            own = [n for n, (k, _) in enumerate(step.stages) if k == i]
            stages = [step.stages[n][1] for n in own]
            info = _info(build, build.fusion.kernels[i],
                         sum(s.nanoseconds for s in stages),
                         any(map(divided, stages)))  # fmt: skip
            if times is not None:
                info.measured = sum(times[n] for n in own)
            infos.append(info)
    segments = [s for s in build.steps if type(s) is Segment]
    given: dict[Any, int] = {}
    for s in segments:
        for b in s.inputs:
            if type(b) in (Arg, Bound):
                given[b] = b.spec.nbytes
    return PlanInfo(
        infos,
        arena=sum(s.size for s in segments),
        arguments=sum(given.values()),
        results=sum(b.spec.nbytes for s in segments for b in s.outputs),
        segments=len(segments),
        in_place=len(native.direct),
    )


def _info(build: Build, kernel: Kernel, predicted: float, shared: bool) -> KernelInfo:
    inside = set(kernel.nodes)
    buffers = {build.fusion.view(k).buffer for n in kernel.nodes for k in n.inputs}
    moved = sum(b.spec.nbytes for b in buffers - inside)
    moved += sum(n.spec.nbytes for n in kernel.nodes if n in build.outside)
    lines = (n.state.line for n in kernel.nodes if n.state is not None)
    last = kernel.nodes[-1].spec.shape
    return KernelInfo(
        kind=_kind(kernel),
        operations=tuple(n.op.name for n in kernel.nodes),
        lines=tuple(dict.fromkeys(str(line) for line in lines if line)),
        shape=kernel.shape if type(kernel) is Loop else last,
        flops=_flops(kernel),
        bytes=moved,
        predicted=predicted,
        divided=shared,
    )


def _measure(step: Segment) -> list[float]:
    """Nanoseconds of each stage, the fastest of a few rounds."""
    rng = np.random.default_rng(0)
    arrays = []
    for key in step.inputs:
        spec = key.spec
        tensor: Any = key.ref() if type(key) is Bound else None
        if tensor is not None:
            arrays.append(tensor.detach().numpy().copy(order="C"))
        elif spec.dtype.np.kind == "f":
            arrays.append(rng.normal(size=spec.shape).astype(spec.dtype.np))
        else:
            arrays.append(np.zeros(spec.shape, spec.dtype.np))
    arrays += [np.empty(b.spec.shape, b.spec.dtype.np) for b in step.outputs]
    arena = step.room()
    ticks = np.zeros(step.count + 1, np.int64)
    arena[16:24].view(np.int64)[0] = ticks.__array_interface__["data"][0]
    best = np.full(step.count, math.inf)
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        if step.function(*arrays, arena):
            best[:] = math.nan
            break
        took = time.perf_counter_ns() - start
        cycles = int(ticks[-1] - ticks[0])
        best = np.minimum(best, np.diff(ticks) * (took / max(cycles, 1)))
    return [float(t) for t in best]


def joined(infos: list[PlanInfo]) -> PlanInfo:
    """Graphs that run one after the other, as one table."""
    return PlanInfo(
        [k for info in infos for k in info.kernels],
        arena=sum(info.arena for info in infos),
        arguments=sum(info.arguments for info in infos),
        results=sum(info.results for info in infos),
        segments=sum(info.segments for info in infos),
        in_place=sum(info.in_place for info in infos),
    )


def plans() -> list[Native]:
    """The graphs of this process that have become machine code, the newest first.

    Each has ``explain()``, whose text is a table of its kernels: what runs in each,
    from which lines of the program, with operations, bytes and times.
    """
    return sorted(NATIVES, key=lambda n: -n.number)
