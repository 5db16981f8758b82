"""What is done to a program before its kernels are made.

Passes are functions from a program to a program, in the tuple :data:`PASSES`. With
``RETROGRAD_PASSES=verify`` the program is checked after each, with ``print`` it is shown
too; :data:`watchers` are called with each stage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..trace import Const
from .factor import factored
from .program import Node, Program, rewrite


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


PASSES = (fold, common, laws, common, factored, common, dead)


#: told the name of each stage and the program after it
watchers: list[Callable[[str, Program], None]] = []
WATCH = os.environ.get("RETROGRAD_PASSES", "")
if WATCH not in ("", "verify", "print"):
    raise ValueError(f"RETROGRAD_PASSES is {WATCH!r}; it can be 'verify' or 'print'")


def staged(stage: str, program: Program) -> Program:
    """*program* itself, after those who watch have seen it."""
    if WATCH:
        program.verify()
    if WATCH == "print":
        print(f"# {stage}\n{program}\n", file=sys.stderr)
    for watch in watchers:
        watch(stage, program)
    return program


def optimized(program: Program) -> Program:
    """The program after all passes."""
    staged("recorded", program)
    for one in PASSES:
        program = staged(one.__name__, one(program))
    return program
