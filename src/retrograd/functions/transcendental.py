"""Exponentials, logarithms, angles and their kin, element by element."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply, apply1, apply2, composite
from ..ops.elementwise import (
    Abs,
    Acos,
    Asin,
    Atan,
    Atan2,
    Cos,
    Cosh,
    Eq,
    Erf,
    Erfc,
    Exp,
    Expm1,
    Ge,
    Gt,
    Le,
    Log,
    Log1p,
    Log2,
    Log10,
    LogicalAnd,
    LogicalOr,
    Lt,
    Pow,
    Sigmoid,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
    Where,
)
from ..ops.families import Tensor
from .half import once_rounded

__all__ = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2",
    "xlogy", "logit", "sigmoid", "expit", "softplus", "erf", "erfc",
    "sin", "cos", "tan", "asin", "arcsin", "acos", "arccos", "atan", "arctan",
    "atan2", "arctan2", "sinh", "cosh", "tanh", "asinh", "arcsinh", "acosh", "arccosh",
    "atanh", "arctanh", "sinc",
]  # fmt: skip

Operand = Any  # a Tensor or a Python number


def exp(input: Tensor) -> Tensor:
    """e^input."""
    return apply1(Exp, input)


def exp2(input: Tensor) -> Tensor:
    """2^input."""
    return apply(Pow, 2.0, input)


def expm1(input: Tensor) -> Tensor:
    """e^input − 1, exact near 0 as well."""
    return apply1(Expm1, input)


def log(input: Tensor) -> Tensor:
    """The natural logarithm; −∞ at 0 and NaN below."""
    return apply1(Log, input)


def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
    return apply1(Log2, input)


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
    return apply1(Log10, input)


def log1p(input: Tensor) -> Tensor:
    """log(1 + input), exact near 0 as well."""
    return apply1(Log1p, input)


@composite
@once_rounded
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow.

    >>> import retrograd as rg
    >>> rg.logaddexp(rg.tensor(1000.0), rg.tensor(1000.0))
    tensor(1000.6932)
    """
    # max + log(1 + exp(min − max)), chosen and not compared by value: the formula is
    # smooth across the tie, so that every derivative is right there too.
    first = apply2(Ge, input, other)
    high, low = apply(Where, first, input, other), apply(Where, first, other, input)
    infinite = apply(Eq, apply1(Abs, high), math.inf)  # ∞ − ∞ would be NaN
    return high + apply1(Log1p, apply1(Exp, low - apply(Where, infinite, 0.0, high)))


@once_rounded
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log₂(2^input + 2^other)."""
    two = math.log(2)
    input, other = in_one_type(input, other)
    return logaddexp(input * two, other * two) / two


@composite
def xlogy(input: Operand, other: Operand) -> Tensor:
    """input · log(other), and 0 where input is 0 (unless other is NaN)."""
    if not hasattr(other, "dtype"):
        return times_logarithm(input, other)
    input, other = in_one_type(input, other)
    limit = apply(LogicalOr, apply(Le, other, 0.0), apply(Eq, other, math.inf))
    nothing = apply(LogicalAnd, apply(Eq, input, 0.0), limit)
    return input * apply1(Log, apply(Where, nothing, 1.0, other))


def in_one_type(*operands: Any) -> tuple[Any, ...]:
    """Operands in the type of the result, before a function of one of them is taken: a
    logarithm in float32 has too few digits for a product in float64."""
    from .arithmetic import result_type

    kind = result_type(*operands)
    if not kind.is_floating_point:
        kind = dtypes.get_default_dtype()
    return tuple([x.to(kind) if hasattr(x, "dtype") else x for x in operands])


def times_logarithm(input: Tensor, number: float) -> Tensor:
    """input · log(number), and 0 where input is 0 (unless the number is NaN)."""
    if number > 0:
        log = math.log(number)
    else:
        log = -math.inf if number == 0 else math.nan
    out = _real(input) * log
    if math.isfinite(log) or math.isnan(number):
        return out
    return apply(Where, apply(Eq, input, 0), 0.0, out)


@composite
@once_rounded
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(input / (1 − input)), the inverse of sigmoid; *eps* keeps off 0 and 1."""
    if eps is not None:
        from .arithmetic import clamp

        input = clamp(input, eps, 1.0 - eps)
    input = _real(input)
    # NaN outside [0, 1], not only as a value: log(1 − input) has a derivative beyond 1
    outside = apply2(LogicalOr, apply2(Lt, input, 0.0), apply2(Gt, input, 1.0))
    input = input - apply(Where, outside, math.nan, 0.0)  # keeps the sign of −0
    return apply1(Log, input) - apply1(Log1p, -input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(−input)).

    >>> import retrograd as rg
    >>> rg.sigmoid(rg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return apply1(Sigmoid, input)


@composite
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta · input)) / beta; input where beta · input > threshold."""
    scaled = input if beta == 1 else input * beta
    straight = apply(Gt, scaled, threshold)
    # What the straight part does not use stays small: ∞ there would spoil gradients.
    curve = apply1(Log1p, apply1(Exp, apply(Where, straight, 0.0, scaled)))
    return apply(Where, straight, input, curve if beta == 1 else curve / beta)


def erf(input: Tensor) -> Tensor:
    """2/√π · ∫₀^input exp(−t²) dt."""
    return apply1(Erf, input)


def erfc(input: Tensor) -> Tensor:
    """1 − erf(input), exact far to the right as well."""
    return apply1(Erfc, input)


# -- angles ---------------------------------------------------------------------------


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians."""
    return apply1(Sin, input)


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians."""
    return apply1(Cos, input)


def tan(input: Tensor) -> Tensor:
    """The tangent of an angle in radians."""
    return apply1(Tan, input)


def asin(input: Tensor) -> Tensor:
    """The angle in [−π/2, π/2] with this sine."""
    return apply1(Asin, input)


def acos(input: Tensor) -> Tensor:
    """The angle in [0, π] with this cosine."""
    return apply1(Acos, input)


def atan(input: Tensor) -> Tensor:
    """The angle in (−π/2, π/2) with this tangent."""
    return apply1(Atan, input)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle in (−π, π] of the point with y = input and x = other."""
    return apply2(Atan2, input, other)


def _real(input: Tensor) -> Tensor:
    """Integers as numbers of the default floating type."""
    if input.dtype.is_floating_point:
        return input
    return input.to(dtypes.get_default_dtype())


@composite
@once_rounded
def sinc(input: Tensor) -> Tensor:
    """sin(π·input) / (π·input), and 1 at 0."""
    x = input * math.pi
    near = apply(Lt, apply1(Abs, x), 0.5)
    # Near 0 the series in x² takes over, so that derivatives do not cancel.
    u = apply(Where, near, x, 0.0)
    u = u * u
    series: Any = 0.0
    for k in range(9, -1, -1):
        series = series * u + (-1) ** k / math.factorial(2 * k + 1)
    far = apply(Where, near, 1.0, x)
    return apply(Where, near, series, apply1(Sin, far) / far)


# -- hyperbolic -----------------------------------------------------------------------


def sinh(input: Tensor) -> Tensor:
    """(e^input − e^−input) / 2."""
    return apply1(Sinh, input)


def cosh(input: Tensor) -> Tensor:
    """(e^input + e^−input) / 2."""
    return apply1(Cosh, input)


def tanh(input: Tensor) -> Tensor:
    """sinh(input) / cosh(input)."""
    return apply1(Tanh, input)


@composite
def asinh(input: Tensor) -> Tensor:
    """log(input + √(input² + 1)), exact near 0 and for negative and large input."""
    input = _real(input)
    negative = apply(Lt, input, 0)
    x = apply(Where, negative, -input, input)
    # Where x² is so large that + 1 is lost, x² might overflow as well.
    large = apply(Gt, x, 2 / math.sqrt(dtypes.finfo(input.dtype).eps))
    t = apply(Where, large, 1.0, x)
    near = apply1(Log1p, t + t * t / (1 + apply1(Sqrt, t * t + 1)))
    far = apply1(Log, apply(Where, large, x, 1.0)) + math.log(2)
    out = apply(Where, large, far, near)
    return apply(Where, negative, -out, out)


@composite
def acosh(input: Tensor) -> Tensor:
    """log(input + √(input² − 1)), exact near 1 as well; NaN below 1."""
    t = _real(input) - 1
    return apply1(Log1p, t + apply1(Sqrt, t) * apply1(Sqrt, t + 2))


@composite
def atanh(input: Tensor) -> Tensor:
    """log((1 + input) / (1 − input)) / 2, exact near 0 and near ±1."""
    input = _real(input)
    return (apply1(Log1p, input) - apply1(Log1p, -input)) / 2


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh, expit = asinh, acosh, atanh, sigmoid
