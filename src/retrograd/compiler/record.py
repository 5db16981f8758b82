"""What a plan became, on disk: the next process that records the same graph neither
lowers it nor writes the text of its code, but takes the layout and the code as they are.

A plan is known by its structure: operations, shapes, constants and what is wanted of
them, together with all that decides what is made of it (the compiler's and the
operations' source, LLVM, the processor). Where a part of it cannot be written down, or
NumPy calls lie between the native segments, there is no record.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..ops.op import REGISTRY, Spec
from ..trace import Arg, Bound, Const, State
from . import jit, store
from .segment import Layout, Segment


class Record(NamedTuple):
    """*results* is the buffer in which each wanted state arrives, *target* the leaf
    into whose memory a buffer is written, *moved* are leaves to which a value is copied
    in the end; *checked* says whether an index can lie outside."""

    steps: list[Any]
    results: dict[State, Any]
    target: dict[Any, Any]
    moved: list[Any]
    checked: bool


class Buffer:
    """What stands for the node that made a value."""

    __slots__ = ("spec",)

    def __init__(self, spec: Spec) -> None:
        self.spec = spec


class _Unnamed(Exception):
    """A plan has no name by which another process would know it."""


class Names:
    """The leaves and states of a plan by number, and its name."""

    def __init__(self, plan: Any) -> None:
        self.leaves: list[Any] = []
        self._leaf: dict[Any, int] = {}
        self.state = {s: n for n, s in enumerate(plan.nodes)}
        parts = [_surroundings()]
        for s in plan.nodes:
            op: Any = s.op
            if REGISTRY.get(op.name) != op:  # one of the user's
                raise _Unnamed
            given = [self._operand(k) for k in s.inputs]
            attrs = [f"{k}={_written(v)}" for k, v in s.attrs.items()]
            parts.append(f"{op.name}({','.join(given)};{','.join(attrs)})")
        parts.append(self._all(s for s in self.state if s in plan.wanted))
        parts.append(self._all(k for _, k in plan.outputs))
        parts += [self._all(states) for _, states in plan.bundles]
        parts.append(self._all(k for k in plan.saved if type(k) is State))
        for leaf, value in plan.writes:
            parts.append(f"{self._all((leaf, value))} {leaf in plan.slot}")
        self.name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _all(self, keys: Iterable[Any]) -> str:
        return "wants " + ",".join(map(self._operand, keys))

    def leaf(self, key: Any) -> int:
        found = self._leaf.get(key)
        if found is None:
            found = self._leaf[key] = len(self.leaves)
            self.leaves.append(key)
        return found

    def _operand(self, key: Any) -> str:
        n = self.state.get(key)
        if n is not None:
            return f"%{n}"
        if type(key) is Const:
            return f"{key.spec!r}:{key.value.tobytes().hex()}"
        if type(key) not in (Arg, Bound):
            raise _Unnamed
        return f"{type(key).__name__}{self.leaf(key)}:{key.spec!r}"


def _written(value: Any) -> str:
    """An attribute as text that no other value has."""
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return repr(value)
    if type(value) in (tuple, list):
        return f"{type(value).__name__}({','.join(map(_written, value))})"
    if isinstance(value, (dtypes.dtype, Spec)):
        return f"<{value!r}>"
    raise _Unnamed


@functools.cache
def _surroundings() -> str:
    """All that decides what a structure becomes, beside the structure."""
    package = os.path.dirname(os.path.dirname(__file__))
    sources = []
    for part in ("compiler", "ops"):
        for file in os.scandir(os.path.join(package, part)):
            if file.name.endswith(".py"):
                status = file.stat()
                sources.append((part, file.name, status.st_size, status.st_mtime_ns))
    if not sources:
        raise _Unnamed  # nothing to tell one version from another by
    return repr((sorted(sources), jit.identity()))


def name_of(plan: Any) -> Names | None:
    """The numbers and the name of a plan; None if it cannot have any."""
    try:
        return Names(plan)
    except (_Unnamed, OSError):
        return None


def read(plan: Any, names: Names | None) -> Record | None:
    """What was stored for a plan, ready to run; None if there is nothing."""
    data = store.read(names.name, "plan") if names else None
    if names is None or data is None:
        return None
    try:
        return _restored(plan, names, json.loads(data))
    except (KeyError, IndexError, TypeError, ValueError):  # not what is written here
        return None


def _restored(plan: Any, names: Names, stored: dict[str, Any]) -> Record | None:
    code = jit.stored(stored["code"])
    if code is None:
        return None
    buffers = [
        Buffer(Spec(tuple(shape), dtypes.from_numpy_dtype(np.dtype(kind))))
        for shape, kind in stored["buffers"]
    ]
    step = Segment()
    step.inputs = [names.leaves[n] for n in stored["inputs"]]
    step.outputs = [buffers[n] for n in stored["outputs"]]
    step.layout = Layout(*stored["layout"])
    step.ready(code)
    step.layout = None
    results = {plan.nodes[s]: buffers[b] for s, b in stored["results"]}
    target = {buffers[b]: names.leaves[n] for b, n in stored["target"]}
    moved = [names.leaves[n] for n in stored["moved"]]
    return Record([step], results, target, moved, stored["checked"])


def bare(record: Record) -> Record:
    """What runs of a record, without the kernels and the graph that they came from."""
    if len(record.steps) != 1 or type(record.steps[0]) is not Segment:
        return record
    (full,) = record.steps
    named = (*full.outputs, *record.results.values(), *record.target)
    buffers = {b: Buffer(b.spec) for b in named}
    step = Segment()
    step.inputs, step.outputs = full.inputs, [buffers[b] for b in full.outputs]
    step.fixed, step.bytes, step.count = full.fixed, full.bytes, full.count
    step.code, step.table = full.code, full.table
    step.arena, step.function = full.arena, full.function
    results = {s: buffers[b] for s, b in record.results.items()}
    target = {buffers[b]: leaf for b, leaf in record.target.items()}
    return record._replace(steps=[step], results=results, target=target)


def write(names: Names | None, record: Record) -> None:
    """Store what a plan became, where the next process can find it."""
    if names is None or len(record.steps) != 1 or type(record.steps[0]) is not Segment:
        return
    (step,) = record.steps
    number: dict[Any, int] = {}
    for b in (*step.outputs, *record.results.values(), *record.target):
        number.setdefault(b, len(number))
    stored = {
        "code": step.code.name,
        "buffers": [(b.spec.shape, b.spec.dtype.np.str) for b in number],
        "inputs": [names.leaf(k) for k in step.inputs],
        "outputs": [number[b] for b in step.outputs],
        "layout": step.layout,
        "results": [(names.state[s], number[b]) for s, b in record.results.items()],
        "moved": [names.leaf(k) for k in record.moved],
        "checked": record.checked,
        "target": [(number[b], names.leaf(k)) for b, k in record.target.items()],
    }
    store.write(names.name, json.dumps(stored).encode(), "plan")
