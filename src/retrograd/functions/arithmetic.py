"""Arithmetic, element by element: sums and products, powers, bounds, rounding."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply, apply1, apply2, composite
from ..ops.elementwise import (
    Abs,
    Add,
    Ceil,
    Div,
    Eq,
    Floor,
    FloorDivide,
    Fmod,
    Ge,
    Gt,
    IsNan,
    LogicalOr,
    Lt,
    Maximum,
    Minimum,
    Mul,
    Ne,
    Neg,
    Pow,
    Relu,
    Remainder,
    Round,
    Sign,
    Sqrt,
    Sub,
    Trunc,
    TruncDivide,
    Where,
)
from ..ops.families import Tensor
from ..trace import Handle, spec_of
from .half import once_rounded

__all__ = [
    "add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide",
    "floor_divide", "remainder", "fmod", "neg", "negative", "positive",
    "pow", "float_power", "square", "sqrt", "rsqrt", "reciprocal",
    "abs", "absolute", "sign", "sgn", "signbit", "copysign", "heaviside",
    "floor", "ceil", "round", "trunc", "fix", "frac",
    "maximum", "minimum", "fmax", "fmin", "relu", "clamp", "clip", "clamp_min",
    "clamp_max", "lerp", "addcmul", "addcdiv", "hypot", "ldexp", "deg2rad", "rad2deg",
    "nan_to_num",
]  # fmt: skip

Operand = Any  # a Tensor or a Python number


def add(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """input + alpha · other.

    >>> import retrograd as rg
    >>> rg.add(rg.tensor([1.0, 2.0]), rg.tensor([[10.0], [20.0]]))
    tensor([[11., 12.],
            [21., 22.]])
    """
    return apply2(Add, input, other if alpha == 1 else _scaled(other, alpha, input))


def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """input − alpha · other."""
    return apply2(Sub, input, other if alpha == 1 else _taken(other, alpha, input))


def rsub(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """other − alpha · input."""
    return apply(Sub, other, input if alpha == 1 else _taken(input, alpha, other))


def _taken(x: Operand, alpha: float, like: Operand) -> Any:
    if getattr(x, "dtype", None) is dtypes.bool_:
        raise RuntimeError(f"sub(): {Sub.no_truths}")
    return _scaled(x, alpha, like)


def _scaled(x: Operand, alpha: float, like: Operand) -> Any:
    kind = result_type(x, like)
    if isinstance(alpha, float) and not kind.is_floating_point:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point "
            f"number, but it is {alpha}"
        )
    if hasattr(
        x, "dtype"
    ):  # an integer times a fraction needs the digits of the result
        return (x.to(kind) * alpha).to(kind)
    return x * alpha


def mul(input: Operand, other: Operand) -> Tensor:
    """input · other."""
    return apply2(Mul, input, other)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; ``rounding_mode`` "floor" or "trunc" rounds down or towards 0.

    >>> import retrograd as rg
    >>> x = rg.tensor([-7, 7])
    >>> rg.div(x, 2), rg.div(x, 2, rounding_mode="floor")
    (tensor([-3.5000,  3.5000]), tensor([-4,  3]))
    """
    if rounding_mode is None:
        return apply2(Div, input, other)
    if rounding_mode == "floor":
        return apply2(FloorDivide, input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but "
            f"found {rounding_mode!r}"
        )
    return apply2(TruncDivide, input, other)


def true_divide(input: Operand, other: Operand) -> Tensor:
    """input / other."""
    return apply2(Div, input, other)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """⌊input / other⌋."""
    return apply2(FloorDivide, input, other)


def remainder(input: Operand, other: Operand) -> Tensor:
    """input − other · ⌊input / other⌋: has the sign of other, as Python's %."""
    return apply2(Remainder, input, other)


def fmod(input: Tensor, other: Operand) -> Tensor:
    """input − other · trunc(input / other): has the sign of input."""
    return apply2(Fmod, input, other)


def neg(input: Tensor) -> Tensor:
    """−input."""
    return apply1(Neg, input)


def positive(input: Tensor) -> Tensor:
    """input itself; truth values have no sign."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def pow(input: Operand, exponent: Operand) -> Tensor:
    """input to the power exponent. A square is recorded as a product, a power of ½ as a
    square root.

    >>> import retrograd as rg
    >>> rg.pow(rg.tensor([1.0, 2.0, 3.0]), 2), rg.pow(2, rg.tensor([0.5, 3.0]))
    (tensor([1., 4., 9.]), tensor([1.4142, 8.0000]))
    """
    kind = exponent.__class__
    if kind is int or kind is float:
        if spec_of(input).dtype.is_floating_point:
            if exponent == 2:
                return apply2(Mul, input, input)
            if exponent == 0.5:
                return apply1(Sqrt, input)
        elif kind is int and exponent < 0:
            raise RuntimeError(
                "Integers to negative integer powers are not allowed; make the base a "
                "floating tensor, x.float(), or the exponent a float"
            )
    return apply2(Pow, input, exponent)


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """input to the power exponent, in float64."""
    return pow(_double(input), _double(exponent))


def _double(x: Operand) -> Any:
    return x.double() if hasattr(x, "dtype") else float(x)


def square(input: Tensor) -> Tensor:
    """input²."""
    if input.dtype is dtypes.bool_:
        return apply2(Pow, input, 2)
    return apply2(Mul, input, input)


def sqrt(input: Tensor) -> Tensor:
    """√input; NaN below 0."""
    return apply1(Sqrt, input)


def rsqrt(input: Tensor) -> Tensor:
    """1 / √input."""
    return apply(Div, 1.0, apply1(Sqrt, input))


def reciprocal(input: Tensor) -> Tensor:
    """1 / input."""
    return apply(Div, 1.0, input)


# -- size and sign --------------------------------------------------------------------


def abs(input: Tensor) -> Tensor:
    """|input|; the derivative at 0 is 0."""
    return apply1(Abs, input)


def sign(input: Tensor) -> Tensor:
    """−1, 0 or 1."""
    return apply1(Sign, input)


def signbit(input: Tensor) -> Tensor:
    """Whether the sign is minus, that of −0.0 too."""
    if not input.dtype.is_floating_point:
        return apply2(Lt, input, 0)
    return apply2(Lt, apply(Where, apply2(Eq, input, 0), reciprocal(input), input), 0)


def copysign(input: Tensor, other: Operand) -> Tensor:
    """|input| with the sign of other."""
    kind = result_type(input, other)
    if not kind.is_floating_point:
        kind = dtypes.get_default_dtype()
    size = apply1(Abs, input.to(kind))
    if not hasattr(other, "dtype"):
        return apply1(Neg, size) if math.copysign(1.0, other) < 0 else size
    return apply(Where, signbit(other), apply1(Neg, size), size)


def result_type(*operands: Operand) -> dtypes.dtype:
    """The type that an operation on tensors and numbers gives."""
    return dtypes.result_type_of(
        (x.dtype, 2 if x.ndim else 1)
        if hasattr(x, "dtype")
        else (dtypes.of_scalar(x), 0)
        for x in operands
    )


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, and *values* at 0."""
    if input.dtype is not values.dtype:
        raise RuntimeError(
            "heaviside is not implemented for tensors of different dtypes, but got "
            f"{input.dtype.name} and {values.dtype.name}: use values.to(input.dtype)"
        )
    step = apply(Where, apply2(Gt, input, 0), 1, 0).type(values.dtype)
    return apply(Where, apply2(Eq, input, 0), values, step)


# -- rounding -------------------------------------------------------------------------


def floor(input: Tensor) -> Tensor:
    """⌊input⌋; the derivative is 0."""
    return apply1(Floor, input)


def ceil(input: Tensor) -> Tensor:
    """⌈input⌉; the derivative is 0."""
    return apply1(Ceil, input)


def trunc(input: Tensor) -> Tensor:
    """input without its fraction; the derivative is 0."""
    return apply1(Trunc, input)


def frac(input: Tensor) -> Tensor:
    """input − trunc(input)."""
    return apply2(Sub, input, apply1(Trunc, input))


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number with so many decimals; halves go to the even one."""
    if decimals == 0:
        return apply1(Round, input)
    return _rounded(input, decimals)


@once_rounded
def _rounded(input: Tensor, decimals: int) -> Tensor:
    power = 10.0 ** (decimals if decimals > 0 else -decimals)
    if decimals > 0:
        return apply1(Round, input * power) / power
    return apply1(Round, input / power) * power


# -- extremes and bounds --------------------------------------------------------------


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """max(input, other); NaN if either is. Ties share the gradient."""
    return apply2(Maximum, input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """min(input, other); NaN if either is. Ties share the gradient."""
    return apply2(Minimum, input, other)


@composite
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """max(input, other); the other one where one is NaN."""
    first = apply(LogicalOr, apply2(Ge, input, other), apply(IsNan, other))
    return apply(Where, first, input, other)


@composite
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """min(input, other); the other one where one is NaN."""
    first = apply(LogicalOr, apply2(Ge, other, input), apply(IsNan, other))
    return apply(Where, first, input, other)


def relu(input: Tensor) -> Tensor:
    """max(input, 0); the derivative at 0 is 0."""
    return apply1(Relu, input)


@composite
def clamp(input: Tensor, min: Operand = None, max: Operand = None) -> Tensor:
    """min(max(input, *min*), *max*): bounds are numbers, tensors or absent. The
    gradient passes inside and at the bounds.

    >>> import retrograd as rg
    >>> rg.clamp(rg.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of 'min' or 'max' must not be None")
    if not isinstance(input, Handle):
        raise TypeError(
            f"clamp(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    if len({isinstance(x, Handle) for x in (min, max) if x is not None}) > 1:
        raise TypeError(
            "clamp(): both bounds must be tensors, or both numbers: use "
            "rg.tensor(number), or clamp_min and clamp_max one after the other"
        )
    if min is not None:
        outside = _beyond(Lt, input, min)
        input = apply(Where, outside, min, input)
    if max is not None:
        outside = _beyond(Gt, input, max)
        input = apply(Where, outside, max, input)
    return input


def _beyond(compare: Any, input: Tensor, bound: Any) -> Tensor:
    """Where the bound counts, which is everywhere if it is NaN."""
    if hasattr(bound, "dtype"):
        outside = apply(compare, input, bound)
        return apply2(LogicalOr, outside, apply1(IsNan, bound))
    return apply(Ne if math.isnan(bound) else compare, input, bound)


def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """max(input, *min*)."""
    return clamp(input, min, None)


def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """min(input, *max*)."""
    return clamp(input, None, max)


# -- combinations ---------------------------------------------------------------------


@composite
@once_rounded
def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """input + weight · (end − input), from the nearer end so that both are exact."""
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"lerp of {input.dtype.name}: use input.float()")
    for name, x in (("end", end), ("weight", weight)):
        number = not hasattr(x, "dtype") or (x is weight and not x.ndim)
        if not number and x.dtype is not input.dtype:
            raise RuntimeError(
                f"lerp: expected dtype {input.dtype.name} for `{name}` but got dtype "
                f"{x.dtype.name}: use {name}.to(input.dtype)"
            )
    way = end - input
    if not hasattr(weight, "dtype"):
        return input + way * weight if weight < 0.5 else end - way * (1 - weight)
    near = apply(Lt, weight, 0.5)
    return apply(Where, near, input + way * weight, end - way * (1 - weight))


@composite
@once_rounded
def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1
) -> Tensor:
    """input + value · tensor1 · tensor2."""
    kind = result_type(input, tensor1, tensor2)
    input, tensor1 = input.to(kind), tensor1.to(kind)
    product = tensor1 * tensor2
    return input + (product if value == 1 else product * value)


@composite
@once_rounded
def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1
) -> Tensor:
    """input + value · tensor1 / tensor2."""
    if not (tensor1.dtype.is_floating_point or tensor2.dtype.is_floating_point):
        raise RuntimeError(
            "Integer division with addcdiv is not supported: which rounding is meant? "
            "Use input + value * tensor1 / tensor2, or // for whole numbers"
        )
    kind = result_type(input, tensor1, tensor2)
    input, tensor1 = input.to(kind), tensor1.to(kind)
    quotient = tensor1 / tensor2
    return input + (quotient if value == 1 else quotient * value)


@composite
@once_rounded
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """√(input² + other²), without overflow on the way."""
    x, y = apply1(Abs, input), apply1(Abs, other)
    scale = apply2(Maximum, x, y).detach()
    usable = apply2(Mul, apply(Gt, scale, 0), apply(Lt, scale, math.inf))
    scale = apply(Where, usable, scale, 1.0)
    a, b = input / scale, other / scale
    out = scale * apply1(Sqrt, a * a + b * b)
    infinite = apply2(LogicalOr, apply(Eq, x, math.inf), apply(Eq, y, math.inf))
    return apply(Where, infinite, math.inf, out)  # beside NaN as well


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input · 2^other."""
    if hasattr(other, "dtype") and not other.dtype.is_floating_point:
        kind = result_type(input, other)  # 2^200 is ∞ in float32
        other = other.to(kind if kind.is_floating_point else dtypes.get_default_dtype())
    return apply2(Mul, input, apply(Pow, 2.0, other))


def deg2rad(input: Tensor) -> Tensor:
    """input · π / 180."""
    return apply2(Mul, input, math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """input · 180 / π."""
    return apply2(Mul, input, 180 / math.pi)


@composite
def nan_to_num(
    input: Tensor,
    nan: float | None = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """NaN and infinities replaced: by 0 and the largest finite numbers by default."""
    if not input.dtype.is_floating_point:
        return input.clone()
    limits = dtypes.finfo(input.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    out = apply(Where, apply1(IsNan, input), 0.0 if nan is None else nan, input)
    out = apply(Where, apply(Eq, input, math.inf), high, out)
    return apply(Where, apply(Eq, input, -math.inf), low, out)


multiply, subtract, divide = mul, sub, div
negative, absolute, sgn, fix, clip = neg, abs, sign, trunc, clamp
