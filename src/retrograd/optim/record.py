"""A step of an optimizer as one event of the trace.

The first time, the update rule of every parameter is recorded in full; when the same
step comes back, one look-up takes its place. Host numbers (learning rate, bias
corrections) are arguments, so that a schedule never records anew.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np

from .. import dispatch, mutate
from ..dispatch import constant
from ..ops.core import Clone
from ..trace import Handle, State, meta_of


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
        if key not in self or not self._same(key, self[key], value):
            self.version += 1
        super().__setitem__(key, value)

    def _same(self, key: str, old: Any, new: Any) -> bool:
        before, after = self.built_in(key, old), self.built_in(key, new)
        if before is after:
            return True
        # 1 and True, 0.0 and -0.0 are equal, and any rule treats them alike.
        return isinstance(after, (int, float, tuple)) and bool(before == after)

    def __delitem__(self, key: str) -> None:
        self.version += 1
        super().__delitem__(key)

    def clear(self) -> None:
        self.version += 1
        super().clear()

    def popitem(self) -> tuple[str, Any]:
        self.version += 1
        return super().popitem()

    def pop(self, *key_and_default: Any) -> Any:
        self.version += 1
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
        mutate.rebind(tensor)


class StepEdges:
    """Remembers where the steps of one optimizer lead; forgotten with it."""

    def __init__(self) -> None:
        self.token = object()
        self.created = 0  # state entries made so far: they change the program
        # Arguments of a recorded step beyond the host numbers: constants of the rule.
        self.constants: dict[Any, list[Handle]] = {}

    def step(self, optimizer: Any) -> None:
        """Update every parameter that has a gradient, and run what is pending."""
        rec = dispatch.recorder()
        before = rec.grad_mode
        dispatch.set_mode(False)
        try:
            self._step(rec, optimizer)
        finally:
            dispatch.set_mode(before)
        rec.flush()

    def _step(self, rec: dispatch.Recorder, optimizer: Any) -> None:
        signature: list[Any] = []
        numbers: list[Any] = []
        work = []
        for group in optimizer.param_groups:
            signature.append(getattr(group, "version", 0))
            known: dict[Any, int] = {}
            for param in group["params"]:
                grad = param._grad
                if grad is None:
                    signature.append(None)
                    continue
                state = optimizer.state.get(param)
                if not state:
                    state = self._begin(optimizer, group, param)
                count = state.get("step", 0) + 1
                dtype = param._array.dtype
                place = known.get((count, dtype))
                if place is None:
                    place = known[count, dtype] = len(numbers)
                    values = optimizer.scalars(group, count)
                    numbers.append([np.array(v, dtype) for v in values])
                signature += (place, param._meta.home)
                work.append((group, param, grad, state, place, count))
        if not work:
            return
        # From here on nothing runs (a learning rate may be a promise): keys stay valid.
        for _, _, grad, _, _, _ in work:
            key = grad._key
            if key is None or key.recorder not in (None, rec):
                key = rec.keys((grad,))[0]
            signature.append(key)
        key = (self.token, self.created, *signature)
        root = rec.state.kind == "root"  # when the gradients were read before
        edge = rec.enter(key) if root else rec.state.next.get(key)
        if edge is None:
            self._record(rec, optimizer, work, numbers, key)
        else:
            rec.args.extend(constant(a) for values in numbers for a in values)
            if edge in self.constants:
                rec.args.extend(self.constants[edge])
            rec.state = edge
            if not rec.pending and not rec.writes:
                rec.writes.append(work[0][1])  # or nothing would seem to be pending
        if optimizer.counts_steps:
            for _, _, _, state, _, count in work:
                state["step"] = count

    def _begin(self, optimizer: Any, group: Any, param: Any) -> Any:
        """The state of a parameter that was never updated, or that has none."""
        bind(param)
        state = {"step": 0} if optimizer.counts_steps else {}
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
        numbers: list[Any],
        key: Any,
    ) -> None:
        start, epoch = rec.state, rec.epoch
        rec.hold = True
        outer, rec.group = rec.group, (*rec.group, type(optimizer).__name__)
        scalars = [[constant(a) for a in values] for values in numbers]
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
            for target, value in updates:
                _write_later(rec, target, value)
        finally:
            rec.hold, rec.group = False, outer
        if fresh:
            self.created += 1
            rec.flush()
            for value in fresh:
                if isinstance(value, Handle):
                    bind(value)
        elif rec.epoch == epoch and not rec.eager:
            start.next[key] = rec.state
            if len(rec.args) > known:
                self.constants[rec.state] = rec.args[known:]


def _write_later(rec: dispatch.Recorder, target: Any, value: Any) -> None:
    if rec.eager:  # nothing is pending: the value is there
        target.copy_(value)
        return
    fitted = mutate._fitting(target, value)
    if type(fitted._key) is not State or fitted._key.recorder is not rec:
        fitted = dispatch.apply1(Clone, fitted)
    mutate._later(rec, target, fitted._key)
