"""Whole numbers, and numbers taken apart into sign, exponent and mantissa."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..dispatch import apply, apply1, apply2
from ..ops.bits import BitwiseLeftShift, BitwiseRightShift, Exponent, Gcd, Nextafter
from ..ops.core import Detach
from ..ops.elementwise import Abs, Eq, FloorDivide, IsNan, Lt, Pow, Where
from ..ops.families import Tensor

__all__ = ["gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift", "nextafter",
           "frexp", "angle", "real", "imag", "conj", "conj_physical", "resolve_conj",
           "resolve_neg", "is_conj", "is_neg", "is_nonzero", "is_same_size",
           "is_signed"]  # fmt: skip

Operand = Any  # a Tensor or a Python number


class Parts(NamedTuple):
    """A number as mantissa · 2^exponent."""

    mantissa: Any
    exponent: Any


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor, which is not negative; gcd(0, 0) = 0."""
    return apply2(Gcd, input, other)


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple, which is not negative; lcm(0, n) = 0."""
    common = apply2(Gcd, input, other)
    common = apply(Where, apply(Eq, common, 0), 1, common)
    return apply1(Abs, apply2(FloorDivide, input, common) * other)


def bitwise_left_shift(input: Operand, other: Operand) -> Tensor:
    """The bits of input moved up by other: input · 2^other."""
    return apply2(BitwiseLeftShift, input, other)


def bitwise_right_shift(input: Operand, other: Operand) -> Tensor:
    """The bits of input moved down by other: ⌊input / 2^other⌋."""
    return apply2(BitwiseRightShift, input, other)


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next number after input in the direction of other."""
    return apply2(Nextafter, input, other)


def frexp(input: Tensor) -> Parts:
    """input as mantissa · 2^exponent with ½ ≤ |mantissa| < 1.

    >>> import retrograd as rg
    >>> rg.frexp(rg.tensor([1.0, 6.0, 0.0]))
    Parts(mantissa=tensor([0.5000, 0.7500, 0.0000]), exponent=tensor([1, 3, 0], dtype=retrograd.int32))
    """
    exponent = apply1(Exponent, input)
    # In two steps: 2^1074, which the smallest numbers need, is ∞.
    half = apply(FloorDivide, exponent, 2)
    kind = input.dtype
    down, rest = (
        apply(Pow, 2.0, -half.to(kind)),
        apply(Pow, 2.0, (half - exponent).to(kind)),
    )
    return Parts(input * down * rest, exponent)


def angle(input: Tensor) -> Tensor:
    """π where input is negative, 0 elsewhere; NaN where it is NaN."""
    if not input.dtype.is_floating_point:
        return apply(Where, apply(Lt, input, 0), math.pi, 0.0)
    flat = apply(Where, apply1(IsNan, input), apply1(Detach, input), 0.0)
    return apply(Where, apply(Lt, input, 0), math.pi, flat)


def real(input: Tensor) -> Tensor:
    """input itself: there are no complex tensors."""
    return input


def imag(input: Tensor) -> Tensor:
    """Refused, as PyTorch does for real tensors."""
    raise RuntimeError(
        f"imag is not implemented for tensors with non-complex dtypes ({input.dtype.name})"
    )


def conj(input: Tensor) -> Tensor:
    """input itself, which is real."""
    return input


conj_physical = resolve_conj = resolve_neg = conj


def is_conj(input: Tensor) -> bool:
    """False: nothing is conjugated lazily."""
    return False


def is_neg(input: Tensor) -> bool:
    """False: nothing is negated lazily."""
    return False


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0. Runs what is pending."""
    if input.numel() != 1:
        raise RuntimeError(
            "Boolean value of Tensor with "
            f"{'no values' if not input.numel() else 'more than one value'} is ambiguous"
        )
    return bool(input.reshape(()).item() != 0)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return bool(input.shape == other.shape)


def is_signed(input: Tensor) -> bool:
    """Whether the type has negative numbers."""
    return bool(input.dtype.is_signed)
