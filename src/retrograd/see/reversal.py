"""The reverse loop of :mod:`retrograd.backward` in a recorder of its own, with notes of
who sends what to whom. Where an operation comes back with operands of the same kind, what
its rules recorded the first time is recorded once more: they would do the same again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import backward, dispatch
from ..autograd.function import Result
from ..dispatch import stand_in
from ..ops.op import REGISTRY
from ..trace import Const, Segment, State, scalar_key
from .custom import Custom

if TYPE_CHECKING:
    from .capture import Capture

Pairs = list[tuple[Any, Any]]


class Pattern:
    """What the rules of one operation recorded. Operands are numbers: places among the
    operation's operands, the incoming gradient and its value, then what came since."""

    __slots__ = ("events", "shares")

    def __init__(
        self, events: list[tuple[State, list[Any]]], shares: list[tuple[int, Any]]
    ) -> None:
        self.events, self.shares = events, shares


class Reversal(backward._Reverse):
    """The reverse loop, noting each operation's share of each gradient."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(capture.rec, keep=True)
        self.custom = Custom(capture)
        self.shares: dict[State, Pairs] = {}
        self.patterns: dict[Any, Pattern | None] = {}

    def pullback(self, segment: Segment | None, state: State, g: Any) -> Pairs:
        if issubclass(state.op, Result):  # type: ignore[arg-type]
            pairs = self._own(state, g)
            self.shares[state] = [(key, gx._key) for key, gx in pairs]
            return pairs
        places = [*state.inputs, g._key, state]
        mark = _mark(state, places)
        pattern = self.patterns.get(mark)
        if pattern is not None:
            pairs = self._repeated(pattern, state, places)
        else:
            start = self.rec.state
            pairs = super().pullback(segment, state, g)
            if mark is not None and mark not in self.patterns:
                self.patterns[mark] = _pattern(
                    start, self.rec.state, state, places, pairs
                )
        self.shares[state] = [(key, gx._key) for key, gx in pairs]
        return pairs

    def _own(self, state: State, g: Any) -> Pairs:
        """Through a function of the user's own."""
        pairs = []
        shares = self.custom.shares(state, g)
        for key, share in zip(state.inputs[1:], shares, strict=True):
            if not key.grad or share is None:
                continue
            gx = backward.sum_to_shape(stand_in(share), key.spec.shape)
            if gx.dtype is not key.spec.dtype:
                gx = dispatch.apply(REGISTRY["cast"], gx, dtype=key.spec.dtype)
            pairs.append((key, gx))
        return pairs

    def _repeated(self, pattern: Pattern, state: State, places: list[Any]) -> Pairs:
        rec = self.rec
        for event, operands in pattern.events:
            inputs = tuple([places[x] if type(x) is int else x for x in operands])
            copy = State(rec.state, "op", rec, event.grad_mode, event.op, inputs,
                         event.attrs, event.spec, event.grad)  # fmt: skip
            copy.line, copy.module, copy.group = event.line, event.module, event.group
            copy.view, copy.inference, copy.of = event.view, event.inference, state
            rec.state = copy
            places.append(copy)
        return [
            (state.inputs[i], dispatch.stand_in(places[x] if type(x) is int else x))
            for i, x in pattern.shares
        ]


def _mark(state: State, places: list[Any]) -> Any:
    """All that the rules can see; None if it cannot be looked up."""
    kinds: list[Any] = []
    for key in places:
        first = places.index(key) if type(key) is not Const else -1
        kinds.append(
            (scalar_key(key.value), key.spec) if first < 0
            else (type(key), key.spec, key.grad, first)
        )  # fmt: skip
    mark = (state.op, tuple(state.attrs.items()), tuple(kinds))
    try:
        hash(mark)
    except TypeError:
        return None
    return mark


def _pattern(
    start: State | None,
    end: State | None,
    state: State,
    places: list[Any],
    pairs: Pairs,
) -> Pattern | None:
    """What was recorded from *start* to *end*; None if it took anything else."""
    events: list[State] = []
    while end is not start and end is not None:
        events.append(end)
        end = end.parent
    number: dict[Any, int] = {}
    for i, key in enumerate(places):
        number.setdefault(key, i)
    found: list[tuple[State, list[Any]]] = []
    for event in reversed(events):
        operands = [number.get(k, k) for k in event.inputs]
        if event.kind != "op" or any(
            type(k) is not int and type(k) is not Const for k in operands
        ):
            return None
        number[event] = len(places) + len(found)
        found.append((event, operands))
    shares: list[tuple[int, Any]] = []
    for i, (_, gx) in zip(_asked(state, pairs), pairs, strict=True):
        out = number.get(gx._key, gx._key)
        if type(out) is not int and type(out) is not Const:
            return None
        shares.append((i, out))
    return Pattern(found, shares)


def _asked(state: State, pairs: Pairs) -> list[int]:
    """The operand that each share is for: both are in order."""
    found, i = [], 0
    for key, _ in pairs:
        while state.inputs[i] is not key:
            i += 1
        found.append(i)
        i += 1
    return found
