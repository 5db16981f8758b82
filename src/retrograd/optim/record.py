"""A step of an optimizer as one event of the trace.

The first time, the update rule of every parameter is recorded in full; when the same
step comes back, one look-up takes its place. Host numbers (learning rate, bias
corrections) are arguments, so that a schedule never records anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, MutableMapping
from operator import is_
from typing import Any

import numpy as np

from .. import dispatch, mutate
from ..compiler.memory import give_back
from ..dispatch import constant
from ..gradients import Bundle, Gradients, Share
from ..ops.core import Clone
from ..trace import Handle, State, meta_of, settings, spec_of
from .implementations import check_at_step, differentiable_step


class ParamGroup(dict[str, Any]):
    """A group of parameters; counts the writes that change what a step does.

    ``built_in(key, value)`` is what a recorded step has fixed of a hyperparameter: a
    write that leaves it as it is (another learning rate) needs no new recording.
    """

    version = 0

    def __init__(
        self, group: dict[str, Any], built_in: Callable[[str, Any], Any]
    ) -> None:
        super().__init__(group)
        self.built_in = built_in

    def __setitem__(self, key: str, value: Any) -> None:
        settings[0] += 1
        if key not in self or not self._same(key, self[key], value):
            self.version += 1
        super().__setitem__(key, value)

    def _changed(self) -> None:
        self.version += 1
        settings[0] += 1

    def _same(self, key: str, old: Any, new: Any) -> bool:
        before, after = self.built_in(key, old), self.built_in(key, new)
        if before is after:
            return True
        # 1 and True, 0.0 and -0.0 are equal, and any rule treats them alike.
        return isinstance(after, (int, float, tuple)) and bool(before == after)

    def __delitem__(self, key: str) -> None:
        self._changed()
        super().__delitem__(key)

    def clear(self) -> None:
        self._changed()
        super().clear()

    def popitem(self) -> tuple[str, Any]:
        self._changed()
        return super().popitem()

    def pop(self, *key_and_default: Any) -> Any:
        self._changed()
        return super().pop(*key_and_default)

    # A dict's own would write past __setitem__.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault

    def __ior__(self, other: Any) -> ParamGroup:  # type: ignore[override, misc]
        self.update(other)
        return self

    def __reduce__(self) -> Any:
        return ParamGroup, (dict(self), self.built_in)


def bind(tensor: Any) -> None:
    """Let traces know *tensor* by identity."""
    if meta_of(tensor).home is None:
        tensor._value()
        mutate.hold(tensor)


#: bytes of parameters from which it is worth to look for memory
_MUCH = 1 << 19


def _make_room(optimizer: Any) -> None:
    """Before the first step: what building the model took and left goes back to the
    system, as gradients and state come on top of it."""
    params = itertools.chain.from_iterable(
        group["params"] for group in optimizer.param_groups
    )
    if sum(spec_of(p).nbytes for p in params) >= _MUCH:
        give_back()


_writes = itertools.count(1)


class Entry(dict[str, Any]):
    """The state of one parameter; its version tells that others than the optimizer
    wrote to it."""

    def __init__(self, *items: Any) -> None:
        super().__init__(*items)
        self.version = next(_writes)
        settings[0] += 1

    def __setitem__(self, key: str, value: Any) -> None:
        self.version = next(_writes)
        settings[0] += 1
        super().__setitem__(key, value)

    # A dict's own would write past __setitem__.
    update = MutableMapping.update


class Swift:
    """A step that came back, with all that must be as it was for it to come again:
    gradients promised by one backward, the same groups, parameters and state."""

    def __init__(
        self, optimizer: Any, common: Gradients | None, work: list[Any]
    ) -> None:
        self.common = common
        self.state = optimizer.state
        self.groups = [
            (g, g.version, list(g["params"])) for g in optimizer.param_groups
        ]
        self.entries = [(e, e.version) for _, _, _, e, _, _ in work if e]
        places: dict[int, Any] = {}
        for group, param, _, entry, place, _ in work:
            known = places.setdefault(place, (group, param._array.dtype, []))
            known[2].append(entry)
        self.places = [places[i] for i in range(len(places))]
        self.last: list[Any] = [None] * len(places)
        self.numbers: list[list[Handle]] = [[]] * len(places)
        self.settings = -1  # … of all optimizers when ``numbers`` were last worked out
        #: whether the numbers are the same each time, while no option is written to
        self.fixed = not optimizer.counts_steps and not any(
            isinstance(value, Handle)  # which can be changed in place
            for group in optimizer.param_groups
            for value in group.values()
        )

    def covers(self, optimizer: Any) -> bool:
        """Whether the gradients are still those of all the parameters."""
        common, groups = self.common, optimizer.param_groups
        if (common is not None and not common.alive) or len(groups) != len(self.groups):
            return False
        i = 0
        for known, version, params in self.groups:
            group = groups[i]
            if group is not known or group.version != version:
                return False
            now = group["params"]
            if len(now) != len(params) or not all(map(is_, now, params)):
                return False
            i += 1
        return True

    def forgets(self, optimizer: Any) -> bool:
        """Take all gradients away at once, if they still move together."""
        if self.common is None or not self.covers(optimizer):
            return False
        self.common.forget()
        return True

    def same(self, optimizer: Any) -> bool:
        """Whether the parameters, their groups and their state are as they were."""
        return (
            optimizer.state is self.state
            and self.covers(optimizer)
            and all([entry.version == version for entry, version in self.entries])  # noqa: C419 (a list is quicker)
        )

    def prepare(self, optimizer: Any) -> list[int] | None:
        """Bring ``numbers`` up to the next step; the counts it would have, or None if
        those of the parameters differ from before."""
        counts = []
        for i, (group, dtype, entries) in enumerate(self.places):
            count = 1
            if optimizer.counts_steps:
                before = entries[0]["step"]
                for entry in entries:
                    if entry["step"] != before:
                        return None
                count = before + 1
            counts.append(count)
            values = optimizer.scalars(group, count)
            if values != self.last[i]:
                old, known = self.last[i] or (None,) * len(values), self.numbers[i]
                self.last[i] = values
                self.numbers[i] = [
                    known[n] if v == old[n] else constant(np.array(v, dtype))
                    for n, v in enumerate(values)
                ]
        return counts

    def ahead(
        self, optimizer: Any, counts: list[int], steps: int
    ) -> list[list[tuple[Any, ...]]]:
        """The numbers of so many steps from now on, place by place."""
        more = range(steps)
        if not optimizer.counts_steps:
            return [[self.last[i]] * steps for i in range(len(self.places))]
        return [
            [optimizer.scalars(group, count + k) for k in more]
            for count, (group, _, _) in zip(counts, self.places, strict=True)
        ]

    def forget(self) -> None:
        """The numbers are no longer those of the next step."""
        self.settings = -1
        self.last = [None] * len(self.places)

    def count(self, optimizer: Any, counts: list[int]) -> None:
        """Note that the step was made, where steps are counted."""
        write = dict.__setitem__
        for count, (_, _, entries) in zip(counts, self.places, strict=True):
            for entry in entries:
                write(entry, "step", count)

    def step(self, rec: dispatch.Recorder, optimizer: Any) -> bool:
        """Go where the step led before; False if something has changed."""
        promise = self.common.value if self.common is not None else None
        if type(promise) is not Bundle or promise._array is not None:
            return False
        now = settings[0]
        counts: list[int] | None = []
        if now != self.settings:
            if not self.same(optimizer):
                return False
            counts = self.prepare(optimizer)
        elif not self.covers(optimizer):
            return False
        elif not self.fixed:
            counts = self.prepare(optimizer)
        if counts is None:
            return False
        self.settings = now
        edges = optimizer._edges
        edge = rec.state.next.get((edges.token, edges.created, promise._key))
        # A learning rate that was a promise may have made everything run.
        if edge is None or promise._array is not None:
            return False
        for numbers in self.numbers:
            rec.args.extend(numbers)
        if edge in edges.constants:
            rec.args.extend(edges.constants[edge])
        rec.state = edge
        if optimizer.counts_steps:
            self.count(optimizer, counts)
        if rec.capture is not None:
            rec.capture.step(optimizer, self, self.numbers)
        return True


class StepEdges:
    """Remembers where the steps of one optimizer lead; forgotten with it."""

    def __init__(self) -> None:
        self.token = object()
        self.created = 0  # state entries made so far: they change the program
        # Arguments of a recorded step beyond the host numbers: constants of the rule.
        self.constants: dict[Any, list[Handle]] = {}
        self.swift: Swift | None = None

    def step(self, optimizer: Any) -> None:
        """Update every parameter that has a gradient, and run what is pending."""
        rec = dispatch._local.rec
        swift = self.swift
        if swift is None or not swift.step(rec, optimizer):
            check_at_step(optimizer)
            if optimizer._stepped <= 1:  # it has been counted
                _make_room(optimizer)
            before = rec.grad_mode
            if optimizer.defaults.get("differentiable"):
                if rec.capture is not None:
                    rec.capture.refuse("it differentiates through an optimizer's step")
                dispatch.set_mode(True)
                try:
                    differentiable_step(optimizer)
                finally:
                    dispatch.set_mode(before)
                return
            start, epoch = rec.state, rec.epoch
            share = optimizer.param_groups[0]["params"][0]._grad
            promise = share.gradients.value if type(share) is Share else None
            dispatch.set_mode(False)
            try:
                work, numbers = self._step(rec, optimizer)
                made = rec.state
            finally:
                dispatch.set_mode(before)
            if made in self.constants:  # the mode is an event of its own
                self.constants[rec.state] = self.constants[made]
            if type(promise) is Bundle and rec.epoch == epoch and not rec.eager:
                self._learn(optimizer, share.gradients, promise, work, start, rec.state)
            if rec.capture is not None and work:
                rec.capture.step(optimizer, Swift(optimizer, None, work), numbers)
        rec.flush()

    def _learn(
        self,
        optimizer: Any,
        common: Gradients,
        promise: Bundle,
        work: list[Any],
        start: State,
        end: State,
    ) -> None:
        """Remember a step whose gradients one backward promised together."""
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        shares = [param._grad for _, param, _, _, _, _ in work]
        if (
            len(work) == count == common.size
            and common.alive
            and promise._array is None
            and all(type(s) is Share and s.gradients is common for s in shares)
        ):
            self.swift = Swift(optimizer, common, work)
            start.lead((self.token, self.created, promise._key), end)

    def _step(
        self, rec: dispatch.Recorder, optimizer: Any
    ) -> tuple[list[Any], list[list[Any]]]:
        """Record the update of every parameter that has a gradient: what was done, and
        the tensors of its host numbers."""
        signature: list[Any] = []
        numbers: list[Any] = []
        work = []
        for group in optimizer.param_groups:
            signature.append(getattr(group, "version", 0))
            known: dict[Any, int] = {}
            for param in group["params"]:
                grad = param.grad
                if grad is None:
                    signature.append(None)
                    continue
                state = optimizer.state.get(param)
                if not state:
                    state = self._begin(optimizer, group, param)
                elif type(state) is not Entry:
                    state = optimizer.state[param] = Entry(state)
                count = state.get("step", 0) + 1
                dtype = param._array.dtype
                place = known.get((count, dtype))
                if place is None:
                    place = known[count, dtype] = len(numbers)
                    values = optimizer.scalars(group, count)
                    numbers.append([np.array(v, dtype) for v in values])
                signature += (place, param._meta.home, state.version if state else 0)
                work.append((group, param, grad, state, place, count))
        if not work:
            return work, []
        # From here on nothing runs (a learning rate may be a promise): keys stay valid.
        for _, _, grad, _, _, _ in work:
            key = grad._key
            if key is None or key.recorder not in (None, rec):
                key = rec.keys((grad,))[0]
            signature.append(key)
        key = (self.token, self.created, *signature)
        root = rec.state.kind == "root"  # when the gradients were read before
        edge = rec.enter(key) if root else rec.state.next.get(key)
        scalars = [[constant(a) for a in values] for values in numbers]
        if edge is None:
            self._record(rec, optimizer, work, scalars, key)
        else:
            for values in scalars:
                rec.args.extend(values)
            if edge in self.constants:
                rec.args.extend(self.constants[edge])
            rec.state = edge
            if not rec.pending and not rec.writes:
                rec.writes.append(work[0][1])  # or nothing would seem to be pending
        if optimizer.counts_steps:
            for _, _, _, state, _, count in work:
                dict.__setitem__(state, "step", count)
        return work, scalars

    def _begin(self, optimizer: Any, group: Any, param: Any) -> Any:
        """The state of a parameter that was never updated, or that has none."""
        bind(param)
        state = Entry({"step": 0} if optimizer.counts_steps else {})
        state.update(optimizer.init_state(param, group))
        if state:
            self.created += 1
            optimizer.state[param] = state
        for value in state.values():
            if isinstance(value, Handle):
                bind(value)
        return state

    def _record(
        self,
        rec: dispatch.Recorder,
        optimizer: Any,
        work: list[Any],
        scalars: list[list[Any]],
        key: Any,
    ) -> None:
        start, epoch = rec.state, rec.epoch
        rec.hold = True
        outer, rec.group = rec.group, (*rec.group, type(optimizer).__name__)
        for values in scalars:
            for value in values:
                rec.leaf(value)
        known = len(rec.args)
        updates, fresh = [], []
        try:
            for group, param, grad, state, place, _ in work:
                for value in state.values():
                    if isinstance(value, Handle):
                        bind(value)
                new, changed = optimizer.update(
                    param, grad, state, scalars[place], group
                )
                updates.append((param, new))
                for name, value in changed.items():
                    old = state.get(name)
                    if isinstance(value, Handle) and isinstance(old, Handle):
                        updates.append((old, value))
                    else:
                        state[name] = value
                        fresh.append(value)
                if state and param not in optimizer.state:
                    optimizer.state[param] = state
            # all of them fit, or nothing is written
            values = [mutate._fitting(target, value) for target, value in updates]
            for (target, _), value in zip(updates, values, strict=True):
                _write_later(rec, target, value)
        finally:
            rec.hold, rec.group = False, outer
        if fresh:
            self.created += 1
            rec.flush()
            for value in fresh:
                if isinstance(value, Handle):
                    bind(value)
        elif rec.epoch == epoch and not (rec.eager or rec.once):
            start.lead(key, rec.state)
            if len(rec.args) > known:
                self.constants[rec.state] = rec.args[known:]


def _write_later(rec: dispatch.Recorder, target: Any, value: Any) -> None:
    if rec.eager:  # nothing is pending: the value is there
        target.copy_(value)
        return
    if type(value._key) is not State or value._key.recorder is not rec:
        value = dispatch.apply1(Clone, value)
    mutate._later(rec, target, value._key)
