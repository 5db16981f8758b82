"""What was recorded for a tensor, with its derivative graph and all values.

The recorded states are copied, one for one, into a recorder of their own, and the one
reverse loop of :mod:`retrograd.backward` runs there. So the user's trace, gradients,
hooks and random numbers stay as they are, and what is shown is what `backward()` does.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import backward, dispatch, dtypes, errors
from ..ops.op import Array, Spec
from ..trace import Arg, Bound, Const, Failed, Segment, State, spec_of, version_of
from .reversal import Reversal


class Leaf:
    """A value from outside: a parameter, an input, or a number that changes."""

    __slots__ = ("key", "tensor", "array", "spec", "parameter", "wants_grad", "why")

    def __init__(self, key: Arg, tensor: Any, array: Any, parameter: bool) -> None:
        self.key, self.tensor, self.array = key, tensor, array
        self.spec = key.spec
        self.parameter = parameter
        self.wants_grad = bool(key.grad)
        self.why = ""  # … the value is not known


class Capture:
    """The graph of one tensor: ``nodes`` in the order of recording, then, after
    ``reverse()``, ``back`` with the derivative graph."""

    def __init__(self, tensor: Any, gradient: Any = None) -> None:
        self.tensor = tensor
        self.spec: Spec = spec_of(tensor)
        self.line = errors.user_line()
        self.gradient_array = None if gradient is None else np.asarray(gradient)
        self.rec = dispatch.Recorder()
        self.rec.eager, self.rec.hold, self.rec.hooks = False, True, {}
        self.nodes: list[State] = []
        self.back: list[State] = []
        self.leaves: dict[Arg, Leaf] = {}
        #: the recorded state (and the run it belongs to) that each node is a copy of
        self.origin: dict[State, tuple[Segment | None, State]] = {}
        self.hooked: set[State] = set()
        self.freed = False
        self.known: dict[Any, Array] = {}  # values that a run left
        self.values: dict[Any, Any] = {}  # arrays, or summaries of large ones
        self.gradient: dict[Any, Any] = {}  # node or leaf → the key of its gradient
        self.shares: dict[State, list[tuple[Any, Any]]] = {}
        self.seed: Any = None
        self.constants: dict[Arg, Array] = {}  # that the rules brought with them
        self._reversed = False
        self._copy(tensor)

    # -- the forward graph ----------------------------------------------------------

    def _copy(self, tensor: Any) -> None:
        root = _place(tensor)
        if root is None:
            raise RuntimeError(
                "there is nothing to show: this tensor was not computed from tensors "
                "that require gradients (or it was detached from them)"
                f"\n  at {self.line}"
            )
        node: dict[Any, Any] = {}  # (segment, state) → its copy
        leaf: dict[Any, Arg] = {}
        self.copies, self.taken = node, leaf
        for segment, state in _sorted(root):
            owner = state.recorder
            inputs: list[Any] = []
            for key in state.inputs:
                if type(key) is Const:
                    inputs.append(key)
                    continue
                place = _resolve(owner, segment, key)
                if type(place) is tuple:
                    inputs.append(node[place])
                else:
                    mark = id(place) if place is not None else (id(segment), key)
                    if mark not in leaf:
                        leaf[mark] = self._leaf(owner, segment, key, place)
                    inputs.append(leaf[mark])
            node[segment, state] = self._append(segment, state, tuple(inputs), node)
        self.root: State = node[root]
        for state in self.nodes:  # of a number that was cast the run keeps the result
            first = self.leaves.get(state.inputs[0]) if state.inputs else None
            if state.op is not None and state.op.name == "cast" and first is not None:
                if first.array is None and state in self.known:
                    first.array = np.asarray(self.known[state]).astype(
                        first.spec.dtype.np
                    )
        if tensor._array is not None and type(tensor._key) is not State:
            self.known[self.root] = tensor._array

    def _append(
        self,
        segment: Segment | None,
        state: State,
        inputs: tuple[Any, ...],
        node: dict[Any, Any],
    ) -> State:
        rec = self.rec
        copy = State(rec.state, "op", rec, True, state.op, inputs, state.attrs,
                     state.spec, state.grad)  # fmt: skip
        copy.line, copy.module, copy.group = state.line, state.module, state.group
        copy.view = state.view
        row = state.row
        if row is not None and row.signs == tuple([k.sign for k in inputs]):
            copy.row = row  # the rules of the derivative are known from it
        copy.of = node.get((segment, state.of))
        rec.state = copy
        self.nodes.append(copy)
        self.origin[copy] = (segment, state)
        if segment is not None:
            saved = segment.saved.get(state)
            if saved is not None:
                self.known[copy] = getattr(saved, "_array", saved)
            self.freed = self.freed or state in segment.freed
        hooks: Any = state.recorder.hooks if segment is None else segment.hooks
        if state in hooks and (hooks[state].functions or hooks[state].keep):
            self.hooked.add(copy)
        return copy

    def _leaf(self, owner: Any, segment: Segment | None, key: Any, tensor: Any) -> Arg:
        rec = self.rec
        arg = Arg(len(rec.args), key.spec, 1 if key.grad else 0, False, rec)
        array, why = None, "not kept"
        if tensor is not None:
            if segment is None:
                array = tensor._array
                if type(key) is Arg:
                    array = owner.snapshots.get(key.index, array)
            elif version_of(tensor) == segment.versions.get(key, version_of(tensor)):
                array = tensor._array
            else:
                why = "changed in place since"
        leaf = Leaf(arg, tensor, array, type(key) is Bound)
        leaf.why = "" if array is not None else why
        leaf.parameter = leaf.parameter or key.grad == 1
        self.leaves[arg] = leaf
        rec.args.append(dispatch.stand_in(arg))
        return arg

    # -- the derivative graph -------------------------------------------------------

    def reverse(self) -> Capture:
        """Record the derivative graph, once."""
        if self.seed is not None:
            return self
        if not self.root.grad:
            raise RuntimeError(
                "this tensor does not require grad: no tensor that it was computed "
                f"from does\n  at {self.line}"
            )
        if self.freed:
            raise RuntimeError(
                "the graph of this tensor was freed by a backward(): show it before, "
                f"or call backward(retain_graph=True)\n  at {self.line}"
            )
        rec, outer = self.rec, dispatch._local.rec
        start = rec.state
        rec.grad_mode = False
        dispatch._local.rec = rec
        try:
            run = Reversal(self)
            seed = self._seed()
            run._wait(None, self.root, seed)
            run.run({(None, s) for s in self.nodes})
        finally:
            dispatch._local.rec = outer
        self.seed = seed._key
        for tensor in rec.args:
            if type(tensor._key) is Arg and tensor._array is not None:
                self.constants.setdefault(tensor._key, tensor._array)
        for (_, state), g in run.captured.items():
            self.gradient[state] = g._key
        for key, handle in run.leaves.values():
            self.gradient[key] = run.waiting[id(handle)]._key
        self.shares = run.shares
        state, back = rec.state, []
        while state is not start and state is not None:
            if state.kind == "op":
                back.append(state)
            state = state.parent
        self.back = back[::-1]
        return self

    def _seed(self) -> Any:
        if self.gradient_array is None:
            return backward._seed(self.tensor, None, "this tensor")
        array = self.gradient_array
        if array.shape != self.spec.shape:
            raise RuntimeError(
                f"gradient has shape {list(array.shape)} and the tensor "
                f"{list(self.spec.shape)}\n  at {self.line}"
            )
        spec = Spec(array.shape, self.spec.dtype)
        arg = Arg(len(self.rec.args), spec, 0, False, self.rec)
        self.leaves[arg] = Leaf(arg, None, array.astype(spec.dtype.np), False)
        handle = dispatch.stand_in(arg)
        self.rec.args.append(handle)
        return handle

    # -- values ---------------------------------------------------------------------

    def evaluate(self, backward: bool = True) -> Capture:
        """Compute every value (and every gradient) that can be known, once."""
        if not self.values:
            for arg, leaf in self.leaves.items():
                if leaf.array is not None:
                    self.values[arg] = leaf.array.copy()
            self._run(self.nodes)
        if backward and self.root.grad:
            self.reverse()
            if not self._reversed:
                self._reversed = True
                for arg, leaf in self.leaves.items():  # the seed
                    if arg not in self.values and leaf.array is not None:
                        self.values[arg] = leaf.array
                self.values.update(self.constants)
                self._run(self.back)
        return self

    def now(self, key: Any) -> Any:
        """The value of a gradient while the derivative graph is being recorded; None
        where it cannot be known."""
        self.evaluate(backward=False)
        for arg, leaf in self.leaves.items():  # the seed
            if arg not in self.values and leaf.array is not None:
                self.values[arg] = leaf.array
        for tensor in self.rec.args:
            if tensor._array is not None:
                self.values.setdefault(tensor._key, tensor._array)
        waiting: list[State] = []
        stack = [key]
        while stack:
            state = stack.pop()
            if type(state) is State and state not in self.values:
                waiting.append(state)
                stack.extend(state.inputs)
        self._run(sorted(set(waiting), key=lambda s: s.depth))
        return self.value(key)

    def own(self, tensor: Any) -> Any:
        """The key here of a tensor of the program's; None if it is not part of this."""
        place = _place(tensor)
        if place is not None:
            return self.copies.get(place)
        return self.taken.get(id(tensor))

    def _run(self, states: list[State]) -> None:
        values = self.values
        op: Any = None
        state: Any = None
        try:
            with np.errstate(all="ignore"):
                for state in states:
                    if state in self.known:
                        values[state] = self.known[state]
                        continue
                    ins = [
                        k.value if type(k) is Const else values.get(k)
                        for k in state.inputs
                    ]
                    op = state.op
                    unknown = any(x is None for x in ins)
                    values[state] = None if unknown else op.forward(*ins, **state.attrs)
        except Exception as error:
            what = f"in {op.name}, recorded at {state.line}"
            raise errors.at(error, what) from None

    def value(self, key: Any) -> Any:
        """The value of a node, leaf or gradient; None where it was not kept."""
        if type(key) is Const:
            return np.asarray(key.value)
        if key not in self.values:
            self.evaluate(backward=type(key) is State and key not in self.origin)
        value = self.values.get(key)
        return None if value is None else np.asarray(value)

    def gradient_value(self, key: Any) -> Any:
        """The gradient that reaches a node or leaf; None where there is none."""
        g = self.gradient.get(key)
        return None if g is None else self.value(g)

    def in_double(
        self,
        states: Iterable[State],
        given: dict[Any, Any],
        base: dict[Any, Any] | None = None,
    ) -> dict[Any, Any]:
        """Values of *states* in float64, where *given* says what leaves, or nodes,
        are. What is not among them is taken from *base*."""
        values: dict[Any, Any] = dict(given)
        base = {} if base is None else base
        with np.errstate(all="ignore"):
            for state in states:
                if state in values:
                    continue
                ins = [
                    _double(k.value)
                    if type(k) is Const
                    else values[k]
                    if k in values
                    else base.get(k)
                    for k in state.inputs
                ]
                if any(x is None for x in ins):
                    continue
                op: Any = state.op
                if op.name == "cast" and state.spec.dtype.is_floating_point:
                    values[state] = np.asarray(ins[0]).astype(np.float64)
                else:
                    values[state] = _double(op.forward(*ins, **state.attrs))
        return values

    def __iter__(self) -> Iterator[State]:
        return iter(self.nodes)


def _double(value: Any) -> Any:
    array = np.asarray(value)
    d = dtypes.from_numpy_dtype(array.dtype)
    return array.astype(np.float64) if d.is_floating_point else array


def _place(tensor: Any) -> tuple[Segment | None, State] | None:
    """Where the record of a tensor ends: (the run that made it, its state)."""
    key = tensor._key
    if type(key) is Failed:
        raise key.error
    if type(key) is State:
        return (None, key)
    meta = tensor._meta
    if meta is None or meta.history is None:
        return None
    history: tuple[Segment | None, State] = meta.history
    return history


def _resolve(owner: Any, segment: Segment | None, key: Any) -> Any:
    """What an operand is: (segment, state), or the leaf's tensor, or None."""
    if type(key) is State:
        return (segment, key)
    if segment is not None and key in segment.histories:
        return segment.histories[key]
    tensor: Any
    if segment is None:
        tensor = owner.args[key.index] if type(key) is Arg else key.ref()
    else:
        tensor = segment.saved.get(key)
        if tensor is None and type(key) is Bound:
            tensor = key.ref()
    if tensor is not None and key.grad == 2:
        place = None if tensor._meta is None else tensor._meta.history
        if place is not None:
            return place
    return tensor


def _sorted(
    root: tuple[Segment | None, State],
) -> list[tuple[Segment | None, State]]:
    """Everything that leads to *root*, each after what it needs."""
    found = {root}
    heap = [_age(root)]
    by_age = {heap[0]: root}
    order = []
    while heap:
        place = by_age.pop(heapq.heappop(heap))
        order.append(place)
        segment, state = place
        for key in state.inputs:
            if type(key) is Const:
                continue
            below = _resolve(state.recorder, segment, key)
            if type(below) is tuple and below not in found:
                found.add(below)
                age = _age(below)
                by_age[age] = below
                heapq.heappush(heap, age)
    return order[::-1]


def _age(place: tuple[Segment | None, State]) -> tuple[float, int, int]:
    segment, state = place
    sequence = float("inf") if segment is None else segment.sequence
    return (-sequence, -state.depth, id(state))
