"""Functions of one number, element by element, and a door to all element-wise ops:
of two numbers in ``arithmetic.py``, steps in ``rounding.py``, comparisons in
``logic.py``.

A ``domain`` is the interval that the samples of an operand are taken from: clear of
kinks and poles.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import apply
from .arithmetic import Add, Atan2, Div, Maximum, Minimum, Mul, Pow, Sub
from .erf import erf, erfc
from .families import Analytic, Tensor, Unary, refuse_bool
from .logic import (
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Eq,
    Ge,
    Gt,
    IsNan,
    Le,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    LogicalXor,
    Lt,
    Ne,
    Where,
)
from .op import Array, Spec
from .rounding import (
    Ceil,
    Floor,
    FloorDivide,
    Fmod,
    Remainder,
    Round,
    Sign,
    Trunc,
    TruncDivide,
)

__all__ = [
    "Neg", "Abs", "Exp", "Expm1", "Log", "Log2", "Log10", "Log1p", "Sqrt",
    "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh",
    "Sigmoid", "Erf", "Erfc", "Relu",
    "Add", "Sub", "Mul", "Div", "Pow", "Maximum", "Minimum", "Atan2",
    "Sign", "Floor", "Ceil", "Round", "Trunc", "FloorDivide", "TruncDivide", "Remainder", "Fmod",
    "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "IsNan", "Where",
    "LogicalAnd", "LogicalOr", "LogicalXor", "LogicalNot",
    "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot",
]  # fmt: skip


class Neg(Unary):
    formula, adjoint = "−a", ("−ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        refuse_bool(
            specs[0],
            "a truth value has no negative; to invert a mask: ~a",
            RuntimeError,
        )
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        return np.negative(a)

    @staticmethod
    def vjp_a(g: Tensor) -> Tensor:
        return -g


class Abs(Unary):
    """The derivative at the kink, a = 0, is 0."""

    formula, adjoint = "|a|", ("ḡ · sign(a)",)
    domain = ((0.1, 2.0),)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        refuse_bool(specs[0], "a truth value has no absolute value")
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        return np.absolute(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * apply(Sign, a)


class Exp(Analytic):
    formula, adjoint = "exp(a)", ("ḡ · out",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.exp(a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * out


class Expm1(Analytic):
    """exp(a) − 1 that keeps its digits near a = 0."""

    formula, adjoint = "expm1(a)", ("ḡ · (out + 1)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.expm1(a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * (out + 1)


class Log(Analytic):
    formula, adjoint = "log(a)", ("ḡ / a",)
    domain = ((0.1, 4.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.log(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g / a


class Log2(Analytic):
    """A primitive because log(a) / log(2) misses exact powers of two."""

    formula, adjoint = "log2(a)", ("ḡ / (a · log(2))",)
    domain = ((0.1, 4.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.log2(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g / (a * math.log(2))


class Log10(Analytic):
    """A primitive because log(a) / log(10) misses exact powers of ten."""

    formula, adjoint = "log10(a)", ("ḡ / (a · log(10))",)
    domain = ((0.1, 4.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.log10(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g / (a * math.log(10))


class Log1p(Analytic):
    """log(1 + a) that keeps its digits near a = 0."""

    formula, adjoint = "log1p(a)", ("ḡ / (a + 1)",)
    domain = ((-0.9, 4.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.log1p(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g / (a + 1)


class Sqrt(Analytic):
    formula, adjoint = "√a", ("ḡ / (2 · out)",)
    domain = ((0.1, 4.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.sqrt(a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g / (2 * out)


class Sin(Analytic):
    formula, adjoint = "sin(a)", ("ḡ · cos(a)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.sin(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * apply(Cos, a)


class Cos(Analytic):
    formula, adjoint = "cos(a)", ("−ḡ · sin(a)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.cos(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return -g * apply(Sin, a)


class Tan(Analytic):
    formula, adjoint = "tan(a)", ("ḡ · (1 + out²)",)
    domain = ((-1.2, 1.2),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.tan(a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * (1 + out * out)


class Asin(Analytic):
    formula, adjoint = "arcsin(a)", ("ḡ / √(1 − a²)",)
    domain = ((-0.9, 0.9),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.arcsin(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g / apply(Sqrt, 1 - a * a)


class Acos(Analytic):
    formula, adjoint = "arccos(a)", ("−ḡ / √(1 − a²)",)
    domain = ((-0.9, 0.9),)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.arccos(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return -g / apply(Sqrt, 1 - a * a)


class Atan(Analytic):
    formula, adjoint = "arctan(a)", ("ḡ / (1 + a²)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.arctan(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g / (1 + a * a)


class Sinh(Analytic):
    formula, adjoint = "sinh(a)", ("ḡ · cosh(a)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.sinh(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * apply(Cosh, a)


class Cosh(Analytic):
    formula, adjoint = "cosh(a)", ("ḡ · sinh(a)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.cosh(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * apply(Sinh, a)


class Tanh(Analytic):
    formula, adjoint = "tanh(a)", ("ḡ · (1 − out²)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.tanh(a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * (1 - out * out)


class Sigmoid(Analytic):
    """Right on both sides: where exp(−a) overflows to ∞ the result is 0."""

    formula, adjoint = "1 / (1 + exp(−a))", ("ḡ · out · (1 − out)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return np.reciprocal(1 + np.exp(-a))

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * (out * (1 - out))


class Erf(Analytic):
    """2/√π · ∫₀ᵃ exp(−t²) dt."""

    formula, adjoint = "erf(a)", ("ḡ · 2 / √π · exp(−a²)",)

    @staticmethod
    def forward(a: Array) -> Any:
        half = a.dtype.itemsize == 2
        return erf(a.astype(np.float32)).astype(a.dtype) if half else erf(a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * (apply(Exp, -(a * a)) * (2 / math.sqrt(math.pi)))


class Erfc(Analytic):
    """1 − erf(a), a primitive because the subtraction cancels where a > 0."""

    formula, adjoint = "erfc(a)", ("−ḡ · 2 / √π · exp(−a²)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return erfc(a).astype(a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * (apply(Exp, -(a * a)) * (-2 / math.sqrt(math.pi)))


class Relu(Unary):
    """max(a, 0). The derivative at the kink, a = 0, is 0; NaN stays NaN."""

    formula, adjoint = "maximum(a, 0)", ("ḡ · [out > 0]",)
    domain = ((-2.0, 2.0),)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        refuse_bool(specs[0], "relu has no meaning for truth values", RuntimeError)
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        return np.maximum(a, 0)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        # Selecting, not multiplying: a gradient of ∞ times a mask of 0 would be NaN.
        return apply(Where, apply(Le, out, 0), 0.0, g)
