"""A plan whose operations run as machine code, with NumPy calls between where an
operation has no kernel.

The native code reads the data pointers out of the array objects that it is called with,
so that a call costs no more than a few hundred nanoseconds. Parameters that nobody reads
afterwards are written in place.
"""

from __future__ import annotations

import itertools
import weakref
from functools import partial
from typing import Any

import numpy as np

from ..collector import paused
from ..trace import Arg, Bound, Const, State, memory_of
from . import jit, record
from .memory import give_back
from .pool import POOL
from .segment import Segment, reusing

#: the graphs of this process that have become machine code
NATIVES: weakref.WeakSet[Native] = weakref.WeakSet()
_numbers = itertools.count()
#: bytes of an arena and results that are to come in the place of what compiling took,
#: not on top
_MUCH = 1 << 19


class Native:
    """How a plan's values are computed; ``steps`` are segments and NumPy calls."""

    def __init__(self, plan: Any) -> None:
        if not jit.layout_known():
            raise NotImplementedError("arrays look different in memory here")
        give_back()  # what interpreting it took, before the arena is filled
        self._begin(plan)

    @paused  # else it looks at the whole program for as long as LLVM takes
    def _begin(self, plan: Any) -> None:
        self._plan = weakref.ref(plan)
        self._build: Any = None
        names = record.name_of(plan)
        found = record.read(plan, names)
        if found is None:
            with POOL.beginning():
                full = self._compiled(plan)
            record.write(names, full)
            found = record.bare(full)
            if found is not full:
                self._build = None
            del full, names
            give_back()  # … and compiling, before what steps need is added
        self.steps, self.results, self.target, moved, self.checked = found
        inside = {leaf for leaf, s in plan.writes if self.results.get(s) in self.target}
        inside.update(moved)
        #: leaves that the native code itself writes
        self.written = inside
        self.direct = [leaf for leaf, _ in plan.writes if leaf in inside]
        self.left = [(leaf, s) for leaf, s in plan.writes if leaf not in inside]
        self._prepare(plan)
        self.calls = any(type(step) is not Segment for step in self.steps)
        self._usual(plan)
        self._build = None
        self.number = next(_numbers)
        NATIVES.add(self)

    @property
    def build(self) -> Any:
        """The kernels, and how they came about; worked out when somebody asks, where
        the machine code was found on disk."""
        if self._build is None:
            from .build import Build

            self._build = Build(self._plan())
        return self._build

    def _compiled(self, plan: Any) -> record.Record:
        """What the plan becomes, compiled now."""
        from .proof import prove

        build = self.build
        segments = [step for step in build.steps if type(step) is Segment]

        def tried(step: Segment, library: jit.Library) -> None:
            much = step.layout.size + sum(b.spec.nbytes for b in step.outputs) >= _MUCH
            if much:
                give_back()  # what compiling took
            prove(build, step, library)
            if much:
                give_back()  # what trying took

        libraries = [
            jit.library(*build.texts(step), proof=partial(tried, step))
            for step in segments
        ]
        for step, library in zip(segments, libraries, strict=True):
            step.ready(library)
        moved = [leaf for _, leaf in build.moved]
        return record.Record(
            build.steps, build.results, build.target, moved, build.checked
        )

    def explain(self, measure: bool = True) -> Any:
        """The kernels, what is fused into each and from which lines, operations, bytes,
        memory, and the times: predicted, and measured on copies of the parameters."""
        from .explain import explain

        return explain(self, measure)

    # -- running --------------------------------------------------------------------

    def _prepare(self, plan: Any) -> None:
        """Slots for everything that steps hand on."""
        count = len(plan.template)
        self.place: dict[Any, int] = {}
        for key, n in plan.slot.items():
            if type(key) in (Arg, Bound):
                self.place[key] = n
        states = {id(b): s for s, b in self.results.items()}
        pooled = {plan.slot[s] for _, bundle in plan.bundles for s in bundle}
        for step in self.steps:
            nodes = step.outputs if type(step) is Segment else step.nodes
            for node in nodes:
                state = states.get(id(node))
                if state is not None:
                    self.place[node] = plan.slot[state]
                else:
                    self.place[node] = count
                    count += 1
        self.extra = count - len(plan.template)
        #: wanted states that arrive in the buffer of another one
        self.same = [
            (plan.slot[s], self.place[b])
            for s, b in self.results.items()
            if b in self.place and self.place[b] != plan.slot[s]
        ]
        for n, step in enumerate(self.steps):
            if type(step) is Segment:
                step.ins = [self._source(k) for k in step.inputs]
                step.outs = [
                    (self.place[k], k.spec.shape, k.spec.dtype.np) for k in step.outputs
                ]
                # Gradients that nobody asked for leave their memory to the next step.
                again = [i for i, (n, _, _) in enumerate(step.outs) if n in pooled]
                step.results = reusing(step.outs, again)
                step.clean = n == 0 or all(type(k) in (Arg, Bound) for k in step.inputs)
            else:
                node = step.nodes[0]
                op = node.op.forward
                call = partial(op, **node.attrs) if node.attrs else op
                ins = []
                for key in node.inputs:
                    view = self.build.fusion.view(key)
                    ins.append(view.buffer.value if type(view.buffer) is Const
                               else self._source(view.buffer))  # fmt: skip
                consts = [
                    type(self.build.fusion.view(k).buffer) is Const for k in node.inputs
                ]
                step.run = (call, tuple(zip(ins, consts, strict=True)),
                            self.place[node], node.spec.dtype.np)  # fmt: skip

    def _usual(self, plan: Any) -> None:
        """Prepare for the usual run, where the plan is one native call that makes all."""
        self.whole = False
        #: why it is not one native call of arguments and parameters
        self.why = "it writes to its arguments, or to tensors that nothing keeps"
        written = [*self.direct, *(leaf for leaf, _ in self.left)]
        bound = all(type(leaf) is Bound for leaf in written)
        self.counters = [memory_of(leaf.ref()) for leaf in written if bound]
        if self.calls:
            calls = (step for step in self.steps if type(step) is not Segment)
            words = sorted({step.nodes[0].op.name for step in calls})
            self.why = f"there is no machine code for {', '.join(words)}"
        if len(self.steps) != 1 or self.calls or self.same or not bound:
            return
        (step,) = self.steps
        place = {node: n for n, node in enumerate(step.outputs)}
        wanted = {s: place.get(b) for s, b in self.results.items()}
        if any(type(k) not in (Arg, Bound) for k in step.inputs):
            return
        given = [s for _, s in plan.outputs]
        given += [s for _, states in plan.bundles for s in states]
        if len(set(given)) != len(given) or any(wanted[s] is None for s in given):
            return
        self.kept = {s: wanted[s] for s in plan.saved if type(s) is State}
        if any(n is None for n in self.kept.values()):
            return
        self.shown = [(i, s, wanted[s]) for i, s in plan.outputs]
        self.bundles = [(i, [wanted[s] for s in states]) for i, states in plan.bundles]
        self.arguments = [k.index for k in step.inputs if type(k) is Arg]
        self.parameters = [k.ref for k in step.inputs if type(k) is Bound]
        self.copied = [(leaf.ref, wanted.get(s)) for leaf, s in self.left]
        if any(n is None for _, n in self.copied):
            return
        self.whole = True

    def _source(self, buffer: Any) -> int:
        return self.place[buffer]

    def run(self, values: list[Any]) -> bool:
        """Compute into *values*; False if the interpreter should do it instead."""
        if self.extra:
            values.extend([None] * self.extra)
        for step in self.steps:
            if type(step) is Segment:
                if not self._call(step, values):
                    return False
            else:
                call, ins, out, dtype = step.run
                result = call(*[x if const else values[x] for x, const in ins])
                if type(result) is not np.ndarray:
                    result = np.asarray(result, dtype)
                values[out] = result
        for n, other in self.same:
            values[n] = values[other].copy()
        return True

    def _call(self, step: Any, values: list[Any]) -> bool:
        arrays = [values[n] for n in step.ins]
        if not step.clean:
            arrays = [np.ascontiguousarray(a) if a.ndim else a for a in arrays]
        for (n, _, _), array in zip(step.outs, step.results(), strict=True):
            values[n] = array
            arrays.append(array)
        arrays.append(step.arena)
        status = step.function(*arrays)
        if status == 1:  # what is only read may lie in another order
            last = len(step.ins)
            again = [
                a if key in self.written or not a.ndim else np.ascontiguousarray(a)
                for key, a in zip(step.inputs, arrays, strict=False)
            ]
            status = step.function(*again, *arrays[last:])
        return bool(status == 0)
