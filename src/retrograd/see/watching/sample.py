"""One step that is looked at: its loss, layers and activations.

The training's own program is left as it is, so that the compiler has nothing new to do:
before the backward pass the recorded graph is copied, and computed once more by NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...gradients import Bundle, Share, gradient_of
from ...ops.conv import Conv
from ...ops.movement import Reshape
from ...ops.op import Array, Elementwise
from ...ops.pool import MaxPool, SumPool
from ...trace import Const, State
from ..capture import Capture
from . import measure

#: functions that are measured where they are called without a module
_KINDS = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def array_of(tensor: Any) -> Array | None:
    """The numbers of a tensor as they are now; nothing is recorded or run."""
    if type(tensor._key) is State or tensor._array is None:
        return None
    array: Array = tensor._array
    return array


def gradient_array(parameter: Any) -> Array | None:
    """The numbers of its gradient; the gradients stay together."""
    share = parameter._grad
    if type(share) is Share and type(share.gradients.value) is Bundle:
        arrays = share.gradients.value._array
        return None if arrays is None else np.asarray(arrays[share.index])
    found = gradient_of(parameter)
    return None if found is None else array_of(found)


class Sample:
    """What is known before the step: loss, activations, the parameters as they were."""

    def __init__(self, loss: Any, parameters: list[Any], paths: dict[int, str]) -> None:
        capture = Capture(loss)
        values = forward(capture)
        root = values.get(capture.root)
        self.loss = (
            None if root is None or root.size != 1 else float(root.reshape(-1)[0])
        )
        self.parameters = [p for p in parameters if array_of(p) is not None]
        self.before = [np.array(array_of(p)) for p in self.parameters]
        self.activations = [
            measure.activation(name, kind, value, channels)
            for name, kind, value, channels in activations(capture, values, paths)
        ]

    def layers(self, names: dict[int, str]) -> list[dict[str, Any]]:
        """Of each parameter, after the step: gradient and update."""
        found = []
        for p, before in zip(self.parameters, self.before, strict=True):
            after = array_of(p)
            if after is not None and after.shape == before.shape:
                name = names.get(id(p), "")
                found.append(measure.layer(name, before, after, gradient_array(p)))
        return found


def forward(capture: Capture) -> dict[Any, Array]:
    """The values of the recorded forward pass, as far as they are known."""
    values: dict[Any, Any] = {
        a: x.array for a, x in capture.leaves.items() if x.array is not None
    }
    with np.errstate(all="ignore"):
        for state in capture.nodes:
            known = capture.known.get(state)
            if known is None:
                ins = [k.value if type(k) is Const else values.get(k) for k in state.inputs]  # fmt: skip
                if any(x is None for x in ins):
                    continue
                op: Any = state.op
                known = op.forward(*ins, **state.attrs)
            values[state] = np.asarray(known)
    return values


def activations(
    capture: Capture, values: dict[Any, Array], paths: dict[int, str]
) -> list[tuple[str, str, Array, bool]]:
    """(name, kind, value, has it channels) of what each layer gives: modules without
    parts, and functions such as relu that are called outside of them."""
    found: dict[str, tuple[str, Array, bool]] = {}
    channels: set[Any] = set()  # what a convolution gave, and what has its axes still
    for state in capture.nodes:
        value = values.get(state)
        op: Any = state.op
        keeps = issubclass(op, (Elementwise, MaxPool, SumPool, Reshape)) and any(
            k in channels and k.spec.shape[:2] == state.spec.shape[:2]
            for k in state.inputs
        )
        if keeps or issubclass(op, Conv):
            channels.add(state)
        if value is None or value.dtype.kind != "f":
            continue
        module = None if state.module is None else state.module()
        path = paths.get(id(module))
        if path is not None:
            kind, name = type(module).__name__, path  # its last operation counts
        elif op.name in _KINDS:
            kind, name = _KINDS[op.name], f"{op.name} at {state.line}"
        else:
            continue
        found[name] = (kind, value, state in channels)
    return [(name, *about) for name, about in found.items()]
