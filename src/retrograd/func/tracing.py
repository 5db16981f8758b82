"""What the transformations have in common: a function is recorded, then rewritten.

Within a :class:`Trace` a function records its operations as always, but nothing is run:
what it did is the path of the trie from where the trace began to where it ended, and a
transformation (``vmap``, ``jvp``) is a walk along that path. So a transformation nests
in any other: what it records is recorded work like any other. The rewritten program is
remembered at the place where the recorded one ends, as one event.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import getrefcount
from typing import Any

import numpy as np

from .. import backward as _backward
from .. import dispatch, errors
from ..ops.core import Release
from ..ops.op import Array, Spec
from ..trace import Arg, Bound, Const, Failed, Handle, Jump, State

_DATA_DEPENDENT = (
    "vmap: the value of a tensor that is mapped over was asked for (.item(), .tolist(), "
    ".numpy(), an if or a while, or a function whose result has a shape that depends on "
    "the values): it is another one for each example. Use rg.where instead of if, or "
    "keep the decision outside of vmap"
)
_ESCAPED = (
    "this tensor was made inside of a function under vmap and stands for one example of "
    "many; it has no value outside. Return it from the function instead"
)


class Trace:
    """Records a function without running anything; ``with`` this one around it.

    A value that is asked for is computed on the side, unless it depends on a
    placeholder.
    """

    #: the function is called once and its state must be that of one call
    closed = True

    def __init__(self, size: int | None = None, randomness: str = "same") -> None:
        self.size, self.randomness = size, randomness
        self.rec = dispatch.recorder()

    def __enter__(self) -> Trace:
        rec = self.rec
        self.outer: Trace | None = rec.tracing
        if self.outer is None and rec.full():
            rec.flush()
        self.values: dict[Any, Array] = {} if self.outer is None else self.outer.values
        self.pending, self.arguments = len(rec.pending), len(rec.args)
        self.start = rec.state
        self.placeholders: set[State] = set()
        rec.tracing = self
        return self

    def stop(self) -> None:
        """The function has been recorded; what follows rewrites it."""
        self.end = self.rec.state

    def __exit__(self, kind: Any, *exc: object) -> None:
        rec = self.rec
        if kind is not None:
            self.stop()
            self.clean_up()
        rec.tracing = self.outer
        if rec.eager and self.outer is None:
            rec.flush()

    # -- while the function is recorded ----------------------------------------------

    def placeholder(self, spec: Spec, grad: bool) -> Any:
        """A tensor without a value: one example of many."""
        rec = self.rec
        key = ("input", spec, grad)
        edge = rec.state.next.get(key)
        if edge is None:
            edge = rec.enter(key)
        if edge is None:
            start = rec.state
            edge = rec.event("input", spec=spec, grad=int(grad))
            if not rec.eager:
                start.lead(key, edge)
        rec.state = edge
        self.placeholders.add(edge)
        return rec.handle(edge)

    def read(self, key: State) -> Array:
        """The value of a pending tensor, computed on the side."""
        values, rec = self.values, self.rec
        stack: list[Any] = [key]
        while stack:
            state = stack[-1]
            if state in values:
                stack.pop()
                continue
            if state.op is None:
                raise RuntimeError(f"{_DATA_DEPENDENT}\n  at {errors.user_line()}")
            waiting = [k for k in state.inputs if type(k) is State and k not in values]
            if waiting:
                stack += waiting
                continue
            arrays = [_value_of(rec, k, values) for k in state.inputs]
            try:
                with np.errstate(all="ignore"):
                    made = state.op.forward(*arrays, **state.attrs)
            except Exception as error:
                specs = ", ".join(repr(k.spec) for k in state.inputs)
                what = f"in {state.op.name}({specs}) at {state.line}"
                raise errors.at(error, what) from None
            values[state] = np.asarray(made)
            stack.pop()
        return values[key]

    def words(self, n: int) -> int:
        """How many random words a draw of *n* takes, over all examples."""
        trace: Trace | None = self
        while trace is not None:
            if trace.size is not None:
                if trace.randomness == "error":
                    raise RuntimeError(
                        "vmap: called random operation while in randomness error mode. "
                        "Pass randomness='same' (the same numbers for every example) or "
                        "'different' to vmap, or draw the numbers outside of it"
                        f"\n  at {errors.user_line()}"
                    )
                if trace.randomness == "different":
                    n *= trace.size
            trace = trace.outer
        return n

    def check_write(self, root: Any, new: Any) -> None:
        """RuntimeError if a tensor from outside of a vmap would take a value that is
        another one for each example."""
        key = root._key
        trace: Trace | None = self
        while trace is not None:
            inside = type(key) is State and key.depth > trace.start.depth
            if trace.size is not None and not inside and trace.mapped(new._key):
                raise RuntimeError(
                    "vmap: inplace arithmetic is not possible: a tensor from outside of "
                    "the function, which is the same for all examples, would take a "
                    "value that differs between them. Return the value instead"
                    f"\n  at {errors.user_line()}"
                )
            trace = trace.outer

    def unknown(self, key: Any) -> bool:
        """Whether a value is another one for each example of a vmap."""
        trace: Trace | None = self
        while trace is not None and not trace.mapped(key):
            trace = trace.outer
        return trace is not None

    def mapped(self, key: Any) -> bool:
        """Whether a value depends on a placeholder of this trace."""
        first = self.start.depth
        seen: set[Any] = set()
        stack = [key]
        while stack:
            state = stack.pop()
            if type(state) is not State or state in seen or state.depth <= first:
                continue
            seen.add(state)
            if state in self.placeholders:
                return True
            stack += state.inputs
        return False

    # -- when it has been recorded ---------------------------------------------------

    def path(self) -> list[State]:
        """What was recorded, in order."""
        states: list[State] = []
        state: Any = self.end
        while state is not self.start:
            states.append(state)
            state = state.parent
        states.reverse()
        return states

    def clean_up(self) -> None:
        """Forget what the function made and nobody holds. What somebody does hold and
        depends on a placeholder can never have a value."""
        rec = self.rec
        pending = rec.pending
        held = []
        while len(pending) > self.pending:
            tensor = pending.pop()
            # the name and the argument of getrefcount
            if getrefcount(tensor) > 2:
                held.append(tensor)
        held.reverse()
        if not held:
            return
        states = self.path()
        depend = dependent(states, self.placeholders)
        for tensor in held:
            if tensor._key in depend:
                error = RuntimeError(_ESCAPED)
                tensor._key = Failed(tensor._key.spec, error)
                tensor._meta = None
            else:
                pending.append(tensor)


def _value_of(rec: dispatch.Recorder, key: Any, values: dict[Any, Array]) -> Any:
    if type(key) is State:
        return values[key]
    if type(key) is Const:
        return key.value
    if type(key) is Bound:
        return key.ref()._array  # type: ignore[union-attr]
    return rec.snapshots.get(key.index, rec.args[key.index]._array)


def dependent(states: Iterable[State], sources: Iterable[State]) -> set[State]:
    """The states that depend on *sources*."""
    found = set(sources)
    for state in states:
        if state.kind == "op" and any(k in found for k in state.inputs):
            found.add(state)
    return found


def needed(states: list[State], wanted: Iterable[Any]) -> set[Any]:
    """The states and leaves that *wanted* depend on."""
    found = set(wanted)
    for state in reversed(states):
        if state in found:
            found.update(state.inputs)
    return found


def key_of(tensor: Any) -> Any:
    """What a tensor is in the running trace."""
    return dispatch.recorder().keys((tensor,))[0]


def tensor_of(key: Any) -> Any:
    """A tensor for an operand of a recorded operation."""
    if type(key) is Arg:
        return dispatch.recorder().args[key.index]
    if type(key) is Bound:
        return key.ref()
    return dispatch.stand_in(key)


class Rewriting:
    """While the rewritten operations of a path are recorded: each takes the place of
    the one it comes from, with its line, group and mode."""

    def __init__(self) -> None:
        self.rec = dispatch.recorder()

    def __enter__(self) -> Rewriting:
        rec = self.rec
        self.before = rec.grad_mode, rec.group, rec.instead, rec.of, rec.hold
        rec.hold = True
        return self

    def at(self, state: State, of: Any = None) -> None:
        """What follows is recorded in the place of *state*."""
        rec = self.rec
        if rec.grad_mode != state.grad_mode:
            dispatch.set_mode(state.grad_mode)
        rec.group, rec.instead, rec.of = state.group, state, of

    def __exit__(self, *exc: object) -> None:
        rec = self.rec
        mode, rec.group, rec.instead, rec.of, rec.hold = self.before
        dispatch.set_mode(mode)


def recall(key: Any) -> list[Any] | None:
    """The results of a rewriting that was done before in this place, promised anew."""
    rec = dispatch.recorder()
    jump = rec.state.next.get(key)
    if type(jump) is not Jump:
        return None
    rec.state = jump.final
    return [None if s is None else _promise(rec, s) for s in jump.outs]


def _promise(rec: dispatch.Recorder, key: Any) -> Any:
    return rec.handle(key) if type(key) is State else tensor_of(key)


def remember(
    key: Any, start: State, arguments: int, pending: int, outs: list[Any]
) -> list[Any]:
    """Keep where a rewriting led, if all it used was there before; the results."""
    rec = dispatch.recorder()
    saved = _saved(rec, start)
    before = set(map(id, rec.pending[:pending])) if saved else ()
    rec.pending[pending:] = [t for t in saved if id(t) not in before]
    keys = [None if t is None else t._key for t in outs]
    made = [t if k is None or type(k) is not State else rec.handle(k)
            for t, k in zip(outs, keys, strict=True)]  # fmt: skip
    if (
        not rec.eager
        and len(rec.args) == arguments
        and all(k is None or type(k) is State for k in keys)
        and rec.state is not start
    ):
        start.lead(key, Jump(rec.state, tuple(keys)))
    return made


def _saved(rec: dispatch.Recorder, start: State) -> list[Any]:
    """The promises that functions of the user's keep for their derivatives, of those
    that were called since *start*."""
    found: dict[int, Any] = {}
    state: Any = rec.state
    while state is not start:
        call = state.attrs.get("call")
        for value in () if call is None else vars(call.ctx).values():
            for x in value if isinstance(value, tuple) else (value,):
                if is_tensor(x) and type(x._key) is State and x._key.recorder is rec:
                    found[id(x)] = x
        state = state.parent
    return list(found.values())


def released(*tensors: Any) -> list[Any]:
    """What leaves a transformation: it wants a gradient only if that leads outside, to
    a leaf that requires one or to a variable of a level that is still under way."""
    rec = dispatch.recorder()
    if not any(is_tensor(x) and x.requires_grad for x in tensors):
        return list(tensors)
    run = _backward._Reverse(rec, True)
    nowhere: set[Any] = set()  # nodes that lead to nothing outside
    return [
        x
        if not (is_tensor(x) and x.requires_grad)
        or (rec.grad_mode and _leads_outside(run, x, nowhere))
        else dispatch.apply1(Release, x)
        for x in tensors
    ]


def _leads_outside(run: Any, tensor: Any, nowhere: set[Any]) -> bool:
    rec = run.rec
    first = _backward.node_of(rec, tensor)
    if first is None:
        return True  # a leaf that requires a gradient
    stack: list[Any] = [first]
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node in seen or node in nowhere:
            continue
        seen.add(node)
        segment, state = node
        if state in rec.variables or state.op is None:  # None: a placeholder
            return True
        op: Any = state.op
        last = len(op.inputs) - 1
        for i, key in enumerate(state.inputs):
            if key.grad and op.inputs[min(i, last)] in op.rules:
                source, leaf = run._origin(segment, key)
                if source is None and leaf is not None:
                    return True
                if source is not None:
                    stack.append(source)
    nowhere |= seen
    return False


def is_tensor(x: Any) -> bool:
    return isinstance(x, Handle)


__all__ = ["Rewriting", "Trace", "dependent", "is_tensor", "key_of", "needed", "recall",
           "released", "remember", "tensor_of"]  # fmt: skip
