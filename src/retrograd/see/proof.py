"""Derivatives checked by doing what they predict: change a value a little, in float64,
and look how much the loss changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.function import Result
from ..ops.op import Array
from ..trace import Arg, State
from .capture import Capture
from .chain import Term
from .jacobian import ENTRIES, written_out

#: numbers in a value up to which each is changed by itself
EACH = 12
#: a difference quotient in float64 has about this relative step
STEP = 6e-6
#: rounding errors in a loss, relative to it
NOISE = 4e-14
#: error up to which a proof holds
HOLDS = 1e-5


class Proof:
    """The gradient and the central difference: ``error`` relative to the larger."""

    __slots__ = ("derivative", "difference", "error", "way", "kink", "shown")

    def __init__(
        self, derivative: Array, difference: Array, way: str, kink: bool, shown: float,
        noise: float,
    ) -> None:  # fmt: skip
        self.derivative, self.difference = derivative, difference
        self.way, self.kink = way, kink
        self.shown = shown  # how far what is shown is from the float64 gradient
        # a difference of less than rounding errors make is none
        scale = max(float(np.max(np.abs(derivative), initial=0)),
                    float(np.max(np.abs(difference), initial=0)), noise / HOLDS, 1e-12)  # fmt: skip
        self.error = float(np.max(np.abs(derivative - difference), initial=0)) / scale

    @property
    def holds(self) -> bool:
        return self.kink or self.error < HOLDS


class Change:
    """What a change of one value does to the loss: predicted, and measured."""

    __slots__ = ("amount", "predicted", "measured", "before", "after")

    def __init__(
        self, amount: Array, predicted: float, before: float, after: float
    ) -> None:
        self.amount, self.predicted = amount, predicted
        self.before, self.after = before, after
        self.measured = after - before


class Laboratory:
    """The graph in float64, where values can be changed."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture.evaluate()
        given = {
            arg: _double(capture.values[arg])
            for arg in capture.leaves
            if arg in capture.values
        }
        given.update((arg, _double(x)) for arg, x in capture.constants.items())
        self.base = capture.in_double(capture.nodes + capture.back, given)
        unknown = [s for s in capture.nodes if s not in self.base]
        for state in unknown:  # a run kept only what its rules need
            if capture.values.get(state) is not None:
                self.base[state] = _double(capture.values[state])
        if unknown:
            self.base = capture.in_double(
                capture.nodes + capture.back, {**self.base, **given}
            )
        self.position = {s: i for i, s in enumerate(capture.nodes)}
        seed = self.base.get(capture.seed)
        self.seed = None if capture.gradient_array is None else seed

    def after(self, key: Any, value: Array) -> dict[Any, Any]:
        """What changes if *key* has another value."""
        after = {key}
        states: list[State] = []
        start = self.position.get(key, -1) + 1
        for state in self.capture.nodes[start:]:
            if any(k in after for k in state.inputs):
                after.add(state)
                states.append(state)
        return self.capture.in_double(states, {key: value}, self.base)

    def _later(self, key: Any) -> list[State]:
        """What comes of *key*, as the operations were recorded."""
        after = {key}
        found = []
        for state in self.capture.nodes[self.position.get(key, -1) + 1 :]:
            if any(k in after for k in state.inputs):
                after.add(state)
                found.append(state)
        return found

    def _unseen(self, key: Any) -> bool:
        """Whether it acts through a function of the user's own whose value was not
        computed with tensors: then a change of it changes nothing here."""
        later = {key, *self._later(key)}
        return any(
            type(s) is State
            and _is_own(s)
            and s.attrs["call"].position is not None
            and type(s.inputs[0]) is Arg
            and s.inputs[0] not in later
            for s in later
        )

    def stopped(self, key: Any) -> bool:
        """Whether the program sets, or stops, a derivative between *key* and the loss."""
        wanted = {key}
        for state in self._later(key):
            inputs = [k for k in state.inputs if k in wanted]
            wanted.add(state)
            op: Any = state.op
            if _is_own(state) or op.name == "detach":
                return True
            if op.rules and not state.grad and any(k.grad for k in inputs):
                return True
        return False

    def loss(self, key: Any, value: Array) -> float:
        """The loss if *key* had another value."""
        values = self.after(key, value)
        root = self.capture.root
        out = values[root] if root in values else self.base[root]
        return float(np.sum(out if self.seed is None else out * self.seed))

    def through(self, term: Term, amount: Array) -> tuple[Array, Array] | None:
        """How the line that uses a value changes with it: (predicted by the local
        Jacobian, measured). None if that Jacobian is large."""
        size, count = term.sizes
        if size * count > ENTRIES or term.through.element:
            return None
        jacobian = written_out(self.capture, term)
        out = np.asarray(self.base[term.through.key])
        predicted = (jacobian @ amount.reshape(-1)).reshape(out.shape)
        value = np.asarray(self.base[term.line.key]) + amount
        values = self.after(term.line.key, value)
        return predicted, values[term.through.key] - out

    def gradient(self, key: Any) -> Array:
        found = self.capture.gradient[key]
        value = getattr(found, "value", None) if found not in self.base else None
        value = self.base[found] if value is None else value
        wide = np.broadcast_to(np.asarray(value, np.float64), key.spec.shape)
        return np.asarray(wide)

    def prove(self, key: Any, seed: int = 0) -> Proof | None:
        """The gradient of *key* against central differences; None where its value is
        not known."""
        if key not in self.base or key not in self.capture.gradient:
            return None
        if self._unseen(key):
            return None
        value, derivative = np.asarray(self.base[key]), self.gradient(key)
        shown = self.capture.gradient_value(key)
        shown = np.broadcast_to(np.asarray(shown, np.float64), derivative.shape)
        scale = max(float(np.max(np.abs(derivative), initial=0)), 1e-30)
        off = float(np.max(np.abs(shown - derivative), initial=0)) / scale
        step = STEP * max(1.0, float(np.max(np.abs(value), initial=0)))
        if value.size <= EACH:
            directions = list(np.eye(value.size).reshape(value.size, *value.shape))
            way = "each"
        else:
            rng = np.random.default_rng(seed)
            directions = [rng.standard_normal(value.shape)]
            directions[0] /= np.linalg.norm(directions[0])
            step *= max(1.0, value.size**0.5 / 8)
            way = "direction"
        here = self.loss(key, value)
        found, expected, kink, noise = [], [], False, 0.0
        for d in directions:
            up, down = (
                self.loss(key, value + step * d),
                self.loss(key, value - step * d),
            )
            found.append((up - down) / (2 * step))
            expected.append(float(np.sum(derivative * d)))
            bend = abs((up - here) - (here - down))
            large = max(abs(here), abs(up), abs(down), 1e-3)
            noise = max(noise, NOISE * large / step)
            if bend > 0.05 * abs(up - down) + 1e-10 * large:
                kink = True
        if way == "each":
            return Proof(derivative.reshape(-1), np.array(found), way, kink, off, noise)
        return Proof(np.array(expected), np.array(found), way, kink, off, noise)

    def perturb(self, key: Any, by: Any) -> Change:
        """Change *key* by *by* (a number for every entry, or an array)."""
        value = np.asarray(self.base[key])
        amount = np.broadcast_to(np.asarray(by, np.float64), value.shape)
        predicted = float(np.sum(self.gradient(key) * amount))
        before = self.loss(key, value)
        return Change(amount, predicted, before, self.loss(key, value + amount))


def _is_own(state: State) -> bool:
    op: Any = state.op
    return issubclass(op, Result)


def _double(value: Any) -> Array:
    array = np.asarray(value)
    kind = array.dtype.kind
    return array if kind in "biu" else array.astype(np.float64)
