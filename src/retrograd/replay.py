"""Values of the forward pass that the backward pass computes again instead of keeping.

``utils.checkpoint`` marks a stretch of the trace as a *region*: a state remembers the
mark it was recorded under (``State.region``; regions nest, as marks do). Where a rule of
an operation in a region asks for a value of that region, what leads to the value is
recorded a second time, from the values that enter the region. So nothing inside is
kept; and as the recorded operations are repeated, not the Python function, random
numbers are the same and nothing else happens twice.
"""

from __future__ import annotations

from typing import Any

from .dispatch import apply, stand_in
from .ops.core import Barrier
from .trace import Const, Segment, State, shared_region, within


class Replay:
    """What one backward pass has recorded again: (segment, region, key) → tensor.

    A region is repeated for itself even if it lies in one that is being repeated:
    otherwise the outer one would keep the values of all that it contains.
    """

    def __init__(self) -> None:
        self.known: dict[Any, Any] = {}

    def value(
        self, run: Any, segment: Segment | None, key: Any, user: State, g: Any
    ) -> Any:
        """The value of *key* anew, if a region has both it and *user*; else None.

        *run* is the backward pass, and *g* a gradient that it has reached.
        """
        if type(key) is not State or key.region is None or user.region is None:
            return None
        region = shared_region(key, user)
        if region is None:
            return None
        return self._again(run, segment, region, key, g)

    def _again(
        self, run: Any, segment: Segment | None, region: State, key: State, g: Any
    ) -> Any:
        known = self.known
        stack = [key]
        while stack:
            state = stack[-1]
            if (segment, region, state) in known:
                stack.pop()
                continue
            missing = [
                k
                for k in state.inputs
                if within(k, region) and (segment, region, k) not in known
            ]
            if missing:
                stack.extend(missing)
                continue
            inputs = [
                self._input(run, segment, region, state, k, g) for k in state.inputs
            ]
            op: Any = state.op
            known[segment, region, state] = apply(op, *inputs, **state.attrs)
            stack.pop()
        return known[segment, region, key]

    def _input(
        self,
        run: Any,
        segment: Segment | None,
        region: State,
        user: State,
        key: Any,
        g: Any,
    ) -> Any:
        """An operand: repeated itself, or what enters the region."""
        if type(key) is Const:
            return stand_in(key)
        found = self.known.get((segment, region, key))
        if found is None:
            outer = region.region
            if outer is not None and within(key, outer):
                found = self._again(run, segment, outer, key, g)
            else:
                found = run.value(segment, key, user)
            # Not before the gradient is there, and no common operation with the first
            # time: or everything would be computed at once, and kept after all.
            found = self.known[segment, region, key] = apply(Barrier, found, g)
        return found
