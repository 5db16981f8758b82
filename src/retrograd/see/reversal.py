"""The reverse loop of :mod:`retrograd.backward` in a recorder of its own, with notes of
who sends what to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import backward, dispatch
from ..autograd.function import Result
from ..dispatch import stand_in
from ..ops.op import REGISTRY
from ..trace import Segment, State
from .custom import Custom

if TYPE_CHECKING:
    from .capture import Capture

Pairs = list[tuple[Any, Any]]


class Reversal(backward._Reverse):
    """The reverse loop, noting each operation's share of each gradient."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(capture.rec, keep=True)
        self.one = True  # nothing comes back to this recorder
        self.custom = Custom(capture)
        self.shares: dict[State, Pairs] = {}

    def pullback(self, segment: Segment | None, state: State, g: Any) -> Pairs:
        if issubclass(state.op, Result):  # type: ignore[arg-type]
            pairs = self._own(state, g)
        else:
            pairs = super().pullback(segment, state, g)
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
