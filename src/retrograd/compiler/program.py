"""The recorded operations as a program that passes can rewrite.

Passes are functions from a program to a program, in the tuple :data:`PASSES`. A node's
inputs are earlier nodes or leaves (:class:`Arg`, :class:`Bound`, :class:`Const`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

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


# The passes.


def fold(program: Program) -> Program:
    """An operation on constants is a constant."""

    def rule(node: Node, old: Node, add: Any) -> Any:
        if node.spec.shape or not node.inputs or node.op.view:
            return None
        if not all(type(k) is Const for k in node.inputs):
            return None
        with np.errstate(all="ignore"):
            value = node.op.forward(*(k.value for k in node.inputs), **node.attrs)
        return Const(np.asarray(value)[()], node.spec.dtype)

    return rewrite(program, rule)


def common(program: Program) -> Program:
    """What is computed twice is computed once."""
    seen: dict[Any, Node] = {}

    def name(key: Any) -> Any:
        if type(key) is Const:
            return (key.spec, key.value.tobytes())
        return key

    def rule(node: Node, old: Node, add: Any) -> Any:
        try:
            key = (node.op, *map(name, node.inputs), tuple(node.attrs.items()))
            found = seen.get(key)
        except TypeError:
            return None
        if found is None:
            seen[key] = node
        return found

    return rewrite(program, rule)


def laws(program: Program) -> Program:
    """Laws that hold to the last bit: 1·a = a, a/1 = a, (AB)ᵀ = BᵀAᵀ, (Aᵀ)ᵀ = A, and
    numbers added at the places of maxima, without the places in between."""
    uses = program.uses()

    def permuted(a: Any, dims: tuple[int, ...], like: Node, add: Any) -> Any:
        while type(a) is Node and a.op.name == "permute":
            dims = tuple(a.attrs["dims"][d] for d in dims)
            a = a.inputs[0]
        if dims == tuple(range(len(dims))):
            return a
        return add("permute", (a,), like, dims=dims)

    def rule(node: Node, old: Node, add: Any) -> Any:
        name = node.op.name
        if name in ("variable", "release") and type(node.inputs[0]) is Node:
            return node.inputs[0]
        if name in ("mul", "div") and len(node.inputs) == 2:
            for i in (0, 1) if name == "mul" else (1,):
                one, other = node.inputs[i], node.inputs[1 - i]
                if type(one) is Const and one.value == 1 and other.spec is node.spec:
                    return other
        if name == "plane_add":
            g, index = node.inputs
            if type(index) is Node and index.op.name == "max_pool_index":
                (a,) = index.inputs
                if node.attrs["plane"] == a.spec.shape[-len(index.attrs["size"]) :]:
                    return add("max_pool_input", (g, a), node, **index.attrs)
        if name == "permute":
            (a,) = node.inputs
            n = len(node.spec.shape)
            swap = (*range(n - 2), n - 1, n - 2)
            if (
                type(a) is Node
                and a.op.name == "matmul"
                and node.attrs["dims"] == swap
                and uses.get(old.inputs[0]) == 1
                and all(len(k.spec.shape) == n for k in a.inputs)
            ):
                left, right = a.inputs
                first = permuted(right, swap, node, add)
                second = permuted(left, swap, node, add)
                return add("matmul", (first, second), node)
            if type(a) is Node and a.op.name == "permute":
                return permuted(a, node.attrs["dims"], node, add)
        return None

    return rewrite(program, rule)


def dead(program: Program) -> Program:
    """What nobody uses is not computed."""
    needed = set(program.wanted.values())
    nodes = []
    for node in reversed(program.nodes):
        if node in needed:
            nodes.append(node)
            needed.update(node.inputs)
    return Program(nodes[::-1], program.wanted)


PASSES = (fold, common, laws, common, dead)


def optimized(program: Program) -> Program:
    """The program after all passes."""
    for one in PASSES:
        program = one(program)
    return program


def is_float(spec: Spec) -> bool:
    return spec.dtype.category == dtypes.FLOATING
