"""Forward mode: the tangent of each recorded operation, ȧ ↦ (∂out/∂a) ȧ.

No primitive has a forward rule of its own. Three facts are enough:

- the derivative of a *linear* operation is the operation itself, and that of one linear
  in each operand is the sum over the operands;
- an *element-wise* operation has a diagonal derivative, which is its own transpose, so
  the reverse rule serves;
- any other reverse rule g ↦ Jᵀg is linear in g, so reversing it once more gives v ↦ Jv,
  exactly; g itself, on which nothing depends then, is never computed.
"""

from __future__ import annotations

from typing import Any

from .. import backward as _backward
from .. import dispatch, dtypes
from ..dispatch import apply, stand_in
from ..ops.conv import Conv, ConvInput, ConvWeight
from ..ops.core import Barrier, Clone, Release, Variable
from ..ops.index import Gather, Index, IndexPut, Scatter
from ..ops.matmul import Matmul
from ..ops.memory import AsStrided
from ..ops.movement import (
    Cast,
    Cat,
    Diagonal,
    Expand,
    Flip,
    Fold,
    Pad,
    Permute,
    Reshape,
    Slice,
    ViewWrite,
    Windows,
    constant_zeros,
)
from ..ops.op import Elementwise, Op, Rule, Spec
from ..ops.pool import PlaneAdd, SumPool, SumPoolInput
from ..ops.reduce import Cumsum, Sum
from ..trace import Const, State
from .tracing import tensor_of

#: linear in all the operands that have a derivative, together
_LINEAR: frozenset[type[Op]] = frozenset({
    AsStrided, Barrier, Cast, Cat, Clone, Cumsum, Diagonal, Expand, Flip, Fold, Gather, Index,
    IndexPut, Pad, Permute, PlaneAdd, Reshape, Scatter, Slice, Sum, SumPool,
    SumPoolInput, Variable, ViewWrite, Windows,
})  # fmt: skip
#: linear in each operand
_MULTILINEAR: frozenset[type[Op]] = frozenset({Conv, ConvInput, ConvWeight, Matmul})


def rules_of(state: State) -> list[Rule | None]:
    """The reverse rule of each operand, if it has one."""
    op: Any = state.op
    last = len(op.inputs) - 1
    return [op.rules.get(op.inputs[min(i, last)]) for i in range(len(state.inputs))]


def tangent(state: State, given: list[Any]) -> Any:
    """The tangent of a recorded operation from those of its operands (None: zero).

    None if no derivative leads from them to the result.
    """
    op: Any = state.op
    rules = rules_of(state)
    if op is Release:
        return given[0]
    own = getattr(state.attrs.get("call"), "jvp", None)
    if own is not None:  # of a Function of the user's
        return own(given)
    live = [i for i, t in enumerate(given) if t is not None and rules[i] is not None]
    if not live or state.spec.dtype.category != dtypes.FLOATING:
        return None
    if op in _LINEAR:
        return _linear(state, given, rules)
    if op in _MULTILINEAR:
        parts = [_with(state, i, given[i]) for i in live]
    elif issubclass(op, Elementwise):
        parts = [_local(state, i, given[i], rules[i]) for i in live]
    else:
        return _transposed(state, given, live, rules)
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    return total


def _operands(state: State) -> list[Any]:
    return [tensor_of(k) for k in state.inputs]


def _linear(state: State, given: list[Any], rules: list[Rule | None]) -> Any:
    op: Any = state.op
    inputs = []
    for key, t, rule in zip(state.inputs, given, rules, strict=True):
        if rule is None:
            inputs.append(tensor_of(key))
        else:
            inputs.append(constant_zeros(key.spec) if t is None else t)
    attrs = dict(state.attrs)
    if op is Pad:
        attrs["value"] = 0.0
    elif op is Variable:
        return inputs[0]
    return apply(op, *inputs, **attrs)


def _with(state: State, i: int, t: Any) -> Any:
    op: Any = state.op
    inputs = _operands(state)
    inputs[i] = t
    return apply(op, *inputs, **state.attrs)


def _local(state: State, i: int, t: Any, rule: Any) -> Any:
    """The local derivative times the tangent, spread over the shape of the result."""
    shape = state.spec.shape
    if tuple(t.shape) != shape:
        t = apply(Expand, t, shape=shape)
    out = pulled(state, i, t, rule)
    if out is not None and tuple(out.shape) != shape:
        out = apply(Expand, out, shape=shape)
    return out


def pulled(state: State, i: int, g: Any, rule: Rule) -> Any:
    """The reverse rule of operand *i*, applied to *g*."""
    op: Any = state.op
    values: dict[str, Any] = {}
    last = len(op.inputs) - 1
    for ask in rule.asks:
        if ask == "g":
            values[ask] = g
        elif ask == "out":
            values[ask] = stand_in(state)
        elif ask == "out_spec":
            values[ask] = state.spec
        elif ask == "index" and op.variadic and "index" not in state.attrs:
            values[ask] = i - last
        elif ask in op.inputs:
            j = op.inputs.index(ask)
            several = op.variadic and j == last
            tensors = _operands(state)
            values[ask] = tuple(tensors[j:]) if several else tensors[j]
        elif ask.endswith("_spec") and ask[:-5] in op.inputs:
            j = op.inputs.index(ask[:-5])
            several = op.variadic and j == last
            specs = [k.spec for k in state.inputs]
            values[ask] = tuple(specs[j:]) if several else specs[j]
        else:
            values[ask] = state.attrs[ask]
    return rule.function(**values)


def _transposed(
    state: State, given: list[Any], live: list[int], rules: list[Any]
) -> Any:
    """Jv as the reverse of g ↦ Jᵀg, which is linear."""
    before = dispatch.recorder().grad_mode
    dispatch.set_mode(True)
    try:
        spec: Spec = state.spec
        zero = stand_in(Const(0, spec.dtype))
        zero = apply(Expand, zero, shape=spec.shape)
        g = apply(Variable, zero, tracked=True)
        roots, seeds = [], []
        for i in live:
            part = pulled(state, i, g, rules[i])
            if part is None or not part.requires_grad:
                continue
            part = _backward.sum_to_shape(part, state.inputs[i].spec.shape)
            roots.append(part)
            seeds.append(given[i])
        if not roots:
            return None
        run = _backward.reverse(roots, seeds, True, before, wanted=[g])
        return run.captured.get((None, g._key))
    finally:
        dispatch.set_mode(before)


__all__ = ["pulled", "rules_of", "tangent"]
