"""The interpreter's calls, in an order and a manner that needs little memory.

Values are dropped after their last use. Where an operand is dropped, its memory takes
the result; parameters take their new values on the way, in their own memory. A large value that is needed
again only much later (by the backward pass, mostly) and follows in one cheap operation
from what is there anyway is dropped too, and computed again.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ops.op import REGISTRY
from ..trace import Arg, Bound, Const, State

#: operations that cannot fail once their shapes are known: those of updates
_SURE = {"add", "sub", "mul", "div", "neg", "sqrt", "pow", "sign", "where",
         "maximum", "minimum", "abs", "expand", "reshape", "permute", "cast", "clone",
         "zeros", "sum", "lt", "le", "gt", "ge", "eq", "exp", "log"}  # fmt: skip


def _cast(a: Any, dtype: Any, out: Any) -> Any:
    if out is None:
        return REGISTRY["cast"].forward(a, dtype=dtype)
    np.copyto(out, a, casting="unsafe")
    return out


#: operations that can be written into the memory of an operand
_INTO: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "neg": np.negative, "abs": np.absolute, "maximum": np.maximum,
    "minimum": np.minimum, "sqrt": np.sqrt, "exp": np.exp, "log": np.log,
    "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "cast": _cast,
}  # fmt: skip
#: … of which these cost no more than to read and write the value
_CHEAP = {"add", "sub", "mul", "div", "neg", "abs", "maximum", "minimum", "sqrt"}
#: bytes from which it is worth to write into an operand, and to compute again
_LARGE, _LARGER = 1 << 14, 1 << 16
#: calls after which a value counts as needed only much later
_FAR = 32


class Call(NamedTuple):
    """One step of the interpreter: the function, the slots of its arguments and of the
    result, and those that are free afterwards; ``writes`` are leaves that take their new
    values then. ``over`` says where the result may be written: into the memory of an
    operand, or of a leaf, if nothing but these slots holds it."""

    function: Callable[..., Any]
    ins: tuple[int, ...]
    out: int
    drop: tuple[int, ...]
    writes: tuple[tuple[Any, State], ...]
    over: tuple[tuple[tuple[int, ...], Any], ...]


def schedule(plan: Any) -> tuple[list[Call], list[State]]:
    """The calls that make what a plan wants, and the state that each computes."""
    wanted, slot = plan.wanted, plan.slot
    states = _again(plan.nodes, wanted)
    drops: list[list[Any]] = []
    needed: set[Any] = set()
    last: dict[Any, int] = {}
    for n in range(len(states) - 1, -1, -1):
        state = states[n]
        free: list[Any] = [] if state in needed else [state]
        needed.discard(state)
        for key in state.inputs:
            if key not in needed:
                needed.add(key)
                free.append(key)
            last.setdefault(key, n)
        last.setdefault(state, n)
        drops.append([k for k in free if k not in wanted and type(k) is not Const])
    drops.reverse()
    sure, writes = _writes(plan, states, last)
    written = {value: target for found in writes.values() for target, value in found}
    leaves = set(written.values())
    gradients = set().union(*(bundle for _, bundle in plan.bundles))
    calls = []
    for n, state in enumerate(states):
        op: Any = state.op
        function = op.forward
        if state.attrs:
            function = functools.partial(function, **state.attrs)
        ins = tuple(slot[k] for k in state.inputs)
        over: list[tuple[tuple[int, ...], Any]] = []
        large = state.spec.nbytes >= _LARGE
        if large and op.name in _INTO and REGISTRY[op.name] is op:
            target = written.get(state)
            if target is not None and target.spec is state.spec:
                if n >= sure and last.get(target, -1) <= n:
                    own = {slot[target]} if target in slot else set()
                    over.append((tuple({*ins, *own}), target))
            for k in drops[n]:
                if k is state or k.spec is not state.spec:
                    continue
                if type(k) is State:
                    over.append(((slot[k],), None))
                elif n >= sure and k in leaves:
                    over.append(((slot[k],), k))
        if over:
            function = functools.partial(_INTO[op.name], **state.attrs)
        if large and state in gradients and op.name == "permute":
            # it is handed out row by row: at once, so that there are never two of all
            function = functools.partial(_row_by_row, function)
        calls.append(
            Call(function, ins, slot[state], tuple(slot[k] for k in drops[n]),
                 tuple(writes.get(n, ())), tuple(over))
        )  # fmt: skip
    return calls, states


def _row_by_row(function: Callable[..., Any], a: Any) -> Any:
    return np.asarray(function(a), order="C")


def _writes(
    plan: Any, states: list[State], last: dict[Any, int]
) -> tuple[int, dict[int, list[tuple[Any, State]]]]:
    """Writes that can be done on the way, after a call: so that old parameters and new
    ones are not all there at once. Nothing may fail afterwards, nor read the memory or
    its new value. Also the first call after which nothing can fail."""
    sure = len(states)
    while sure and states[sure - 1].op.name in _SURE:  # type: ignore[union-attr]
        sure -= 1
    given = {k for _, k in plan.outputs} | set(plan.saved)
    given.update(*(bundle for _, bundle in plan.bundles))
    found: dict[int, list[tuple[Any, State]]] = {}
    for target, value in plan.writes:
        n = max(last.get(target, -1), last.get(value, len(states)))
        if sure <= n < len(states) and value not in given:
            found.setdefault(n, []).append((target, value))
    return sure, found


def _length(gap: tuple[int, int]) -> int:
    return gap[1] - gap[0]


def _again(nodes: list[State], wanted: set[Any]) -> list[State]:
    """The nodes, some of them a second time, before what needs them much later."""
    large = [
        n
        for n, s in enumerate(nodes)
        if s.spec.nbytes >= _LARGER
        and s.op.name in _CHEAP  # type: ignore[union-attr]
        and s not in wanted
    ]
    if not large or len(nodes) <= _FAR:
        return nodes
    uses: dict[Any, list[int]] = {}
    for n, state in enumerate(nodes):
        for key in state.inputs:
            uses.setdefault(key, []).append(n)
    absent: dict[State, tuple[int, int]] = {}  # dropped after, and back before
    stays: set[Any] = set()
    before: dict[int, list[State]] = {}
    for n in reversed(large):
        state = nodes[n]
        at = [n, *uses.get(state, ())]
        leaves, back = max(itertools.pairwise(at), key=_length, default=(n, n))
        if back - leaves < _FAR or state in stays:
            continue

        def there(key: Any, back: int = back) -> bool:
            if type(key) in (Arg, Bound, Const):
                return True
            gone = absent.get(key)
            if gone is not None and gone[0] < back <= gone[1]:
                return False
            return key in wanted or uses[key][-1] >= back

        if all(map(there, state.inputs)):
            absent[state] = leaves, back
            stays.update(state.inputs)
            before.setdefault(back, []).append(state)
    if not absent:
        return nodes
    found: list[State] = []
    for n, state in enumerate(nodes):
        found += before.get(n, ())
        found.append(state)
    return found
