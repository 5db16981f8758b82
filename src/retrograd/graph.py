"""The recorded program as a graph that can be read: one line a node.

%2: f32[32,10] = linear %x %w %b        # model.py:12
%7: f32[32,10] = mul %5 %2              # ∂ of %3, train.py:20
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import dispatch
from .trace import Arg, Bound, Const, State


class Node:
    """One operation: what, of what, where it was written, of what it is the derivative."""

    __slots__ = ("index", "state", "inputs", "of")

    def __init__(self, index: int, state: State) -> None:
        self.index, self.state = index, state
        self.inputs: tuple[Any, ...] = ()
        self.of: Node | None = None

    @property
    def op(self) -> str:
        op: Any = self.state.op
        return str(op.name)

    @property
    def spec(self) -> Any:
        return self.state.spec

    @property
    def line(self) -> str:
        return self.state.line

    @property
    def group(self) -> tuple[str, ...]:
        """The compositions it is part of, outermost first."""
        return self.state.group

    def __str__(self) -> str:
        inputs = " ".join(
            f"%{x.index}" if isinstance(x, (Node, Leaf)) else str(x)
            for x in self.inputs
        )
        attrs = "".join(
            f" {k}={v!r}" for k, v in self.state.attrs.items() if k not in ("call",)
        )
        notes = []
        if self.of is not None:
            notes.append(f"∂ of %{self.of.index} ({self.of.op})")
        if self.group:
            notes.append(" › ".join(self.group))
        notes.append(self.line)
        text = f"%{self.index}: {self.spec!r} = {self.op} {inputs}{attrs}"
        return f"{text:<58}  # {', '.join(notes)}"


class Leaf:
    """A value from outside: a parameter, an input, or what an earlier run left."""

    __slots__ = ("index", "key", "what")

    def __init__(self, index: int, key: Any, what: str) -> None:
        self.index, self.key, self.what = index, key, what

    def __str__(self) -> str:
        return f"%{self.index}: {self.key.spec!r} = {self.what}"


class Graph:
    """Nodes in an order in which they can be computed, and the leaves they start from."""

    def __init__(self, states: list[State]) -> None:
        self.leaves: list[Leaf] = []
        self.nodes: list[Node] = []
        known: dict[Any, Any] = {}
        for state in states:
            for key in state.inputs:
                if key not in known and type(key) in (Arg, Bound):
                    what = "parameter" if type(key) is Bound else "input"
                    if type(key) is Arg and key.grad:
                        what = "leaf" if key.grad == 1 else "computed earlier"
                    known[key] = leaf = Leaf(len(known), key, what)
                    self.leaves.append(leaf)
            known[state] = node = Node(len(known), state)
            self.nodes.append(node)
        for node in self.nodes:
            node.inputs = tuple(
                k.value if type(k) is Const else known.get(k, "?")
                for k in node.state.inputs
            )
            if node.state.of is not None:
                of = known.get(node.state.of)
                node.of = of if isinstance(of, Node) else None
        self.verify()

    def verify(self) -> None:
        """Check that every input is there before its use and every shape follows."""
        seen: set[int] = {leaf.index for leaf in self.leaves}
        for node in self.nodes:
            for x in node.inputs:
                if isinstance(x, (Node, Leaf)) and x.index not in seen:
                    raise AssertionError(
                        f"%{x.index} is used before it is made: {node}"
                    )
            specs = [k.spec for k in node.state.inputs]
            op: Any = node.state.op
            inferred = op.infer(*specs, **node.state.attrs)
            if inferred is not node.spec:
                raise AssertionError(f"the shape rule gives {inferred!r}: {node}")
            seen.add(node.index)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.leaves, *self.nodes)))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from .see.notebook import graph

        return graph(self)


def graph(*tensors: Any) -> Graph:
    """The recorded operations that *tensors* depend on, back to the leaves.

    For a gradient this is the derivative graph, with the part of the forward graph that
    it needs. Nothing is run.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> len(rg.graph(y))
    2
    """
    wanted: set[State] = set()
    for t in tensors:
        key = t._key
        if type(key) is State:
            wanted.add(key)
        elif t._meta is not None and t._meta.history is not None:
            wanted.add(t._meta.history[1])
    found: set[State] = set()
    stack = list(wanted)
    while stack:
        state = stack.pop()
        if state in found:
            continue
        found.add(state)
        stack.extend(k for k in state.inputs if type(k) is State)
    return Graph(sorted(found, key=lambda s: s.depth))


def pending() -> Graph:
    """Everything this thread has recorded and not yet run."""
    path = dispatch.recorder().state.path()
    return Graph([s for s in path if s.kind == "op"])
