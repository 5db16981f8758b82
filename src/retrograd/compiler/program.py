"""The recorded operations as a program that passes can rewrite (see passes.py).

A node's inputs are earlier nodes or leaves (:class:`Arg`, :class:`Bound`,
:class:`Const`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import dtypes
from ..ops.op import REGISTRY, Op, Spec
from ..trace import Const, State


class Node:
    """One operation; ``state`` is the recorded one that it came from. One that
    is computed again names in ``late`` the first one, whose kernel it keeps away from."""

    __slots__ = ("op", "inputs", "attrs", "spec", "state", "late")

    def __init__(
        self,
        op: type[Op],
        inputs: tuple[Any, ...],
        attrs: dict[str, Any],
        spec: Spec,
        state: State,
    ) -> None:
        self.op, self.inputs, self.attrs = op, inputs, attrs
        self.spec, self.state = spec, state
        self.late: Node | None = None

    def __repr__(self) -> str:
        return f"{self.op.name}: {self.spec!r}"


class Program:
    """Nodes in an order in which they can be computed; ``wanted`` are results by the
    state that recorded them."""

    def __init__(self, nodes: list[Node], wanted: dict[State, Any]) -> None:
        self.nodes, self.wanted = nodes, wanted

    def copy(self) -> Program:
        """The same program of other nodes."""
        of: dict[Any, Any] = {}
        for n in self.nodes:
            inputs = tuple(of.get(k, k) for k in n.inputs)
            of[n] = Node(n.op, inputs, n.attrs, n.spec, n.state)
            of[n].late = of.get(n.late)
        wanted = {s: of.get(k, k) for s, k in self.wanted.items()}
        return Program(list(of.values()), wanted)

    def uses(self) -> dict[Any, int]:
        """How often each value is used; being wanted counts."""
        count: dict[Any, int] = {}
        for node in self.nodes:
            for key in node.inputs:
                count[key] = count.get(key, 0) + 1
        for key in self.wanted.values():
            count[key] = count.get(key, 0) + 1
        return count

    def verify(self) -> None:
        """Every input is made before its use, and every shape follows from its rule."""
        made: set[Any] = set()
        for node in self.nodes:
            for key in node.inputs:
                assert type(key) is not Node or key in made, f"{key} used before made"
            specs = [k.spec for k in node.inputs]
            inferred = node.op.infer(*specs, **node.attrs)
            assert inferred is node.spec, f"{node}: its shape rule gives {inferred!r}"
            made.add(node)
        for key in self.wanted.values():
            assert type(key) is not Node or key in made, f"{key} wanted but not made"

    def __str__(self) -> str:
        number = {node: i for i, node in enumerate(self.nodes)}
        lines = []
        for node, i in number.items():
            parts = []
            for key in node.inputs:
                if type(key) is Node:
                    parts.append(f"%{number[key]}")
                elif type(key) is Const:
                    parts.append(str(key.value))
                else:
                    parts.append(f"<{key.spec!r}>")
            given = " ".join(parts + [f"{k}={v}" for k, v in node.attrs.items()])
            lines.append(f"%{i}: {node.spec!r} = {node.op.name} {given}".rstrip())
        found = (number.get(k, "leaf") for k in self.wanted.values())
        lines.append("→ " + " ".join(f"%{n}" for n in found))
        return "\n".join(lines)


def from_trace(states: Iterable[State], wanted: Iterable[State]) -> Program:
    """The program of recorded operations, as they were recorded."""
    node: dict[Any, Any] = {}
    for s in states:
        inputs = tuple(node.get(k, k) for k in s.inputs)
        node[s] = Node(s.op, inputs, s.attrs, s.spec, s)  # type: ignore[arg-type]
    return Program(list(node.values()), {s: node[s] for s in wanted})


def rewrite(program: Program, rule: Callable[..., Any]) -> Program:
    """Apply *rule* to each node, in order. It gives a value to use instead (a new node,
    an earlier value), or None to keep the node; it gets a function that adds a node."""
    known: dict[Any, Any] = {}
    nodes: list[Node] = []

    def add(name: str, inputs: tuple[Any, ...], like: Node, **attrs: Any) -> Node:
        op = REGISTRY[name]
        spec = op.infer(*(k.spec for k in inputs), **attrs)
        node = Node(op, inputs, attrs, spec, like.state)
        nodes.append(node)
        return node

    for old in program.nodes:
        inputs = tuple(known.get(k, k) for k in old.inputs)
        node = old
        if inputs != old.inputs:
            node = Node(old.op, inputs, old.attrs, old.spec, old.state)
        new = rule(node, old, add)
        if new is None:
            nodes.append(node)
            new = node
        known[old] = new
    return Program(nodes, {s: known.get(k, k) for s, k in program.wanted.items()})


def is_float(spec: Spec) -> bool:
    return spec.dtype.category == dtypes.FLOATING
