"""The interpreter's calls, in an order and a manner that needs little memory.

Values are dropped after their last use. Where an operand is dropped, its memory takes
the result; parameters take their new values on the way, in their own memory. A large
value that is needed again only much later (by the backward pass, mostly) and follows in
one cheap operation from what is there anyway is dropped too, and computed again.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

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


#: One step of the interpreter: the function, the slots of its arguments and of the
#: result, and those that are free afterwards; leaves that take their new values then; and
#: where the result may be written: into the memory of an operand, or of a leaf, if
#: nothing but some slots holds it.
Call = tuple[
    Callable[..., Any],
    tuple[int, ...],
    int,
    tuple[int, ...],
    tuple[tuple[Any, State], ...],
    tuple[tuple[tuple[int, ...], Any], ...],
]


def schedule(plan: Any) -> tuple[list[Call], list[State]]:
    """The calls that make what a plan wants, and the state that each computes."""
    wanted, slot = plan.wanted, plan.slot
    states = _again(plan.nodes, wanted)
    drops: list[list[Any]] = []
    needed: set[Any] = set()
    last: dict[Any, int] = {}
    for n in range(len(states) - 1, -1, -1):
        state = states[n]
        free: list[Any] = []
        if state in needed:
            needed.discard(state)  # it may be computed a second time
        else:
            free.append(state)
            last.setdefault(state, n)
        for key in state.inputs:
            if key not in needed:
                needed.add(key)
                free.append(key)
                last.setdefault(key, n)
        drops.append(free)
    drops.reverse()
    kept = wanted | {k for k in slot if type(k) is Const}
    sure, writes = _writes(plan, states, last) if plan.writes else (len(states), {})
    written = {value: target for found in writes.values() for target, value in found}
    leaves = set(written.values())
    gradients = set().union(*(bundle for _, bundle in plan.bundles))
    calls: list[Call] = []
    for n, state in enumerate(states):
        function = call_of(state)
        ins = tuple([slot[k] for k in state.inputs])
        drop = [k for k in drops[n] if k not in kept]
        over: tuple[Any, ...] = ()
        if state.spec.nbytes >= _LARGE:
            op: Any = state.op
            if op.name in _INTO and REGISTRY[op.name] is op:
                over = _room(plan, state, ins, drop, n, sure, last, written, leaves)
                if over:
                    function = functools.partial(_INTO[op.name], **state.attrs)
            elif state in gradients and op.name == "permute":
                # handed out row by row: at once, so that there are never two of all
                function = functools.partial(_row_by_row, function)
        put = tuple(writes[n]) if n in writes else ()
        free_slots = tuple([slot[k] for k in drop])
        calls.append((function, ins, slot[state], free_slots, put, over))
    return calls, states


def call_of(state: State) -> Any:
    """What computes *state* from the values of its operands."""
    row = state.row
    if row is not None and row.call is not None:
        return row.call
    op: Any = state.op
    call = op.forward
    if state.attrs:
        call = functools.partial(call, **state.attrs)
    if row is not None:
        row.call = call
    return call


def _room(
    plan: Any,
    state: State,
    ins: tuple[int, ...],
    drop: list[Any],
    n: int,
    sure: int,
    last: dict[Any, int],
    written: dict[Any, Any],
    leaves: set[Any],
) -> tuple[Any, ...]:
    """Where the value of *state* may be written."""
    slot = plan.slot
    over: list[tuple[tuple[int, ...], Any]] = []
    target = written.get(state)
    if target is not None and target.spec is state.spec:
        if n >= sure and last.get(target, -1) <= n:
            own = {slot[target]} if target in slot else set()
            over.append((tuple({*ins, *own}), target))
    for k in drop:
        if k is state or k.spec is not state.spec:
            continue
        if type(k) is State:
            over.append(((slot[k],), None))
        elif n >= sure and k in leaves:
            over.append(((slot[k],), k))
    return tuple(over)


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
