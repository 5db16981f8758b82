"""The reverse loop of :mod:`retrograd.backward` in a recorder of its own, with notes of
who sends what to whom."""

from __future__ import annotations

from typing import Any

from .. import backward, dispatch
from ..trace import Segment, State

Pairs = list[tuple[Any, Any]]


class Reversal(backward._Reverse):
    """The reverse loop, noting each operation's share of each gradient."""

    def __init__(self, rec: dispatch.Recorder) -> None:
        super().__init__(rec, keep=True)
        self.shares: dict[State, Pairs] = {}

    def pullback(self, segment: Segment | None, state: State, g: Any) -> Pairs:
        pairs = super().pullback(segment, state, g)
        self.shares[state] = [(key, gx._key) for key, gx in pairs]
        return pairs
