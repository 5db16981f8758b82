"""The reverse loop of :mod:`retrograd.backward` in a recorder of its own, with notes of
who sends what to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import backward, dispatch, templates
from ..autograd.function import Result
from ..dispatch import place, stand_in
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
        #: what the rules of an operation record for gradients of a sign
        self._known: dict[Any, tuple[backward.Pull, templates.Template]] = {}

    def pullback(self, segment: Segment | None, state: State, g: Any) -> Pairs:
        known = self._known.get((state.row, g._key.sign))
        if known is not None:
            keys = _asked(known[0], state, g)
            if len(set(keys)) == len(keys):
                found = known[1].play(self.rec, keys, self.rec.where or place())
                shares = [
                    (state.inputs[i], gx)
                    for i, gx in zip(known[0].wants, found, strict=True)
                    if gx is not None
                ]
                self.shares[state] = shares
                return [(key, stand_in(gx)) for key, gx in shares]
        if issubclass(state.op, Result):  # type: ignore[arg-type]
            pairs = self._own(state, g)
        else:
            pairs = super().pullback(segment, state, g)
            self._note(state, g)
        self.shares[state] = [(key, gx._key) for key, gx in pairs]
        return pairs

    def _note(self, state: State, g: Any) -> None:
        """Remember what the rules recorded for operands that are all different."""
        pull = None if state.row is None else state.row.pulls.get(state.row.wants)
        if pull is None or not templates.usable(self.rec):
            return
        keys = _asked(pull, state, g)
        if len(set(keys)) < len(keys):
            return
        path = (pull, *keys)
        template = templates.find(templates.relative(self.rec, path)[0], path)
        if template is not None:
            self._known[state.row, g._key.sign] = pull, template

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


def _asked(pull: backward.Pull, state: State, g: Any) -> list[Any]:
    """The gradient, and the values that the rules ask for."""
    return [g._key, *[state if j is None else state.inputs[j] for j in pull.kept]]
