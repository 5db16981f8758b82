"""Recorded batches, to be computed again with other parameters.

They run in a recorder of their own, so that the training's trace stays as it is; and as
the same program comes back, it is compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from ... import backward, dispatch
from ...dispatch import apply, constant, stand_in
from ...ops.op import Array
from ...trace import Const
from ..capture import Capture
from .sample import gradient_array


@contextmanager
def apart(recorder: dispatch.Recorder) -> Iterator[None]:
    """What is recorded inside is nobody else's, and no watcher is told of it."""
    outer, told = dispatch._local.rec, list(backward.watchers)
    dispatch._local.rec = recorder
    backward.watchers.clear()
    try:
        yield
    finally:
        dispatch._local.rec = outer
        backward.watchers.extend(told)


def _number(key: Const) -> Any:
    """A number as an operand: equal numbers are one, so that equal graphs are one."""
    return stand_in(_interned(key.value.tobytes(), key.spec.dtype))


@lru_cache(1000)
def _interned(content: bytes, dtype: Any) -> Const:
    return Const(np.frombuffer(content, dtype.np)[0], dtype)


class Batch:
    """The graph of one loss, as a function of the parameters alone: what does not depend
    on them, such as the choice of rows, is computed once."""

    def __init__(self, loss: Any, parameters: list[Any]) -> None:
        capture = Capture(loss)
        self.root = capture.root
        number = {id(p): i for i, p in enumerate(parameters)}
        self.place: dict[Any, int] = {}
        fixed: dict[Any, Any] = {}
        for arg, leaf in capture.leaves.items():
            if id(leaf.tensor) in number:
                self.place[arg] = number[id(leaf.tensor)]
            else:
                fixed[arg] = leaf.array
        self.nodes = []
        moving = set(self.place)
        for state in capture.nodes:
            if not moving.isdisjoint(state.inputs):
                moving.add(state)
                self.nodes.append(state)
                continue
            fixed[state] = capture.known.get(state)
            if fixed[state] is None:
                ins = [k.value if type(k) is Const else fixed[k] for k in state.inputs]
                op: Any = state.op
                known = all(x is not None for x in ins)
                fixed[state] = op.forward(*ins, **state.attrs) if known else None
        self.given: dict[Any, Any] = {}
        self.bytes = 0
        for key in {k for s in self.nodes for k in s.inputs} & fixed.keys():
            if fixed[key] is None:
                raise RuntimeError(
                    "a value that the loss needs was not kept by the run"
                )
            array = np.array(fixed[key])
            self.given[key] = constant(array)
            self.bytes += array.nbytes

    def loss(self, parameters: list[Any]) -> Any:
        """The loss with these parameters, recorded anew."""
        values: dict[Any, Any] = dict(self.given)
        values.update((arg, parameters[i]) for arg, i in self.place.items())
        for state in self.nodes:
            ins = [_number(k) if type(k) is Const else values[k] for k in state.inputs]
            op: Any = state.op
            values[state] = apply(op, *ins, **state.attrs)
        return values[self.root].reshape(())

    def value(self, parameters: list[Any]) -> float:
        from ...autograd import no_grad

        with no_grad():
            return float(self.loss(parameters).item())

    def gradient(self, parameters: list[Any]) -> list[Array]:
        """∂loss/∂parameters; zeros for those that it does not depend on."""
        for p in parameters:
            p.grad = None
        self.loss(parameters).backward()
        dispatch.recorder().flush()
        found = [gradient_array(p) for p in parameters]
        return [
            np.zeros(tuple(p.shape)) if g is None else g
            for p, g in zip(parameters, found, strict=True)
        ]
