"""The runs of a recorded call as native calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.op import Array
from ..trace import Arg, Bound, Segment, State, memory_of
from .trees import Made, Refused


class Part:
    """One run as one native call. ``call`` are the objects that the native function
    takes: arguments, parameters, results and the arena."""

    #: places in ``call`` of the arguments by their number in the trace
    arguments: dict[int, int]
    #: numbers of the arguments that it writes to
    writes: list[int] = []

    def __init__(self, plan: Any) -> None:
        native = plan.native
        self.plan, self.native = plan, native
        self.saved: dict[Any, int] = native.kept
        self.shown: list[Any] = native.shown
        self.bundles: list[Any] = native.bundles
        self.arguments = {i: n for n, i in enumerate(native.arguments)}
        step = self.step = native.steps[0]
        self.call: list[Any] = [None] * (len(step.inputs) + len(step.outs) + 1)
        self.call[-1] = step.arena
        self.outputs = slice(len(step.inputs), len(self.call) - 1)
        self.counters: list[list[int]] = native.counters
        first = len(native.arguments)
        self.parameters = [
            (ref(), first + k) for k, ref in enumerate(native.parameters)
        ]
        self._begin()

    def _begin(self) -> None:
        #: tensors of the outer program, and where they go
        self.held: list[tuple[Any, int]] = []
        self.fed: list[tuple[int, Made]] = []  # results of earlier parts
        self.sources: dict[int, Any] = {}  # of the arguments of the trace
        self.writes_after: list[tuple[Any, Made]] = []
        self.segment: Segment | None = None
        if any(getattr(value, "grad", 0) for _, value in self.plan.writes):
            raise Refused("it writes values with a history to tensors that stay")

    def fill(self, outs_of: list[list[Array]]) -> None:
        """Put in what is known when the part is run."""
        call = self.call
        for t, n in self.parameters:
            call[n] = t._array
        for t, n in self.held:
            call[n] = t._array
        for n, (r, k) in self.fed:
            call[n] = outs_of[r][k]

    def run(self) -> tuple[int, list[Array]]:
        """Status and results."""
        call = self.call
        outs: list[Array] = self.step.results()
        call[self.outputs] = outs
        status: int = self.step.function(*call)
        if status == 1:  # arguments that lie in another order
            for n in self.arguments.values():
                if call[n].ndim:
                    call[n] = np.ascontiguousarray(call[n])
            status = self.step.function(*call)
        call[self.outputs] = [None] * len(outs)
        return status, outs


class Steps(Part):
    """One run as native calls and NumPy's between them; ``call`` are the values."""

    def __init__(self, plan: Any) -> None:
        native = plan.native
        self.plan, self.native = plan, native
        self.call = plan.template.copy()
        self.arguments = {i: n for n, i in plan.args}
        self.parameters = [(key.ref(), n) for n, key in plan.bound]
        slot, self.wanted = plan.slot, list[int]()
        leaves: list[Any] = [*native.direct, *(leaf for leaf, _ in native.left)]
        self.writes = [leaf.index for leaf in leaves if type(leaf) is Arg]
        bound: list[Any] = [leaf.ref() for leaf in leaves if type(leaf) is Bound]
        self.counters = [memory_of(t) for t in bound]
        self.left = [
            (leaf.ref, 0, slot[state])
            if type(leaf) is Bound
            else (None, self.arguments[leaf.index], slot[state])
            for leaf, state in native.left
        ]

        def out(key: Any) -> int:
            self.wanted.append(slot[key])
            return len(self.wanted) - 1

        self.shown = [(i, key, out(key)) for i, key in plan.outputs]
        self.bundles = [(i, [out(s) for s in states]) for i, states in plan.bundles]
        self.saved = {s: out(s) for s in plan.saved if type(s) is State}
        self._begin()

    def run(self) -> tuple[int, list[Array]]:
        values = self.call.copy()
        with np.errstate(all="ignore"):
            try:
                if not self.native.run(values):
                    return 1, []
            except Exception:
                return 2, []  # the function itself says which operation failed
        for ref, n, value in self.left:
            owner: Any = None if ref is None else ref()
            target = self.call[n] if owner is None else owner._array
            np.copyto(target, values[value], casting="unsafe")
        outs = []
        for n in self.wanted:
            array = values[n]
            if array.base is not None or not array.flags.c_contiguous:
                array = array.copy()
            outs.append(array)
        return 0, outs


def part_of(plan: Any) -> Part:
    """One run of a recorded call."""
    native = plan.native
    if not native:
        raise Refused("part of it has no machine code")
    if native.whole:
        return Part(plan)
    return Steps(plan)
