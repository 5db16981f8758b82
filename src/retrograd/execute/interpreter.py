"""The reference executor: each op's NumPy ``forward``, in the order of recording.

A :class:`Plan` is made once for a place in the trie and a pattern of live tensors: what
somebody still holds, what a later backward may need, and what memory is written. It is
a list of calls; nothing that nobody waits for is in it, and values are dropped after
their last use.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from sys import getrefcount
from typing import Any

import numpy as np

from .. import dispatch, errors
from ..gradients import Bundle
from ..ops.op import REGISTRY, Array
from ..trace import (
    Arg,
    Bound,
    Branch,
    Const,
    Failed,
    Handle,
    Meta,
    Segment,
    State,
    base_path,
    kept_by,
    memory_of,
    meta_of,
    version_of,
    way_back,
)
from . import cache
from .schedule import Call, schedule
from .usual import usual

_NOTHING = nullcontext()
_probe = [object()]
#: the reference count of an object that only the pending list holds
UNHELD = next(map(getrefcount, _probe))


def view_path(key: Any, stop: Any) -> tuple[tuple[str, Any], ...]:
    """The chain of view operations that leads to *key*, from *stop* or a leaf."""
    steps: list[tuple[str, Any]] = []
    while key is not stop and type(key) is State and key.view:
        op: Any = key.op
        if (
            op.name != "_overwrite"
        ):  # which says where the history is, and moves nothing
            steps.append((op.name, tuple(key.attrs.items())))
        key = key.inputs[0]
    return tuple(reversed(steps))


def whole_path(key: Any, meta: Meta) -> tuple[tuple[str, Any], ...]:
    """The chain of view operations from the base of an alias to *key*, its key."""
    base: Any = meta.base
    if type(key) is not State:
        return base_path(meta)
    turns = () if base._meta is None else base._meta.turns
    #: what the base was, and is now
    stops = [*(before for _, before in turns), base._key]
    state = key
    while state not in stops and type(state) is State and state.view:
        state = state.inputs[0]
    steps = view_path(key, state)
    if state in stops:
        return way_back(base, stops.index(state)) + steps
    # else it began at a view that has a path to the base itself
    return base_path(meta) + steps


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
        pending = rec.pending
        self.outputs = [
            (i, pending[i]._key) for i in live if type(pending[i]._key) is State
        ]
        self.bundles = [
            (i, tuple(s for _, s in pending[i]._key.leaves))
            for i in live
            if type(pending[i]) is Bundle
        ]
        # Of several writes to one memory the last counts.
        last = {s.inputs[0]: s for s in path if s.kind == "write"}
        self.writes = [s.inputs for s in last.values()]
        self.freed: set[State] = set()
        self.overwritten: dict[Any, str] = {}
        for s in path:
            if s.kind == "backward":
                self.freed |= s.attrs["freed"]
            elif s.kind in ("write", "inplace"):
                self.overwritten[s.inputs[0]] = s.line
        grads = [k for _, k in self.outputs if k.grad]
        grads += [value for _, value in self.writes if getattr(value, "grad", 0)]
        grads += [s.inputs[0] for s in path if s.kind == "settle" and s.inputs[0].grad]
        self.kept = kept_values([k for k in grads if type(k) is State], self.freed)
        # A long-lived leaf is found again by its key.
        self.saved = [k for k, uses in self.kept.items() if uses or type(k) is Arg]
        self.records = bool(grads)
        wanted: set[Any] = {k for _, k in self.outputs}
        wanted.update(*(states for _, states in self.bundles))
        wanted |= {value for _, value in self.writes} | set(self.saved)
        self.wanted = wanted
        self.runs, self.last, self.before, self.returns = 0, 0, 0, 0.0
        self.native: Any = None  # the machine code, once there is some; False: never
        #: what runs it, where it is one native call
        self.usual: Callable[[Any, dispatch.Recorder], bool] | None = None
        self.ends: Any = None  # tells that a leaf is gone
        self.pooled = 0  # how often the executor itself holds what it delivers
        self._compile(path, wanted)

    def _compile(self, path: list[State], wanted: set[Any]) -> None:
        needed = set(wanted)
        nodes: list[State] = []
        for state in reversed(path):
            if state in needed and state.kind == "op":
                nodes.append(state)
                needed.update(state.inputs)
        nodes.reverse()
        slot: dict[Any, int] = {}
        self.slot = slot
        self.args: list[tuple[int, int]] = []
        self.bound: list[tuple[int, Any]] = []
        self.template: list[Any] = []
        for key in sorted([k for k in needed if type(k) is not State], key=_order):
            slot[key] = n = len(self.template)
            self.template.append(key.value if type(key) is Const else None)
            if type(key) is Arg:
                self.args.append((n, key.index))
            elif type(key) is Bound:
                self.bound.append((n, key))
        first = len(slot)
        slot.update({state: first + i for i, state in enumerate(nodes)})
        self.template += [None] * len(nodes)
        self.nodes = nodes
        #: the interpreter's, while it is the one that runs them
        self.calls: list[Call] = []
        self.states: list[State] = []

    # -- computing ------------------------------------------------------------------

    def run(self, rec: dispatch.Recorder) -> None:
        """Compute, give every live tensor its array, write memory, keep a segment."""
        if self.native is None:
            self._consider_native(rec)
        native = self.native
        if native and self._run_native(rec, native):
            return
        calls, states = self.calls, self.states
        if not calls:
            calls, states = schedule(self)
            if self.runs > 1:  # most of what comes once never comes back
                self.calls, self.states = calls, states
        values = self._leaves(rec)
        failures: dict[int, BaseException] = {}
        done: list[Any] = []  # memory that is written already
        with np.errstate(all="ignore"):
            try:
                for call, ins, out, drop, put, over in calls:
                    if over:
                        room = self._room(rec, values, over, done)
                        values[out] = call(*[values[i] for i in ins], out=room)
                        room = None
                    elif len(ins) == 2:
                        values[out] = call(values[ins[0]], values[ins[1]])
                    elif len(ins) == 1:
                        values[out] = call(values[ins[0]])
                    else:
                        values[out] = call(*[values[i] for i in ins])
                    for i in drop:
                        values[i] = None
                    if put and not rec.snapshots:
                        done += [t for t, k in put if self._take(rec, values, t, k)]
            except Exception:
                if done:
                    raise
                failures = self._run_what_can(rec, values, calls, states)
        self.pooled = 0
        writes = self.writes
        if done:
            writes = [w for w in writes if w[0] not in done]
        self._deliver(rec, values, failures, writes)
        if failures:
            raise next(iter(failures.values()))

    def _consider_native(self, rec: dispatch.Recorder) -> None:
        """Compile what has come back often enough."""
        self.runs += 1
        if cache.wants_native(self, rec):
            self.native = cache.native(self)
            if self.native:  # made again, should the interpreter be needed
                self.calls, self.states = [], []
                self.usual = usual(self)
                self._end_with_leaves()

    def _end_with_leaves(self) -> None:
        """Nothing leads here again when a long-lived leaf is gone: the memory that the
        machine code keeps between its runs goes with it."""
        lasting = [k for _, k in self.bound]
        lasting += [k for k, _ in self.writes if type(k) is Bound]
        if lasting:
            plan = weakref.ref(self)

            def end(_: Any) -> None:
                found = plan()
                if found is not None:
                    found.native, found.usual = False, None

            self.ends = weakref.ref(lasting[0].ref(), end)

    def _run_native(self, rec: dispatch.Recorder, native: Any) -> bool:
        """Run the machine code; False if this time the interpreter has to."""
        values = self._leaves(rec)
        with np.errstate(all="ignore") if native.calls else _NOTHING:
            try:
                if not native.run(values):
                    return False
            except Exception:
                return False  # the interpreter says which operation failed, and where
        self.pooled = 1
        self._deliver(rec, values, {}, native.left)
        for leaf in native.direct:
            owner: Any = leaf.ref() if type(leaf) is Bound else rec.args[leaf.index]
            memory_of(owner)[0] += 1
        return True

    def _leaves(self, rec: dispatch.Recorder) -> list[Any]:
        """The values before anything is computed: those of the leaves."""
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
        return values

    def _run_what_can(
        self,
        rec: dispatch.Recorder,
        values: list[Any],
        calls: list[Call],
        states: list[State],
    ) -> dict[int, BaseException]:
        """After an error: compute what does not depend on the failing operation."""
        failures: dict[int, BaseException] = {}
        values[:] = self._leaves(rec)
        for (call, ins, out, *_), state in zip(calls, states, strict=True):
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

    # -- giving the values to those who hold promises of them ------------------------

    def _deliver(
        self,
        rec: dispatch.Recorder,
        values: list[Any],
        failures: dict[int, Any],
        writes: list[Any],
    ) -> None:
        pending, slot = rec.pending, self.slot
        aliases: list[tuple[Handle, Any]] = []
        made: list[tuple[Handle, Any, Any]] = []
        for i, key in self.outputs:
            tensor = pending[i]
            n = slot[key]
            if n in failures:
                made.append((tensor, Failed(key.spec, failures[n]), None))
                continue
            meta = tensor._meta
            if meta is not None and meta.base is not None:
                if meta.base._array is not None or self._delivers(pending, meta.base):
                    aliases.append((tensor, key))
                    continue
                # the whole is nobody's: the part stands alone
                meta.memory, meta.base = memory_of(meta.base), None
            if tensor._array is not None:
                continue  # its memory is written below
            array = values[n]
            if not fresh(array, 0):
                array = np.array(array, dtype=key.spec.dtype.np, order="C")
                values[n] = array  # what is saved is what the user holds
            made.append((tensor, key, array))
        segment = self._segment(rec, values, failures) if self.records else None
        for i, states in self.bundles:
            arrays = []
            for state in states:
                n = slot[state]
                if n in failures:
                    failed = Failed(state.spec, failures[n])
                    arrays.append(dispatch.stand_in(failed))
                    continue
                array = values[n]
                if not fresh(array, self.pooled):
                    array = np.array(array, dtype=state.spec.dtype.np, order="C")
                    values[n] = array  # so that the other one is free
                arrays.append(array)
            pending[i]._array = arrays
        lost = self._after(failures, writes) if failures else set()
        self._write(rec, values, [w for w in writes if w[1] not in lost])
        paths = [(t, k, whole_path(k, meta_of(t))) for t, k in aliases]
        for tensor, key, array in made:
            if array is None:
                tensor._key = key
                continue
            tensor._key, tensor._array = None, array
            if key.inference:
                meta_of(tensor).inference = True
            if key.grad:
                meta_of(tensor).history = (segment, key)  # type: ignore[assignment]
        for tensor in rec.writes:
            self._settle(tensor, segment, lost)
        for tensor, key, steps in paths:
            meta = meta_of(tensor)
            base: Any = meta.base
            if type(base._key) is Failed or base._array is None:
                tensor._key = Failed(key.spec, next(iter(failures.values())))
                continue
            meta.path = steps
            meta.since = 0 if base._meta is None else len(base._meta.turns)
            tensor._key, tensor._array = None, follow(base._array, meta.path)
            if type(tensor._array) is not np.ndarray:
                tensor._array = np.asarray(tensor._array)
            meta.seen = memory_of(tensor)[0]
            meta.inference = key.inference
            if key.grad:
                meta.history = (segment, key)  # type: ignore[assignment]

    def _delivers(self, pending: list[Handle], tensor: Any) -> bool:
        return any(pending[i] is tensor for i, _ in self.outputs)

    def _write(
        self, rec: dispatch.Recorder, values: list[Any], writes: list[Any]
    ) -> None:
        """Memory that was written to takes its new value."""
        for target, key in writes:
            if not self._take(rec, values, target, key):
                owner: Any = (
                    target.ref() if type(target) is Bound else rec.args[target.index]
                )
                np.copyto(owner._array, values[self.slot[key]], casting="unsafe")
                memory_of(owner)[0] += 1

    def _room(
        self, rec: dispatch.Recorder, values: list[Any], over: Any, done: list[Any]
    ) -> Any:
        """The memory of an operand, or of a leaf that is written to, which nobody needs
        after the call, or None. That of a leaf is part of what is *done*: there is no
        way back."""
        for slots, leaf in over:
            owner: Any = None
            if leaf is None:
                array = values[slots[0]]
            elif rec.snapshots:
                continue
            else:
                owner = leaf.ref() if type(leaf) is Bound else rec.args[leaf.index]
                array = owner._array
            if type(array) is not np.ndarray or array.base is not None:
                continue
            # the slots, the tensor, the name here, and getrefcount's argument
            known = 2 + (owner is not None)
            for i in slots:
                known += values[i] is array
            if getrefcount(array) <= known and array.flags.writeable:
                if owner is not None:
                    done.append(None)
                return array
        return None

    def _take(
        self, rec: dispatch.Recorder, values: list[Any], target: Any, key: Any
    ) -> bool:
        """Let a tensor take over the array of its new value, where nobody else holds
        this or the old one."""
        owner: Any = target.ref() if type(target) is Bound else rec.args[target.index]
        if target in self.slot:
            values[self.slot[target]] = None
        value = values[self.slot[key]]
        if value is owner._array:  # it was computed in place
            memory_of(owner)[0] += 1
            return True
        # the slot of the tensor, and the argument of getrefcount
        if (
            not fresh(value, 0)
            or getrefcount(owner._array) > 2
            or owner._array.base is not None
            or value.dtype is not owner._array.dtype
        ):
            return False
        owner._array = value
        memory_of(owner)[0] += 1
        return True

    def _after(self, failures: dict[int, Any], writes: list[Any]) -> set[Any]:
        """The values that memory does not take: those recorded since the operation that
        failed, where a program that runs line by line would have stopped."""
        first = min(s.depth for s in self.nodes if self.slot[s] in failures)
        return {k for _, k in writes if type(k) is State and k.depth >= first}

    def _settle(self, tensor: Handle, segment: Any, lost: set[Any]) -> None:
        """A tensor whose memory was written is a leaf again, or has a history."""
        key = tensor._key
        meta = meta_of(tensor)
        tensor._key = meta.home
        if type(key) is State and key.grad and key not in lost:
            meta.history = (segment, key)
        meta.seen = memory_of(tensor)[0]

    def _segment(
        self, rec: dispatch.Recorder, values: list[Any], failures: dict[int, Any]
    ) -> Segment:
        segment = Segment(self, rec.hooks)
        for key in self.saved:
            if type(key) is State and self.slot[key] in failures:
                continue
            self._save(segment, rec, key, values[self.slot[key]])
        if rec.saving is not None:
            rec.saving.made.append(segment)
        if rec.capture is not None:
            rec.capture.saved[len(rec.capture.runs) - 1] = dict(segment.saved)
        return segment

    def _save(
        self, segment: Segment, rec: dispatch.Recorder, key: Any, value: Any
    ) -> None:
        """Keep a value of the forward pass, or a leaf, for a later backward."""
        if type(key) is State:
            segment.saved[key] = value
            return
        tensor = rec.args[key.index] if type(key) is Arg else key.ref()
        segment.saved[key] = tensor
        segment.versions[key] = version_of(tensor)
        meta = tensor._meta
        if meta is not None and meta.history is not None:
            segment.histories[key] = meta.history


def fresh(array: Any, pooled: int) -> bool:
    """Whether *array*, a value of the run, is an array that nobody else holds (but
    for the executor's *pooled* references)."""
    # the list of values, the name in the caller, the one here, and getrefcount's
    return (
        type(array) is np.ndarray
        and getrefcount(array) <= 4 + pooled
        and array.base is None
        and array.flags.c_contiguous
    )


def _order(key: Any) -> int:
    return key.index if type(key) is Arg else -1


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
        counts = tuple(map(getrefcount, pending))
        if state.plans is None:
            state.plans = {}
        plan = state.plans.get(counts)
        if plan is None:
            if len(state.plans) > 32:
                state.plans.clear()
            plan = Plan(rec, _live(pending, counts))
            if type(state.first) is Branch:
                state.first.planned += 1
            if not (rec.eager or rec.once):
                state.plans[counts] = plan
        if rec.capture is not None:
            rec.capture.runs.append((plan, rec.args[:], pending[:]))
        if plan.usual is None or not plan.usual(plan, rec):
            plan.run(rec)
    finally:
        _forget(rec)
        rec.running = False
    if rec.saving is not None:
        rec.saving.pack()


def _live(pending: list[Handle], counts: tuple[int, ...]) -> list[int]:
    """Positions of tensors held from outside; a dead view does not hold its base."""
    held = dict(zip(map(id, pending), counts, strict=True))
    for i in range(len(pending) - 1, -1, -1):
        meta = pending[i]._meta
        if meta is not None and meta.base is not None:
            if held[id(pending[i])] <= UNHELD and id(meta.base) in held:
                held[id(meta.base)] -= 1
    return [i for i, t in enumerate(pending) if held[id(t)] > UNHELD]


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
        stand_in.orphans = other.orphans[:]
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
