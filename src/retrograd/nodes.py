"""The nodes of a recorded graph as users see them: ``tensor.grad_fn`` and what follows.

There is no second graph: a node is a place in the trace (or in what a run left of it),
and walks the recorded operations when it is asked to. The operations of one composition
are one node.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import dispatch
from .dispatch import constant
from .hooks import RemovableHandle, StateHooks
from .trace import Arg, Bound, Const, Handle, Segment, State, meta_of

#: PyTorch's names for operations and compositions that have another one here
_NAMES = {"Reshape": "View", "Conv": "Convolution", "Cast": "ToCopy", "root": "Sqrt",
          "mse": "MseLoss", "l1": "L1Loss", "smooth": "SmoothL1Loss", "nll": "NllLoss",
          "cross_entropy": "NllLoss", "bce": "BinaryCrossEntropy",
          "bce_logits": "BinaryCrossEntropyWithLogits", "norm": "LinalgVectorNorm",
          "vector_norm": "LinalgVectorNorm", "conv": "Convolution",
          "layer_norm": "NativeLayerNorm", "batch_norm": "NativeBatchNorm",
          "group_norm": "NativeGroupNorm"}  # fmt: skip

Hook = Callable[..., Any]


class Node:
    """A function of the graph of derivatives: it takes the gradients of its outputs to
    those of its inputs."""

    __slots__ = ("__weakref__",)

    def name(self) -> str:
        """What it is the derivative of."""
        raise NotImplementedError

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the gradients of the inputs go (None where none flows)."""
        raise NotImplementedError

    @property
    def metadata(self) -> dict[Any, Any]:
        """Whatever the user keeps with this node."""
        raise NotImplementedError

    def __call__(self, *grad_outputs: Any) -> Any:
        """The gradients of the inputs from that of the output, without hooks and without
        going on; a tuple where there are several, None where none flows."""
        raise NotImplementedError

    def register_hook(self, fn: Hook) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` when both are known; a tuple that it
        returns takes the place of *grad_inputs*."""
        raise NotImplementedError

    def register_prehook(self, fn: Hook) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before; a tuple that it returns takes their place."""
        raise NotImplementedError


class GradFn(Node):
    """The operation, or composition, that made a tensor."""

    __slots__ = ("_value", "table")
    _value: Any
    #: the hooks of what was recorded together: says which trace this is a place of
    table: dict[State, StateHooks]

    @property
    def place(self) -> tuple[Segment | None, State]:
        """What a run left of the trace (None: it is the running one), and the state."""
        value = self._value
        key = value._key
        if type(key) is State:
            return None, key
        if getattr(key, "error", None) is not None:
            raise key.error
        found: tuple[Segment, State] = value._meta.history
        if value._array.strides != (0,) * value._array.ndim:
            self._value = _empty(*found)  # the value itself is not needed
        return found

    def tensor(self) -> Any:
        """A tensor without numbers that stands for the result in a backward pass."""
        self.place  # noqa: B018  (raises where the run has failed)
        return self._value

    def name(self) -> str:
        """The name of the composition that the user called, or of the operation."""
        return _name(self.place[1])

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """What the inputs came from (None where no gradient flows): the operations, or
        compositions, whose results this one was called with; leaves as AccumulateGrad."""
        ahead = inside(*self.place)[1]
        return tuple((_next(*operand), 0) for operand in ahead)

    def _hooks(self) -> StateHooks:
        return self.table.setdefault(self.place[1], StateHooks())

    @property
    def metadata(self) -> dict[Any, Any]:
        return self._hooks().metadata

    def __call__(self, *grad_outputs: Any) -> Any:
        if len(grad_outputs) != 1:
            raise TypeError(
                f"{self.name()} takes the gradient of its one output, not "
                f"{len(grad_outputs)} gradients"
            )
        found = _pulled(self, grad_outputs[0])
        return found[0] if len(found) == 1 else found

    def register_hook(self, fn: Hook) -> RemovableHandle:
        return RemovableHandle(self._hooks().after, fn)

    def register_prehook(self, fn: Hook) -> RemovableHandle:
        return RemovableHandle(self._hooks().before, fn)

    def __getattr__(self, name: str) -> Any:
        """``_saved_self``, ``_saved_result``, …: what the rules keep; of a Function of
        the user's, what its context has."""
        ctx = getattr(self.place[1].attrs.get("call"), "ctx", None)
        if ctx is not None:
            return getattr(ctx, name)
        if not name.startswith("_saved_"):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return _saved(self, name.removeprefix("_saved_"))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, GradFn)
            and other.table is self.table
            and other.place[1] is self.place[1]
        )

    def __hash__(self) -> int:
        return hash((id(self.table), self.place[1]))

    def __repr__(self) -> str:
        return f"<{self.name()} at {self.place[1].line}>"


class AccumulateGrad(Node):
    """Where a gradient ends: it is added to ``variable.grad``."""

    __slots__ = ("variable",)
    variable: Any

    def name(self) -> str:
        return "retrograd::autograd::AccumulateGrad"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        return ()

    @property
    def metadata(self) -> dict[Any, Any]:
        kept: dict[Any, Any] = self.variable.__dict__.setdefault("_metadata", {})
        return kept

    def __call__(self, *grad_outputs: Any) -> Any:
        from .paths import accumulate

        rec, (g,) = dispatch.recorder(), grad_outputs
        accumulate(rec, self.variable, g, rec.grad_mode and g.requires_grad)
        return ()

    def register_hook(self, fn: Hook) -> RemovableHandle:
        last: list[Any] = [None]

        def note(g: Any) -> None:
            last[0] = g

        def call(leaf: Any) -> None:
            fn((), (last.pop(),))
            last.append(None)

        first = self.variable.register_hook(note)
        handle: RemovableHandle = self.variable.register_post_accumulate_grad_hook(call)
        handle.also = first
        return handle

    def register_prehook(self, fn: Hook) -> RemovableHandle:
        def call(g: Any) -> Any:
            changed = fn((g,))
            return None if changed is None else changed[0]

        handle: RemovableHandle = self.variable.register_hook(call)
        return handle

    def __repr__(self) -> str:
        return f"<AccumulateGrad of a tensor of shape {list(self.variable.shape)}>"


class GradientEdge(NamedTuple):
    """An output of a node: stands for a tensor where derivatives are asked for."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def standing_for(x: Any) -> Any:
    """The tensor that is meant by one, or by a GradientEdge."""
    if not isinstance(x, GradientEdge):
        return x
    if isinstance(x.node, AccumulateGrad):
        return x.node.variable
    if isinstance(x.node, GradFn):
        return x.node.tensor()
    raise TypeError(f"a GradientEdge of {type(x.node).__name__}, which is no Node")


# -- nodes are found again while somebody holds them -----------------------------------

_known: weakref.WeakValueDictionary[Any, Node] = weakref.WeakValueDictionary()
_kinds: dict[str, type[GradFn]] = {}


def node_for(segment: Segment | None, state: State) -> GradFn:
    """The node at a place: the same object while somebody holds it."""
    table = state.recorder.hooks if segment is None else segment.hooks
    found = _known.get((id(table), state))
    if isinstance(found, GradFn) and found.table is table:
        return found
    name = _name(state)
    kind = _kinds.get(name)
    if kind is None:
        kind = _kinds[name] = type(name, (GradFn,), {"__slots__": ()})
    node = object.__new__(kind)
    node.table = table
    if segment is None:
        # A promise of its own keeps the node usable when the tensor is gone. What is
        # promised must follow from the place in the trie, so it is noted there.
        state.recorder.mark("node", state, {})
        node._value = state.recorder.handle(state)
    else:
        node._value = _empty(segment, state)
    _known[id(table), state] = node
    return node


def accumulator(leaf: Any) -> AccumulateGrad:
    """The node at which the gradient of *leaf* ends."""
    found = _known.get(id(leaf))
    if isinstance(found, AccumulateGrad) and found.variable is leaf:
        return found
    node = AccumulateGrad()
    node.variable = leaf
    _known[id(leaf)] = node
    return node


def _empty(segment: Segment, state: State) -> Any:
    """A tensor with a history and without memory."""
    zero = np.zeros((), state.spec.dtype.np)
    out = constant(np.broadcast_to(zero, state.spec.shape))
    meta_of(out).history = (segment, state)
    return out


def _name(state: State) -> str:
    op: Any = state.op
    if "call" in state.attrs:  # a Function of the user's
        return f"{op.__name__}Backward"
    name = state.group[0].strip("_") if state.group else op.__name__
    title = name.title().replace("_", "") if state.group else name
    return f"{_NAMES.get(name, title)}Backward0"


def origin(segment: Segment | None, key: Any) -> tuple[Any, Any]:
    """Where an operand came from: a place, or None and the leaf (None: it is gone)."""
    if type(key) is State:
        return (segment, key), None
    if type(key) is Const:
        return None, key
    if segment is None:
        leaf: Any = key.ref() if type(key) is Bound else key.recorder.args[key.index]
        history = None if leaf is None or leaf._meta is None else leaf._meta.history
    else:
        leaf = segment.saved.get(key)
        leaf = key.ref() if leaf is None and type(key) is Bound else leaf
        history = segment.histories.get(key)
    return history, leaf


def identity(segment: Segment | None, key: Any) -> Any:
    """What two operands have in common that are the same value."""
    place, leaf = origin(segment, key)
    return id(leaf) if place is None else place


def inside(segment: Segment | None, state: State) -> tuple[set[Any], list[Any]]:
    """The places of the composition that *state* ends, or it alone; and its operands from
    outside, in order, each with the segment that knows it."""
    whole = state.group[:1]
    following: dict[Any, Any] = {}
    # of a Function of the user's, the first operand is the value itself
    own = "call" in state.attrs
    ahead = [(segment, key) for key in state.inputs[own:]]
    inner: set[Any] = {(segment, state)}
    while ahead:
        known, key = ahead.pop(0)
        if type(key) is Const and (whole or state.op.name == "pow"):  # type: ignore[union-attr]
            continue  # a number that PyTorch makes no tensor of
        place = origin(known, key)[0]
        call = place[1].attrs.get("call") if own and place else None
        if call is not None and call.position is None:  # what outputs have in common
            inner.add(place)
            ahead[:0] = [(place[0], k) for k in place[1].inputs[1:]]
        elif place and whole and place[1].group[:1] and place[1].group[0] is whole[0]:
            if place not in inner:  # another part of the same call
                inner.add(place)
                ahead[:0] = [(place[0], k) for k in place[1].inputs]
        else:
            name = identity(known, key) if whole else len(following)
            following.setdefault(name, (known, key))
    return inner, list(following.values())


def _next(segment: Segment | None, key: Any) -> Node | None:
    """The node that an operand came from."""
    if not key.grad:
        return None
    place, leaf = origin(segment, key)
    if place is not None:
        return node_for(*place)
    return None if leaf is None else accumulator(leaf)


def _pulled(node: GradFn, g: Any) -> tuple[Any, ...]:
    """What the gradient of a node's output becomes at each of its inputs."""
    from .backward import _Reverse, _seed

    rec = dispatch.recorder()
    if node.place[0] is None and rec.tracing is None:
        rec.flush()
    segment, state = node.place
    g = _seed(node.tensor(), g, "the output")
    found: list[tuple[Any, ...]] = []

    def note(inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        found.append(inputs)

    outer, rec.of = rec.of, state
    try:
        _Reverse(rec, True).gathered(segment, state, g, {0: note})
    finally:
        rec.of = outer
    return found[0]


def _saved(node: GradFn, name: str) -> Any:
    """The value that the rules of a node keep under PyTorch's name for it."""
    from .backward import _FREED, _Reverse

    rec = dispatch.recorder()
    if node.place[0] is None and rec.tracing is None:
        rec.flush()
    segment, state = node.place
    op: Any = state.op
    names = {"self": 0, "other": 1, "mat2": 1, "weight": 1}
    if op.name == "pow":
        names["exponent"] = 1
    at = names.get(name, op.inputs.index(name) if name in op.inputs else -1)
    rules = [op.rules[n] for n, k in zip(op.inputs, state.inputs, strict=False)
             if k.grad and n in op.rules]  # fmt: skip
    key: Any = None
    if name == "result" and any(r.keeps_out for r in rules):
        key = state
    elif 0 <= at < len(state.inputs) and any(at in r.keeps for r in rules):
        key = state.inputs[at]
    elif name in state.attrs:
        return state.attrs[name]
    if key is None or len(inside(segment, state)[0]) > 1:
        kept = "a composition keeps what its parts need" if state.group else (
            f"its rules keep no {name}"
        )  # fmt: skip
        raise AttributeError(f"{type(node).__name__}: {kept}")
    if segment is not None and state in segment.freed:
        raise RuntimeError(_FREED)
    if type(key) is Const:
        return key.value.item()
    run = _Reverse(rec, True)
    found = run.value(segment, key, state)
    if type(key) is Arg or type(key) is Bound or isinstance(found, Handle):
        return found
    return constant(np.asarray(found))


__all__ = ["AccumulateGrad", "GradFn", "GradientEdge", "Node", "accumulator", "identity",
           "inside", "node_for", "standing_for"]  # fmt: skip
