"""Comparisons, logic, bits and selection, element by element."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply, apply1, apply2
from ..ops.elementwise import (
    Abs,
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
from ..ops.families import Tensor
from ..ops.reduce import All

__all__ = [
    "eq", "ne", "not_equal", "lt", "less", "le", "less_equal",
    "gt", "greater", "ge", "greater_equal",
    "logical_and", "logical_or", "logical_xor", "logical_not",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
    "isnan", "isinf", "isposinf", "isneginf", "isfinite", "isreal",
    "isclose", "allclose", "equal", "where",
]  # fmt: skip

Operand = Any  # a Tensor or a Python number


def eq(input: Tensor, other: Operand) -> Tensor:
    """[input = other]."""
    return apply2(Eq, input, other)


def ne(input: Tensor, other: Operand) -> Tensor:
    """[input ≠ other]."""
    return apply2(Ne, input, other)


def lt(input: Tensor, other: Operand) -> Tensor:
    """[input < other]."""
    return apply2(Lt, input, other)


def le(input: Tensor, other: Operand) -> Tensor:
    """[input ≤ other]."""
    return apply2(Le, input, other)


def gt(input: Tensor, other: Operand) -> Tensor:
    """[input > other]."""
    return apply2(Gt, input, other)


def ge(input: Tensor, other: Operand) -> Tensor:
    """[input ≥ other]."""
    return apply2(Ge, input, other)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """[input ≠ 0 and other ≠ 0]."""
    return apply2(LogicalAnd, input, other)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """[input ≠ 0 or other ≠ 0]."""
    return apply2(LogicalOr, input, other)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """[exactly one of input and other ≠ 0]."""
    return apply2(LogicalXor, input, other)


def logical_not(input: Tensor) -> Tensor:
    """[input = 0]."""
    return apply1(LogicalNot, input)


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """Bits set in both; for truth values: and."""
    return apply2(BitwiseAnd, input, other)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """Bits set in one or both; for truth values: or."""
    return apply2(BitwiseOr, input, other)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """Bits set in one; for truth values: either, or."""
    return apply2(BitwiseXor, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """Bits flipped; for truth values: not."""
    return apply1(BitwiseNot, input)


def isnan(input: Tensor) -> Tensor:
    """Where input is not a number."""
    return apply1(IsNan, input)


def isinf(input: Tensor) -> Tensor:
    """Where input is ∞ or −∞."""
    return apply(Eq, _size(input), math.inf)


def isposinf(input: Tensor) -> Tensor:
    """Where input is ∞."""
    return apply(Eq, input, math.inf)


def isneginf(input: Tensor) -> Tensor:
    """Where input is −∞."""
    return apply(Eq, input, -math.inf)


def isfinite(input: Tensor) -> Tensor:
    """Where input is neither infinite nor NaN."""
    return apply(Lt, _size(input), math.inf)


def _size(input: Tensor) -> Tensor:
    return input if input.dtype is dtypes.bool_ else apply1(Abs, input)


def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex tensors."""
    return apply2(Eq, apply1(LogicalNot, input), apply1(LogicalNot, input))


def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:
    """|input − other| ≤ atol + rtol · |other|; infinities are close to themselves."""
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"{input.dtype.name} did not match {other.dtype.name}: compare tensors of "
            "one type, e.g. input.to(other.dtype)"
        )
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{name} must be at least 0, but it is {tolerance}")
    close = apply2(Eq, input, other)
    if equal_nan:
        close = close | (isnan(input) & isnan(other))
    if input.dtype is dtypes.bool_:
        return close
    error = apply1(Abs, input - other)
    near = apply2(Le, error, atol + rtol * apply1(Abs, other))
    return close | (near & isfinite(error))


def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> bool:
    """Whether :func:`isclose` holds everywhere. Runs what is pending."""
    close = isclose(input, other, rtol, atol, equal_nan)
    return bool(apply(All, close, dim=None, keepdim=False))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are the same. Runs what is pending."""
    if input.shape != other.shape:
        return False
    return bool(apply(All, apply2(Eq, input, other), dim=None, keepdim=False))


def where(condition: Tensor, input: Operand = None, other: Operand = None) -> Any:
    """input where the condition holds, other elsewhere; with the condition alone, the
    positions where it holds, as ``nonzero(as_tuple=True)``.

    >>> import retrograd as rg
    >>> x = rg.tensor([-1.0, 2.0])
    >>> rg.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if input is None and other is None:
        from .index import nonzero

        return nonzero(condition, as_tuple=True)
    return apply(Where, condition, input, other)


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
