"""The reference executor: each op's NumPy ``forward``, in the order of recording.

A :class:`Plan` is made once for a place in the trie and a pattern of live tensors: what
somebody still holds, what a later backward may need, and what memory is written. It is
a list of calls; nothing that nobody waits for is in it, and values are dropped after
their last use.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from .. import dispatch, errors
from ..ops.op import REGISTRY, Array
from ..trace import (
    Arg,
    Bound,
    Const,
    Failed,
    Handle,
    Segment,
    State,
    kept_by,
    memory_of,
    meta_of,
    own,
)

_probe = [object()]
#: the reference count of an object that only the pending list holds
_UNHELD = next(map(sys.getrefcount, _probe))


def view_path(key: Any, stop: Any) -> tuple[tuple[str, Any], ...]:
    """The chain of view operations that leads to *key*, from *stop* or a leaf."""
    steps: list[tuple[str, Any]] = []
    while key is not stop and type(key) is State and key.view:
        op: Any = key.op
        steps.append((op.name, tuple(key.attrs.items())))
        key = key.inputs[0]
    return tuple(reversed(steps))


def follow(array: Array, path: tuple[tuple[str, Any], ...]) -> Array:
    """The NumPy view of *array* at the end of a path."""
    for name, attrs in path:
        array = REGISTRY[name].forward(array, **dict(attrs))
    return array


def kept_values(outputs: list[State], freed: set[State]) -> dict[Any, int]:
    """How many rules ask for each value, if backward starts at *outputs*."""
    kept: dict[Any, int] = {}
    seen: set[State] = set()
    stack = list(outputs)
    while stack:
        state = stack.pop()
        if state in seen or state.op is None:
            continue
        seen.add(state)
        for key in state.inputs:
            if type(key) is State and key.grad:
                stack.append(key)
            elif key.grad:
                kept.setdefault(key, 0)  # a leaf whose gradient is wanted
        for key in kept_by(state) if state not in freed else ():
            kept[key] = kept.get(key, 0) + 1
    return kept


class Plan:
    """The calls that turn the leaves of a trace into the values that are wanted."""

    def __init__(self, rec: dispatch.Recorder, live: list[int]) -> None:
        path = rec.state.path()
        self.outputs = [
            (i, rec.pending[i]._key) for i in live if type(rec.pending[i]._key) is State
        ]
        # Of several writes to one memory the last counts.
        last = {s.inputs[0]: s for s in path if s.kind == "write"}
        self.writes = list(last.values())
        self.freed: set[State] = set()
        self.overwritten: dict[Any, str] = {}
        for s in path:
            if s.kind == "backward":
                self.freed |= s.attrs["freed"]
            elif s.kind in ("write", "inplace"):
                self.overwritten[s.inputs[0]] = s.line
        grads = [k for _, k in self.outputs if k.grad]
        grads += [s.inputs[1] for s in self.writes if getattr(s.inputs[1], "grad", 0)]
        self.kept = kept_values([k for k in grads if type(k) is State], self.freed)
        self.records = bool(grads)
        wanted: set[Any] = {k for _, k in self.outputs}
        wanted |= {s.inputs[1] for s in self.writes} | set(self.kept)
        self._compile(path, wanted)

    def _compile(self, path: list[State], wanted: set[Any]) -> None:
        needed = set(wanted)
        nodes: list[State] = []
        for state in reversed(path):
            if state.kind == "op" and state in needed:
                nodes.append(state)
                needed.update(state.inputs)
        nodes.reverse()
        self.slot: dict[Any, int] = {}
        self.args: list[tuple[int, int]] = []
        self.bound: list[tuple[int, Any]] = []
        self.template: list[Any] = []
        for key in sorted(needed, key=_order):
            self.slot[key] = n = len(self.template)
            self.template.append(key.value if type(key) is Const else None)
            if type(key) is Arg:
                self.args.append((n, key.index))
            elif type(key) is Bound:
                self.bound.append((n, key))
        last: dict[Any, int] = {}
        for n, state in enumerate(nodes):
            for key in (*state.inputs, state):
                last[key] = n
        self.nodes = nodes
        self.calls: list[Any] = []
        for n, state in enumerate(nodes):
            op: Any = state.op
            call = functools.partial(op.forward, **state.attrs) if state.attrs else None
            drop = tuple(
                self.slot[k]
                for k in {*state.inputs, state}
                if last[k] == n and k not in wanted and type(k) is not Const
            )
            ins = tuple(self.slot[k] for k in state.inputs)
            self.calls.append((call or op.forward, ins, self.slot[state], drop))

    def run(self, rec: dispatch.Recorder) -> None:
        """Compute, give every live tensor its array, write memory, keep a segment."""
        values = self.template.copy()
        args, snapshots = rec.args, rec.snapshots
        for n, i in self.args:
            values[n] = args[i]._array
        if snapshots:
            for n, i in self.args:
                if i in snapshots:
                    values[n] = snapshots[i]
        for n, key in self.bound:
            values[n] = key.ref()._array
        failures: dict[int, BaseException] = {}
        with np.errstate(all="ignore"):
            try:
                for call, ins, out, drop in self.calls:
                    if len(ins) == 2:
                        values[out] = call(values[ins[0]], values[ins[1]])
                    elif len(ins) == 1:
                        values[out] = call(values[ins[0]])
                    else:
                        values[out] = call(*[values[i] for i in ins])
                    for i in drop:
                        values[i] = None
            except Exception:
                failures = self._run_what_can(rec, values)
        self._deliver(rec, values, failures)
        if failures:
            raise next(iter(failures.values()))

    def _run_what_can(
        self, rec: dispatch.Recorder, values: list[Any]
    ) -> dict[int, BaseException]:
        """After an error: compute what does not depend on the failing operation."""
        failures: dict[int, BaseException] = {}
        values[:] = self.template
        for n, i in self.args:
            values[n] = rec.snapshots.get(i, rec.args[i]._array)
        for n, key in self.bound:
            values[n] = key.ref()._array
        for (call, ins, out, _), state in zip(self.calls, self.nodes, strict=True):
            broken = [failures[i] for i in ins if i in failures]
            if broken:
                failures[out] = broken[0]
                continue
            try:
                values[out] = call(*[values[i] for i in ins])
            except Exception as error:
                specs = ", ".join(repr(k.spec) for k in state.inputs)
                what = f"in {state.op.name}({specs}) at {state.line}"  # type: ignore[union-attr]
                failures[out] = errors.at(error, what)
        return failures

    def _deliver(
        self, rec: dispatch.Recorder, values: list[Any], failures: dict[int, Any]
    ) -> None:
        pending, slot = rec.pending, self.slot
        segment = self._segment(rec, values, failures) if self.records else None
        taken: set[int] = set()
        leaves = {id(t._array) for t in rec.args} if self.outputs else taken
        aliases: list[tuple[Handle, Any]] = []
        made: list[tuple[Handle, Any, Any]] = []
        delivered = {id(pending[i]) for i, _ in self.outputs}
        for i, key in self.outputs:
            tensor = pending[i]
            n = slot[key]
            if n in failures:
                made.append((tensor, Failed(key.spec, failures[n]), None))
                continue
            meta = tensor._meta
            if meta is not None and meta.base is not None:
                if meta.base._array is not None or id(meta.base) in delivered:
                    aliases.append((tensor, key))
                    continue
                meta.base = None  # the whole is nobody's: the part stands alone
            if tensor._array is not None:
                continue  # its memory is written below
            array = values[n]
            if type(array) is not np.ndarray or array.base is not None:
                array = own(array, key.spec)
            elif (
                id(array) in taken
                or id(array) in leaves
                or _is_bound(array, self, values)
            ):
                array = array.copy()
            taken.add(id(array))
            made.append((tensor, key, array))
        for state in () if failures else self.writes:
            target, value = state.inputs
            owner: Any = (
                target.ref() if type(target) is Bound else rec.args[target.index]
            )
            np.copyto(owner._array, values[slot[value]], casting="unsafe")
            memory_of(owner)[0] += 1
        paths = [
            (t, k, view_path(k, t._meta.base._key))  # type: ignore[union-attr]
            for t, k in aliases
        ]
        for tensor, key, array in made:
            if array is None:
                tensor._key = key
                continue
            tensor._key, tensor._array = None, array
            if key.grad:
                meta_of(tensor).history = (segment, key)  # type: ignore[assignment]
        for tensor in rec.writes:
            self._settle(tensor, segment, failures)
        for tensor, key, steps in paths:
            meta = meta_of(tensor)
            base: Any = meta.base
            if type(base._key) is Failed or base._array is None:
                tensor._key = Failed(key.spec, next(iter(failures.values())))
                continue
            meta.path = (*meta.path, *steps)
            tensor._key, tensor._array = None, follow(base._array, meta.path)
            if type(tensor._array) is not np.ndarray:
                tensor._array = np.asarray(tensor._array)
            meta.seen = memory_of(tensor)[0]
            if key.grad:
                meta.history = (segment, key)  # type: ignore[assignment]

    def _settle(self, tensor: Handle, segment: Any, failures: dict[int, Any]) -> None:
        """A tensor whose memory was written is a leaf again, or has a history."""
        key = tensor._key
        meta = meta_of(tensor)
        tensor._key = meta.home
        if type(key) is State and key.grad and not failures:
            meta.history = (segment, key)
        meta.seen = memory_of(tensor)[0]

    def _segment(
        self, rec: dispatch.Recorder, values: list[Any], failures: dict[int, Any]
    ) -> Segment:
        segment = Segment()
        segment.freed = set(self.freed)
        segment.overwritten = self.overwritten
        segment.hooks = rec.hooks
        segment.uses = dict(self.kept)
        kept: list[Any] = list(self.kept)
        for key in kept:
            if type(key) is Arg or type(key) is Bound:
                leaf: Any = key
                tensor = rec.args[leaf.index] if type(key) is Arg else leaf.ref()
                segment.saved[key] = tensor
                segment.versions[key] = memory_of(tensor)[0]
                meta = tensor._meta
                if meta is not None and meta.history is not None:
                    segment.histories[key] = meta.history
            elif self.slot[key] not in failures:
                segment.saved[key] = values[self.slot[key]]
        return segment


def _is_bound(array: Any, plan: Plan, values: list[Any]) -> bool:
    return any(values[n] is array for n, _ in plan.bound)


def _order(key: Any) -> tuple[int, int]:
    if type(key) is State:
        return (1, key.depth)
    return (0, key.index if type(key) is Arg else -1)


def run_pending(rec: dispatch.Recorder) -> None:
    """Run the trace of *rec* for the tensors that somebody still holds."""
    if rec.running:
        return
    pending = rec.pending
    state = rec.state
    if state.kind in ("root", "line"):  # nothing was recorded
        _forget(rec)
        return
    rec.running = True
    try:
        counts = tuple(map(sys.getrefcount, pending))
        if state.plans is None:
            state.plans = {}
        plan = state.plans.get(counts)
        if plan is None:
            if len(state.plans) > 32:
                state.plans.clear()
            plan = Plan(rec, _live(pending, counts))
            if not rec.eager:
                state.plans[counts] = plan
        plan.run(rec)
    finally:
        _forget(rec)
        rec.running = False


def _live(pending: list[Handle], counts: tuple[int, ...]) -> list[int]:
    """Positions of tensors held from outside; a dead view does not hold its base."""
    held = dict(zip(map(id, pending), counts, strict=True))
    for i in range(len(pending) - 1, -1, -1):
        meta = pending[i]._meta
        if meta is not None and meta.base is not None:
            if held[id(pending[i])] <= _UNHELD and id(meta.base) in held:
                held[id(meta.base)] -= 1
    return [i for i, t in enumerate(pending) if held[id(t)] > _UNHELD]


def _forget(rec: dispatch.Recorder) -> None:
    for tensor in rec.args:
        if type(tensor._key) is Arg:
            tensor._key = None
    for tensor in rec.writes:
        tensor._key = meta_of(tensor).home
    rec.reset()


def materialize_foreign(tensor: Handle, key: State) -> None:
    """Compute, from here, a tensor that is pending in another thread.

    The other thread's trace is read, never changed: its arguments are a list that only
    grows, and a new list takes its place when that thread runs.
    """
    other = key.recorder
    while tensor._key is key:
        args, snapshots = other.args, other.snapshots
        if tensor._key is not key:
            break
        stand_in = dispatch.Recorder()
        stand_in.args, stand_in.snapshots = args[:], snapshots
        stand_in.state = key
        copy = object.__new__(type(tensor))
        copy._key, copy._array, copy._grad, copy._meta = key, None, None, None
        stand_in.pending = [copy]
        Plan(stand_in, [0]).run(stand_in)
        if tensor._key is key:
            if copy._meta is not None:
                meta_of(tensor).history = copy._meta.history
            tensor._array, tensor._key = copy._array, None


dispatch._run = run_pending
