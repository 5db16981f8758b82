"""The gradient of a function of the user's own: their ``backward`` runs, on numbers, in a
recorder of its own, and what it recorded is put into the derivative graph. Where it did
not compute with tensors (but with NumPy, say), its result is one operation."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dispatch
from ..autograd.function import Pullback
from ..functions.random import get_rng_state, set_rng_state
from ..mutate import changes
from ..ops.op import Array, Op, Spec
from ..trace import Arg, Bound, Const, Handle, State, spec_of

if TYPE_CHECKING:
    from .capture import Capture


class _Opaque(Op):
    """What a ``backward`` returned, as a number."""

    formula = "the user's own"
    inputs = ("inputs",)
    variadic = True

    @staticmethod
    def forward(*inputs: Any, result: Array) -> Any:
        return result


class Custom:
    """Pulls gradients back through the custom functions of a capture."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.gathered: dict[Any, dict[int, Any]] = {}  # call → gradients of outputs
        self.results: dict[Any, list[Any]] = {}

    def shares(self, state: State, g: Any) -> list[Any]:
        """Keys of what each input of *state* gets; None where it gets nothing."""
        pullback: Pullback = state.attrs["call"]
        call, count = pullback.call, len(state.inputs) - 1
        if pullback.position is not None:
            self.gathered.setdefault(call, {})[pullback.position] = g._key
        if pullback.nothing is not None:  # it goes on when all outputs are known
            return [Const(0, state.inputs[1].spec.dtype)] * count
        return self._run(call, state)

    def _run(self, call: Any, state: State) -> list[Any]:
        gathered = self.gathered.pop(call, {})
        owner = self.capture.origin[state][1].recorder
        outer, known = dispatch._local.rec, _Known(self.capture)
        random = get_rng_state()
        dispatch._local.rec = inner = dispatch.Recorder()
        inner.grad_mode = False
        try:
            grads = [
                known.gradient(gathered.get(i), spec, call.ctx.materialize_grads)
                for i, spec in enumerate(call.shapes)
            ]
            result = call.cls.backward(known.context(call.ctx, owner), *grads)
            checked = call._checked(result if isinstance(result, tuple) else (result,))
            found = [r for r, s in zip(checked, call.slots, strict=True)
                     if s is not None]  # fmt: skip
            return [
                None if r is None else known.graft(r, inner, state, gathered)
                for r in found
            ]
        finally:
            dispatch._local.rec = outer
            set_rng_state(random)


@contextmanager
def _in(recorder: Any) -> Iterator[None]:
    outer, dispatch._local.rec = dispatch._local.rec, recorder
    try:
        yield
    finally:
        dispatch._local.rec = outer


class _Known:
    """Which tensor that a ``backward`` sees is which value of the capture."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.keys: dict[int, Any] = {}  # id of a tensor → key in the capture
        self.alive: list[Any] = []

    def tensor(self, key: Any, value: Any) -> Any:
        out = dispatch.constant(np.array(value))
        self.alive.append(out)
        if key is not None:
            self.keys[id(out)] = key
        return out

    def gradient(self, key: Any, spec: Any, zeros: bool) -> Any:
        if spec is None:
            return None
        if key is None:
            return (
                self.tensor(None, np.zeros(spec.shape, spec.dtype.np))
                if zeros
                else None
            )
        value = self.capture.now(key)
        return self.tensor(key, np.broadcast_to(value, spec.shape))

    def context(self, ctx: Any, owner: Any) -> Any:
        """A copy of what ``forward`` left, on numbers: the originals stay as they are.
        *owner* is the recorder of the program."""
        with _in(owner):
            ctx.saved_tensors  # noqa: B018 - raises if one was changed in place since
        out = copy.copy(ctx)
        for name, value in vars(ctx).items():
            setattr(out, name, self._plain(value))
        out._versions = [
            0 if x is None else changes(dispatch._local.rec, x) for x in out._saved
        ]
        return out

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Handle):
            key = self.capture.own(value)
            if key is not None:
                array = self.capture.now(key)
            else:
                array = _number(value)
            return value if array is None else self.tensor(key, array)
        if type(value) in (list, tuple):
            return type(value)(map(self._plain, value))
        if type(value) is dict:
            return {k: self._plain(v) for k, v in value.items()}
        return value

    def graft(self, result: Any, inner: Any, of: State, gathered: Any) -> Any:
        """The key of a result: what was recorded for it, in the recorder of the capture."""
        if id(result) in self.keys:
            return self.keys[id(result)]
        root = result._key
        if type(root) is not State or root.recorder is not inner:
            name = f"{of.op.name}Backward"  # type: ignore[union-attr]
            op = type(name, (_Opaque,), {"name": name})
            value = np.array(result.detach().numpy())
            inputs = (*gathered.values(), *of.inputs[1:])
            return self._put(op, inputs, {"result": value}, spec_of(result), of)
        made: dict[Any, Any] = {}
        stack: list[Any] = [root]
        while stack:
            at = stack[-1]
            missing = [k for k in at.inputs if type(k) is State and k not in made]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if at not in made:
                inputs = tuple(
                    made[k] if type(k) is State else self._leaf(k, inner)
                    for k in at.inputs
                )
                made[at] = self._put(at.op, inputs, at.attrs, at.spec, of)
        return made[root]

    def _put(self, op: Any, inputs: Any, attrs: Any, spec: Spec, of: State) -> State:
        rec = self.capture.rec
        out = State(rec.state, "op", rec, False, op, inputs, attrs, spec, 0)
        out.line, out.module, out.group = of.line, of.module, of.group
        out.of = of
        rec.state = out
        return out

    def _leaf(self, key: Any, inner: Any) -> Any:
        """A number, a tensor of the capture, or one that only ``backward`` knows."""
        if type(key) is Const:
            return key
        tensor: Any = key.ref() if type(key) is Bound else inner.args[key.index]
        if id(tensor) in self.keys:
            return self.keys[id(tensor)]
        own = self.capture.own(tensor)
        if own is not None:
            return own
        array = inner.snapshots.get(key.index) if type(key) is Arg else None
        fresh = dispatch.constant(np.array(tensor._array if array is None else array))
        return self.capture.rec.leaf(fresh)


def _number(tensor: Any) -> Any:
    """The value of a tensor that the loss does not come from; it stays as it is."""
    if tensor._array is not None and type(tensor._key) is not State:
        return tensor._array
    from .capture import Capture

    capture = Capture(tensor).evaluate(backward=False)
    return capture.values.get(capture.root)
