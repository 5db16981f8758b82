"""Derivatives with their common factors taken out.

A rule of differentiation speaks of one operation, so what several rules write one after
the other is longer than what a person would write. Three laws of arithmetic shorten it,
in derivatives only, where they hold up to rounding; what a user computes stays as it
was written.

====================================  ============================================
Σ −c·a / s = −c·(Σ a) / s             where c and s do not change along the sum
g·a + g·b = g·(a + b)                 a + b is often known when the forward pass is
(a/s + b)·e = (a + b·s)·(e/s)         where the softmax e/s is known already
====================================  ============================================

So the derivative of softmax becomes y·(g − Σ g·y), and that of GELU one stored factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..ops.op import Shape
from ..trace import Const
from .program import Node, Program, is_float, rewrite

Add = Callable[..., Any]


class Terms(NamedTuple):
    """sign · Π over / Π under."""

    sign: int
    over: list[Any]
    under: list[Any]


def factored(program: Program) -> Program:
    """The three laws, wherever they apply."""
    uses = program.uses()
    once: dict[Any, bool] = {}  # values that one operation alone uses
    quotients: dict[Any, tuple[Any, Any]] = {}  # e: (e/s, s)

    def terms(key: Any, shape: Shape) -> Terms:
        """A product as its factors, as far as nobody else uses what is between."""
        mine = type(key) is Node and once.get(key, False)
        if not mine or key.spec.shape != shape:
            return Terms(1, [key], [])
        name = key.op.name
        if name == "neg":
            t = terms(key.inputs[0], shape)
            return t._replace(sign=-t.sign)
        if name in ("mul", "div"):
            a, b = (terms(k, shape) for k in key.inputs)
            if name == "mul":
                return Terms(a.sign * b.sign, a.over + b.over, a.under + b.under)
            return Terms(a.sign * b.sign, a.over + b.under, a.under + b.over)
        return Terms(1, [key], [])

    def rule(node: Node, old: Node, add: Add) -> Any:
        for k, before in zip(node.inputs, old.inputs, strict=True):
            once[k] = uses[before] == 1
        name = node.op.name
        if name == "div" and len(node.inputs) == 2 and is_float(node.spec):
            e, s = node.inputs
            if type(e) is Node and e.op.name == "exp" and _narrower(s, e):
                quotients.setdefault(e, (node, s))
        if node.state is None or node.state.of is None or not is_float(node.spec):
            return None
        new = None
        if name == "sum":
            new = _sum(node, terms(node.inputs[0], node.inputs[0].spec.shape), add)
        elif name == "add":
            a, b = (terms(k, node.spec.shape) for k in node.inputs)
            new = _together(node, a, b, add)
        elif name == "mul":
            for t, e in (node.inputs, node.inputs[::-1]):
                if e in quotients and once.get(t):
                    new = new or _quotient(node, t, *quotients[e], once, add)
        return new if new is not None and new.spec is node.spec else None

    return rewrite(program, rule)


def _narrower(s: Any, e: Any) -> bool:
    return bool(math.prod(s.spec.shape) < math.prod(e.spec.shape))


def _product(keys: list[Any], like: Node, add: Add) -> Any:
    value = keys[0]
    for k in keys[1:]:
        value = add("mul", (value, k), like)
    return value


def _sum(node: Node, t: Terms, add: Add) -> Any:
    """Σ −c·a/s = −c·(Σ a)/s."""
    shape, dims = node.inputs[0].spec.shape, node.attrs["dim"]

    def fixed(key: Any) -> bool:
        """Whether it is the same all along the sum."""
        own = key.spec.shape
        at = [d - (len(shape) - len(own)) for d in dims]
        return all(d < 0 or own[d] == 1 for d in at)

    over = [k for k in t.over if not fixed(k)]
    under = [k for k in t.under if not fixed(k)]
    outside = len(t.over) + len(t.under) - len(over) - len(under)
    if not over or (not outside and t.sign > 0):
        return None
    inner = _product(over, node, add)
    for k in under:
        inner = add("div", (inner, k), node)
    if inner.spec.shape != shape:
        return None
    value = add("sum", (inner,), node, dim=dims, keepdim=True)
    for k in t.over:
        if fixed(k):
            value = add("mul", (value, k), node)
    for k in t.under:
        if fixed(k):
            value = add("div", (value, k), node)
    if t.sign < 0:
        value = add("neg", (value,), node)
    if value.spec.shape != node.spec.shape and not node.attrs["keepdim"]:
        value = add("reshape", (value,), node, shape=node.spec.shape)
    return value


def _together(node: Node, a: Terms, b: Terms, add: Add) -> Any:
    """g·a + g·b = g·(a + b)."""
    shared: list[Any] = []
    left, right = list(a.over), list(b.over)
    for k in a.over:
        if k in right and type(k) is not Const and k.spec.shape == node.spec.shape:
            shared.append(k)
            left.remove(k)
            right.remove(k)
    if not shared or not left or not right:
        return None
    parts = []
    for over, t in ((left, a), (right, b)):
        value = _product(over, node, add)
        for k in t.under:
            value = add("div", (value, k), node)
        parts.append(value)
    if a.sign == b.sign:
        inner = add("add", tuple(parts), node)
    else:
        inner = add("sub", tuple(parts if a.sign > 0 else parts[::-1]), node)
    value = add("mul", (_product(shared, node, add), inner), node)
    return add("neg", (value,), node) if a.sign < 0 and b.sign < 0 else value


def _quotient(
    node: Node, t: Any, y: Any, s: Any, once: dict[Any, bool], add: Add
) -> Any:
    """(a/s + b)·e = (a + b·s)·y with y = e/s."""

    def over(key: Any) -> Any:
        """What is divided by s here, if something is."""
        if type(key) is Node and key.op.name == "div" and key.inputs[1] is s:
            return key.inputs[0]
        return None

    whole = over(t)
    if whole is not None:
        return add("mul", (whole, y), node)
    if type(t) is not Node or t.op.name != "add":
        return None
    for first, second in (t.inputs, t.inputs[::-1]):
        a = over(first) if once.get(first) else None
        if a is None:
            continue
        if type(second) is Node and second.op.name == "expand":
            second = second.inputs[0]
        if math.prod(second.spec.shape) != math.prod(s.spec.shape):
            return None
        return add(
            "mul", (add("add", (a, _times(second, s, node, add)), node), y), node
        )
    return None


def _times(b: Any, s: Any, node: Node, add: Add) -> Any:
    """b·s; what was divided by s just before is so no more."""
    inner = b
    while type(inner) is Node and inner.op.name == "reshape":
        inner = inner.inputs[0]
    if type(inner) is Node and inner.spec is s.spec:
        b = inner
    if type(b) is Node and b.op.name == "div" and b.inputs[1] is s:
        return b.inputs[0]
    if type(b) is Node and b.op.name == "neg":
        return add("neg", (_times(b.inputs[0], s, node, add),), node)
    return add("mul", (b, s), node)
