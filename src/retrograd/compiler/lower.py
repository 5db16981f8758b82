"""What each element-wise primitive is in vector instructions.

A primitive that is not here, or whose types are not, runs as its NumPy ``forward``
between native segments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..trace import Const
from . import vector
from .ir import FLOATS, Function, Value

#: number types of retrograd and their names in the IR
ELEMENTS = {"float32": "float", "float64": "double", "int64": "i64", "int32": "i32",
            "int16": "i16", "int8": "i8", "bool": "i1"}  # fmt: skip

Lowering = Callable[..., Value]


def element_of(spec: Any) -> str | None:
    return ELEMENTS.get(spec.dtype.name)


def _sign(f: Function, a: Value) -> Value:
    zero, one = f.constant(0, a), f.constant(1, a)
    result = f.select(f.compare("gt", a, zero), one, zero)
    # NaN compares as nothing: its sign is 0
    return f.select(f.compare("lt", a, zero), f.constant(-1, a), result)


def _relu(f: Function, a: Value) -> Value:
    zero = f.constant(0, a)
    # of a ≤ 0 alone is 0 put, so that NaN stays
    return f.select(f.compare("le", a, zero), zero, a)


def _abs(f: Function, a: Value) -> Value:
    if a.element in FLOATS:
        return f.intrinsic("fabs", a, a)
    return f.select(f.compare("lt", a, f.constant(0, a)), f.neg(a), a)


def _not(f: Function, a: Value) -> Value:
    return f.logic("xor", a, f.constant(1 if a.element == "i1" else -1, a))


def _true(f: Function, a: Value) -> Value:
    return f.convert(a, "i1")


def _is_nan(f: Function, a: Value) -> Value:
    return f.compare("ne", a, a)


def _floating(word: str) -> Lowering:
    def lower(f: Function, a: Value) -> Value:
        return f.intrinsic(word, a, a)

    return lower


def _compare(word: str) -> Lowering:
    return lambda f, a, b: f.compare(word, a, b)


def _bits(word: str) -> Lowering:
    return lambda f, a, b: f.logic(word, a, b)


def _truth(word: str) -> Lowering:
    return lambda f, a, b: f.logic(word, _true(f, a), _true(f, b))


def _add(f: Function, a: Value, b: Value) -> Value:
    return f.logic("or", a, b) if a.element == "i1" else f.add(a, b)


def _mul(f: Function, a: Value, b: Value) -> Value:
    return f.logic("and", a, b) if a.element == "i1" else f.mul(a, b)


LOWER: dict[str, Lowering] = {
    "add": _add,
    "mul": _mul,
    "sub": lambda f, a, b: f.sub(a, b),
    "div": lambda f, a, b: f.div(a, b),
    "neg": lambda f, a: f.neg(a),
    "abs": _abs,
    "sign": _sign,
    "relu": _relu,
    "maximum": lambda f, a, b: f.maximum(a, b),
    "minimum": lambda f, a, b: f.minimum(a, b),
    "sqrt": _floating("sqrt"),
    "floor": _floating("floor"),
    "ceil": _floating("ceil"),
    "trunc": _floating("trunc"),
    "round": _floating("rint"),
    "exp": vector.exp,
    "expm1": vector.expm1,
    "log": vector.log,
    "log2": vector.log2,
    "log10": vector.log10,
    "log1p": vector.log1p,
    "tanh": vector.tanh,
    "sigmoid": vector.sigmoid,
    "erf": vector.erf,
    "eq": _compare("eq"),
    "ne": _compare("ne"),
    "lt": _compare("lt"),
    "le": _compare("le"),
    "gt": _compare("gt"),
    "ge": _compare("ge"),
    "is_nan": _is_nan,
    "logical_and": _truth("and"),
    "logical_or": _truth("or"),
    "logical_xor": _truth("xor"),
    "logical_not": lambda f, a: _not(f, _true(f, a)),
    "bitwise_and": _bits("and"),
    "bitwise_or": _bits("or"),
    "bitwise_xor": _bits("xor"),
    "bitwise_not": _not,
    "where": lambda f, c, a, b: f.select(c, a, b),
    "clone": lambda f, a: a,
    "variable": lambda f, a: a,
    "release": lambda f, a: a,
}

#: those whose kernels are float arithmetic alone
_FLOAT_ONLY = {"div", "sqrt", "floor", "ceil", "trunc", "round", "exp", "expm1", "log",
               "log2", "log10", "log1p", "tanh", "sigmoid", "erf", "sign"}  # fmt: skip
#: those worth keeping rather than computing again
EXPENSIVE = {"exp", "expm1", "log", "log2", "log10", "log1p", "tanh", "sigmoid", "erf",
             "div", "sqrt", "pow"}  # fmt: skip

_POWERS: dict[float, Lowering] = {
    1.0: lambda f, a: a,
    2.0: lambda f, a: f.mul(a, a),
    3.0: lambda f, a: f.mul(f.mul(a, a), a),
    0.5: lambda f, a: f.intrinsic("sqrt", a, f.add(a, f.constant(0, a))),
    -1.0: lambda f, a: f.div(f.constant(1, a), a),
    -2.0: lambda f, a: f.div(f.constant(1, a), f.mul(a, a)),
}


def lowering(state: Any) -> Lowering | None:
    """How one recorded element-wise operation is emitted; None if it cannot be."""
    name = state.op.name
    elements = [element_of(k.spec) for k in state.inputs] + [element_of(state.spec)]
    if None in elements:
        return None
    if name == "cast":
        given, wanted = elements
        if given in FLOATS and wanted not in (*FLOATS, "i1"):
            return None  # out of range, C says nothing
        return lambda f, a: f.convert(a, str(wanted))
    if name == "pow":
        exponent = state.inputs[1]
        if type(exponent) is Const and elements[0] in FLOATS:
            power = _POWERS.get(float(exponent.value))
            if power is not None:
                return lambda f, a, b: power(f, a)
        return None
    if name in _FLOAT_ONLY and elements[0] not in FLOATS:
        return None
    if name in ("neg", "sub") and elements[0] == "i1":
        return None
    return LOWER.get(name)
