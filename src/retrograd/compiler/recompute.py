"""Cheap values are computed again where they are used, rather than kept in memory.

What a forward kernel computes element by element and a backward kernel reads (a centred
input, a normalised one, a scaled gradient) often follows in a few operations from one
array that lies in memory anyway. To write and read the others costs more than to compute
them twice, and they need room from the forward to the backward pass.
"""

from __future__ import annotations

import math
from typing import Any

from .fuse import FULL, Fusion, Loop
from .lower import EXPENSIVE, lowering
from .program import Node, Program, is_float
from .views import whole

#: operations that one value may cost, divisions and roots counted as four
_MOST = 16


def recompute(program: Program) -> tuple[Program, Fusion]:
    """The program with values computed again where that saves something; and its
    kernels, as fusing it is the way to see what would be saved."""
    model = program.copy()  # fusing changes the inputs of nodes
    of = dict(zip(program.nodes, model.nodes, strict=True))
    fusion = Fusion(model)
    readers: dict[Any, set[int]] = {}
    for i, kernel in enumerate(fusion.kernels):
        for node in kernel.nodes:
            for key in node.inputs:
                buffer = fusion.view(key).buffer
                if fusion.home.get(buffer, i) != i:
                    readers.setdefault(buffer, set()).add(i)
    wanted = {fusion.view(k).buffer for k in model.wanted.values()}
    chosen: dict[int, set[Any]] = {}  # values that a kernel computes again
    for home, kernel in enumerate(fusion.kernels):
        if type(kernel) is not Loop:
            continue
        stored = [
            u
            for u in kernel.nodes
            if u in readers
            and u not in wanted
            and kernel.level[u] == FULL
            and len(kernel.shape) > 1
            and is_float(u.spec)
            and fusion.view(u) == whole(u)
            and all(type(fusion.kernels[i]) is Loop for i in readers[u])
        ]
        best = _saving(fusion, kernel, stored, readers)
        for u in best:
            for i in readers[u]:
                if i != home:
                    chosen.setdefault(i, set()).add(u)
    stays = set(readers).difference(*chosen.values()) if chosen else set()
    if not chosen:
        return program, fusion
    program = _rewritten(program, fusion, of, chosen, stays)
    return program, Fusion(program.copy())


def _saving(
    fusion: Fusion, kernel: Loop, stored: list[Any], readers: dict[Any, set[int]]
) -> list[Any]:
    """Those of *stored* that are better computed again, all together."""
    again: list[Any] = []
    for (
        u
    ) in stored:  # operands first: what does not follow stays for what follows from it
        stays = {n for n in kernel.nodes if n in readers and n not in again}
        if _anchors(fusion, kernel, u, stays) is not None:
            again.append(u)
    best = _change(fusion, kernel, again, readers)
    for u in reversed(again):  # what is not better computed again by itself stays
        fewer = [v for v in again if v is not u]
        change = _change(fusion, kernel, fewer, readers)
        if change <= best:
            again, best = fewer, change
    return again if best < 0 else []


def _change(
    fusion: Fusion, kernel: Loop, again: list[Any], readers: dict[Any, set[int]]
) -> float:
    """Bytes that are moved more, or less, if *again* are computed again."""
    # what other kernels read in any case is there for all
    stays = {n for n in kernel.nodes if n in readers and n not in again}
    anchors: dict[int, set[Any]] = {}
    before = after = 0
    for u in again:
        found = _anchors(fusion, kernel, u, stays)
        if found is None:
            return math.inf
        before += u.spec.nbytes * (2 + len(readers[u]))
        for i in readers[u]:
            anchors.setdefault(i, set()).update(found)
    for i, needed in anchors.items():
        mine = {
            fusion.view(k).buffer for n in fusion.kernels[i].nodes for k in n.inputs
        }
        after += sum(a.spec.nbytes for a in needed - mine)
    return after - before


def _anchors(fusion: Fusion, kernel: Loop, u: Any, stays: set[Any]) -> set[Any] | None:
    """Arrays from which *u* follows in a few cheap operations; None if it does not."""
    cost = 0
    found: set[Any] = set()
    stack = [u]
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if lowering(node) is None:
            return None
        if node.op.name in EXPENSIVE:
            if node.op.name not in ("div", "sqrt"):
                return None
            cost += 3
        cost += 1
        if cost > _MOST:
            return None
        for key in node.inputs:
            view = fusion.view(key)
            inner = view.buffer in kernel.level and kernel.level[view.buffer] == FULL
            if not inner or (view.buffer in stays and key is view.buffer):
                # an array of its own, or a value of the row: it is there anyway
                found.add(view.buffer)
            elif key is not view.buffer:
                return None  # a view of a value of this kernel
            else:
                stack.append(key)
    return {a for a in found if getattr(a, "spec", None) is not None}


def _rewritten(
    program: Program,
    fusion: Fusion,
    of: dict[Any, Any],
    chosen: dict[int, set[Any]],
    stays: set[Any],
) -> Program:
    """*of* gives the node in the fused model for one of the program; *chosen* are nodes
    of the model, and *stays* those that are stored in any case."""
    nodes: list[Node] = []
    copies: dict[tuple[int, Any], Node] = {}
    known: dict[Any, Any] = {}

    def again(i: int, u: Node) -> Node:
        """The value *u*, computed for kernel *i*."""
        found = copies.get((i, u))
        if found is not None:
            return found
        kernel: Any = fusion.kernels[fusion.home[of[u]]]
        inputs = []
        for key in u.inputs:
            inner = kernel.level.get(of.get(key)) == FULL and of[key] not in stays
            inputs.append(again(i, key) if inner else known.get(key, key))
        node = Node(u.op, tuple(inputs), u.attrs, u.spec, u.state)
        node.late = known[u]
        nodes.append(node)
        copies[i, u] = node
        return node

    for old in program.nodes:
        place = fusion.home.get(of[old], -1)
        mine = chosen.get(place, ())
        inputs = tuple(
            again(place, k) if of.get(k) in mine else known.get(k, k)
            for k in old.inputs
        )
        new = old
        if inputs != old.inputs:
            new = Node(old.op, inputs, old.attrs, old.spec, old.state)
        known[old] = new
        nodes.append(new)
    wanted = {s: known.get(k, k) for s, k in program.wanted.items()}
    return Program(nodes, wanted)
