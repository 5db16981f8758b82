"""The formula of a recorded operation, written with the names of its operands.

An op's own ``formula`` is arithmetic in the language of :mod:`retrograd.ops.formula`;
the ops whose formula is words (a product of matrices, a sum, an index) are set here.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..autograd.function import Result
from ..ops.formula import to_python
from ..ops.op import Elementwise
from ..trace import State
from . import notation as n
from .notation import Expr, Symbol

Build = Callable[[State, Sequence[Expr]], Expr]

_RELATIONS = {
    ast.Eq: "=", ast.NotEq: "≠", ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥",
}  # fmt: skip
_OPPOSITE = {"=": "≠", "≠": "=", "<": "≥", "≥": "<", ">": "≤", "≤": ">"}
#: functions that have a name of their own where the formula spells them out
_NAMED = {"relu": "ReLU", "sigmoid": "σ", "maximum": "max", "minimum": "min",
          "atan2": "arctan2", "plane_add": "unpool", "max_pool_index": "argmax_pool", "bitwise_and": "and", "bitwise_or": "or"}  # fmt: skip
RANDOM = {"uniform": "U[0, 1)", "normal": "N(0, 1)", "random_int": "U{…}",
          "permutation": "permutation"}  # fmt: skip
#: what changes no number
_SAME = ("cast", "clone", "detach", "expand", "reshape")
_RELATION_OPS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}


def expression(state: State, operands: Sequence[Expr]) -> Expr:
    """One operation as an expression in its operands."""
    op: Any = state.op
    build = _SPECIAL.get(op.name)
    if issubclass(op, Result):  # the value that forward computed says nothing
        out = n.call(op.name, *operands[1:], shape=state.spec.shape)
    elif build is not None:
        out = build(state, operands)
    elif op.name in _NAMED:
        out = n.call(_NAMED[op.name], *operands, shape=state.spec.shape)
    else:
        out = _from_formula(op, operands)
    if any(out is x for x in operands):
        return out
    shape = _own_shape(state, operands)
    if out.shape != shape and out.head != "number":
        out = Expr(out.head, *out.parts, shape=shape)  # never change operands
    return out


def _own_shape(state: State, operands: Sequence[Expr]) -> tuple[int, ...]:
    """The shape of what an expression says: broadcasting is not written, so that of
    something that was stretched is smaller than the value's."""
    op: Any = state.op
    whole: tuple[int, ...] = state.spec.shape
    if not issubclass(op, Elementwise) and op.name not in _SAME:
        return whole
    try:
        own = np.broadcast_shapes(*(x.shape for x in operands))
    except ValueError:  # a vector that was reshaped
        return whole
    return own if math.prod(own) < state.spec.size else whole


def _stretched(key: Any, e: Expr) -> bool:
    """Whether an operand is larger than its expression says."""
    return bool(math.prod(e.shape) < key.spec.size)


def _filled(key: Any, e: Expr) -> Expr:
    """An operand where broadcasting would not be understood."""
    if not _stretched(key, e) or math.prod(e.shape) == 1:
        return e
    return n.call("repeat", e, shape=key.spec.shape)


def _from_formula(op: Any, operands: Sequence[Expr]) -> Expr:
    tree = _parsed(op.formula)
    names = op.inputs[:-1] if op.variadic else op.inputs
    if tree is not None and not op.variadic:
        try:
            return _build(tree, dict(zip(names, operands, strict=True)))
        except _Unknown:
            pass
    return n.call(op.name, *operands)


class _Unknown(Exception):
    """A formula that says something with words."""


@cache
def _parsed(formula: str) -> Any:
    try:
        return ast.parse(to_python(formula), mode="eval").body
    except SyntaxError:
        return None


def _build(tree: Any, names: dict[str, Expr]) -> Expr:
    if isinstance(tree, ast.Name):
        if tree.id == "π":
            return n.name("π")
        if tree.id not in names:
            raise _Unknown
        return names[tree.id]
    if isinstance(tree, ast.Constant):
        return n.number(tree.value)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return n.neg(_build(tree.operand, names))
    if isinstance(tree, ast.BinOp):
        a, b = _build(tree.left, names), _build(tree.right, names)
        kinds: dict[type, Callable[[Expr, Expr], Expr]] = {
            ast.Add: n.add, ast.Sub: n.sub, ast.Mult: n.mul, ast.Div: n.div,
            ast.Pow: n.power,
        }  # fmt: skip
        return kinds[type(tree.op)](a, b)
    if isinstance(tree, ast.Compare):
        a, b = _build(tree.left, names), _build(tree.comparators[0], names)
        return n.indicator(_RELATIONS[type(tree.ops[0])], a, b)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        args = [_build(x, names) for x in tree.args]
        function = tree.func.id
        if function == "indicator":
            return args[0]
        function = {"sqrt": "√", "abs": "|", "maximum": "max", "minimum": "min"}.get(
            function, function
        )
        if function.startswith("Σ"):
            return n.total(args[0])
        shape = max((a.shape for a in args), key=len, default=())
        return n.call(function, *args, shape=shape)
    raise _Unknown


# -- operations whose formula is words ---------------------------------------------------


def _expand(state: State, x: Sequence[Expr]) -> Expr:
    return x[0]


def _transparent(state: State, x: Sequence[Expr]) -> Expr:
    inner = x[0]
    if not inner.shape or inner.head == "number" or inner.shape == state.spec.shape:
        return inner
    if _stretched(state.inputs[0], inner):
        return inner
    if inner.head == "name" or inner.head == "partial":
        return Expr(inner.head, *inner.parts, shape=state.spec.shape)
    return inner


def _reshape(state: State, x: Sequence[Expr]) -> Expr:
    before, after = state.inputs[0].spec.shape, state.spec.shape
    inner = _filled(state.inputs[0], x[0])
    if inner.head == "number" or _stretched(state.inputs[0], inner):
        return inner
    if [d for d in before if d != 1] != [d for d in after if d != 1]:
        return n.call("reshape", inner, shape=after)
    if _leading(before) == _leading(after) or inner.head == "matmul":
        return _transparent(state, x)  # as broadcasting has it anyway
    index = _ones_moved(before, after)
    if index is None:
        return n.call("reshape", inner, shape=after)
    return _indexed(inner, index, after)


def _indexed(inner: Expr, index: str, shape: tuple[int, ...]) -> Expr:
    """A part of a value; dimensions of length 1 that come and go are not shown."""
    if inner.head == "index" and _only_ones(inner.parts[1]) and _only_ones(index):
        first: Expr = inner.parts[0]
        if first.shape == shape:
            return first
    return Expr("index", inner, index, shape=shape)


def _only_ones(index: str) -> bool:
    """Whether an index does nothing but put in, or take out, dimensions of length 1."""
    return set(index.split(", ")) <= {":", "None", "0"}


def _leading(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without the ones that it begins with."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _ones_moved(before: tuple[int, ...], after: tuple[int, ...]) -> str | None:
    """Dimensions of length 1 put in or taken out, as an index: ``:, None``."""
    parts, i = [], 0
    for d in after:
        while i < len(before) and before[i] == 1 and d != 1:
            parts.append("0")
            i += 1
        if i < len(before) and before[i] == d:
            parts.append(":")
            i += 1
        elif d == 1:
            parts.append("None")
        else:
            return None
    parts += ["0"] * (len(before) - i)
    return ", ".join(parts)


def factor(key: Any, e: Expr) -> Expr:
    """An operand of a product of matrices: a vector is a column or a row by its place;
    a number that was spread out is a matrix of ones, times it."""
    if _stretched(key, e):
        if math.prod(e.shape) == 1:
            return n.mul(e, n.name(Symbol("𝟏"), key.spec.shape))
        return n.call("repeat", e, shape=key.spec.shape)
    if e.head == "index" and _only_ones(e.parts[1]):
        inner: Expr = e.parts[0]
        return inner
    return e


def _permute(state: State, x: Sequence[Expr]) -> Expr:
    dims = state.attrs["dims"]
    count = len(dims)
    inner = _filled(state.inputs[0], x[0])
    if dims == tuple(range(count)) or _stretched(state.inputs[0], inner):
        return inner
    if dims == (*range(count - 2), count - 1, count - 2):
        return n.transpose(factor(state.inputs[0], inner))
    return n.call("permute", inner, shape=state.spec.shape)


def _matmul(state: State, x: Sequence[Expr]) -> Expr:
    a, b = (factor(k, e) for k, e in zip(state.inputs, x, strict=True))
    if a.head == "number" or b.head == "number":  # of one row and one column
        return n.mul(a, b)
    return n.matmul(a, b, state.spec.shape)


def _sum(state: State, x: Sequence[Expr]) -> Expr:
    key = state.inputs[0]
    dims, shape = state.attrs["dim"], key.spec.shape
    inner = _filled(key, x[0])
    if not dims:
        return inner
    if _stretched(key, inner):  # one number, so many times
        return n.mul(n.number(math.prod(shape[d] for d in dims)), inner)
    some = "" if len(dims) == len(shape) else ",".join(map(str, dims))
    return n.total(inner, some, state.spec.shape)


def _reduced(function: str) -> Build:
    def build(state: State, x: Sequence[Expr]) -> Expr:
        return n.call(function, x[0], shape=state.spec.shape)

    return build


def index_text(index: tuple[Any, ...]) -> str:
    """A basic index as it is written: ``0``, ``1:3``, ``:, 2``."""
    parts = []
    for part in index:
        if part[0] == "i":
            parts.append(str(part[1]))
        elif part[0] == "n":
            parts.append("None")
        else:
            start, stop, step = part[1:]
            middle = f"{start or ''}:{'' if stop is None else stop}"
            parts.append(middle if step in (None, 1) else f"{middle}:{step}")
    return ", ".join(parts)


def _slice(state: State, x: Sequence[Expr]) -> Expr:
    if all(part[0] == "n" for part in state.attrs["index"]):
        return _transparent(state, x)
    if _stretched(state.inputs[0], x[0]) and math.prod(x[0].shape) == 1:
        return x[0]
    return _indexed(x[0], index_text(state.attrs["index"]), state.spec.shape)


def _view_write(state: State, x: Sequence[Expr]) -> Expr:
    base, value = x
    where = " ".join(
        index_text(dict(attrs)["index"]) if name == "slice" else name
        for name, attrs in state.attrs["path"]
    )
    placed = Expr("place", value, where, shape=state.spec.shape)
    if base.head == "number" and base.parts[0] == 0:
        return placed
    base = factor(state.inputs[0], base)
    return n.call("write", base, placed, shape=state.spec.shape)


def _where(state: State, x: Sequence[Expr]) -> Expr:
    condition, a, b = x
    if condition.head == "number":
        return a if condition.parts[0] else b
    zero = [e.head == "number" and e.parts[0] == 0 for e in (a, b)]
    if condition.head == "indicator" and zero[0]:
        relation, left, right = condition.parts
        return n.mul(n.indicator(_OPPOSITE[relation], left, right), b)
    if zero[1]:
        return n.mul(condition, a)
    return n.call("where", condition, a, b, shape=state.spec.shape)


def _relation(sign: str) -> Build:
    def build(state: State, x: Sequence[Expr]) -> Expr:
        return n.indicator(sign, x[0], x[1])

    return build


def _mul(state: State, x: Sequence[Expr]) -> Expr:
    a, b = x
    if a.head == b.head == "product" and a.same(b):
        return n.power(a, n.number(2))
    return n.mul(a, b)


def _conv(state: State, x: Sequence[Expr]) -> Expr:
    return Expr("conv", x[0], x[1], False, shape=state.spec.shape)


def _conv_back(state: State, x: Sequence[Expr]) -> Expr:
    return Expr("conv", x[0], x[1], True, shape=state.spec.shape)


def _zeros(state: State, x: Sequence[Expr]) -> Expr:
    return n.number(0)


def _random(state: State, x: Sequence[Expr]) -> Expr:
    op: Any = state.op
    return Expr("words", RANDOM[op.name], shape=state.spec.shape)


def _cat(state: State, x: Sequence[Expr]) -> Expr:
    return n.call("concat", *x, shape=state.spec.shape)


def _gather(state: State, x: Sequence[Expr]) -> Expr:
    return n.call("pick", *x, shape=state.spec.shape)


_SPECIAL: dict[str, Build] = {
    "mul": _mul,
    "cast": _transparent, "clone": _transparent, "expand": _expand,
    "detach": _transparent, "reshape": _reshape, "permute": _permute,
    "matmul": _matmul, "sum": _sum, "amax": _reduced("max"), "amin": _reduced("min"),
    "prod": _reduced("Π"), "cumsum": _reduced("cumsum"), "argmax": _reduced("argmax"),
    "argmin": _reduced("argmin"), "slice": _slice, "view_write": _view_write,
    "where": _where, "conv": _conv, "conv_input": _conv_back, "zeros": _zeros,
    "cat": _cat, **dict.fromkeys(RANDOM, _random), "gather": _gather, "pick_class": _gather,
    **{name: _relation(sign) for name, sign in _RELATION_OPS.items()},
}  # fmt: skip
