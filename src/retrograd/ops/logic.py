"""Comparisons, logic, bits and selection, element by element."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import dtypes
from ..dispatch import apply
from .families import Binary, Tensor, Unary
from .op import Array, Comparison, Elementwise, Sample, Spec, broadcast_shapes, probe


class _Compared(Comparison):
    """[a ? b] after both are brought to one type."""

    @staticmethod
    def samples() -> list[Sample]:
        tied = Sample(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
        return [tied, *Binary.pairs()]


class Eq(_Compared):
    formula = "[a = b]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.equal(a, b)


class Ne(_Compared):
    formula = "[a ≠ b]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.not_equal(a, b)


class Lt(_Compared):
    formula = "[a < b]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.less(a, b)


class Le(_Compared):
    formula = "[a ≤ b]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.less_equal(a, b)


class Gt(_Compared):
    formula = "[a > b]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.greater(a, b)


class Ge(_Compared):
    formula = "[a ≥ b]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.greater_equal(a, b)


class IsNan(Comparison):
    formula = "[a ≠ a]"

    @staticmethod
    def forward(a: Array) -> Any:
        return np.not_equal(a, a)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(np.array([0.0, np.nan, np.inf])), Sample(probe())]


class _Logical(Comparison):
    """Truth values of truth values; a number counts as true where it is not 0."""

    promotion, numbers = "", False

    @staticmethod
    def samples() -> list[Sample]:
        a, b = np.array([0.0, 0.0, 1.0, 2.0]), np.array([0.0, 3.0, 0.0, 2.0])
        return [Sample(a, b), Sample(a.reshape(4, 1), b), Sample(a > 0, b > 0)]


class LogicalAnd(_Logical):
    formula = "[a ≠ 0] · [b ≠ 0]"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.logical_and(a, b)


class LogicalOr(_Logical):
    formula = "maximum([a ≠ 0], [b ≠ 0])"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.logical_or(a, b)


class LogicalXor(_Logical):
    formula = "|[a ≠ 0] − [b ≠ 0]|"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.logical_xor(a, b)


class LogicalNot(Comparison):
    formula = "[a = 0]"
    promotion = ""

    @staticmethod
    def forward(a: Array) -> Any:
        return np.logical_not(a)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(np.array([0.0, 0.5, -1.0])), Sample(np.array([True, False]))]


class _Bitwise(Elementwise):
    """Bit by bit on integers, which for truth values is logic."""

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        if specs[0].dtype.is_floating_point:
            raise NotImplementedError(
                f"bits of {specs[0].dtype.name} are not defined: bitwise operations "
                "take integers and truth values; for masks compare first, e.g. x > 0"
            )
        return Elementwise.infer(*specs)

    @staticmethod
    def samples() -> list[Sample]:
        a, b = np.array([0, 5, -7, 6]), np.array([3, 6, 12, -1])
        return [Sample(a, b), Sample(a > 0, b > 5)]


class BitwiseAnd(_Bitwise):
    formula = "bitwise_and(a, b)"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.bitwise_and(a, b)


class BitwiseOr(_Bitwise):
    formula = "bitwise_or(a, b)"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.bitwise_or(a, b)


class BitwiseXor(_Bitwise):
    formula = "bitwise_xor(a, b)"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.bitwise_xor(a, b)


class BitwiseNot(Unary):
    formula = "bitwise_not(a)"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        if specs[0].dtype.is_floating_point:
            raise TypeError(
                "~ (bitwise_not) is for integers and truth values, not "
                f"{specs[0].dtype.name}"
            )
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Any:
        return np.invert(a)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [Sample(np.array([0, 5, -7])), Sample(np.array([True, False]))]


class Where(Elementwise):
    """a where the condition holds, b elsewhere. The value not chosen gets no gradient,
    even where it is infinite or NaN."""

    formula = "where(condition, a, b)"
    adjoint = ("where(condition, ḡ, 0)", "where(condition, 0, ḡ)")
    #: the dispatcher promotes the operands from here on: the condition stays as it is
    promote_from: ClassVar[int] = 1

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        condition = specs[0].dtype
        if condition is not dtypes.bool_:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor "
                f"with dtype {condition.name}; compare it, e.g. condition != 0"
            )
        return Spec(broadcast_shapes(*[s.shape for s in specs]), specs[1].dtype)

    @staticmethod
    def forward(condition: Array, a: Array, b: Array) -> Any:
        return np.where(condition, a, b)

    @staticmethod
    def vjp_a(g: Tensor, condition: Tensor) -> Tensor:
        return apply(Where, condition, g, 0.0)

    @staticmethod
    def vjp_b(g: Tensor, condition: Tensor) -> Tensor:
        return apply(Where, condition, 0.0, g)

    @staticmethod
    def samples() -> list[Sample]:
        mask = probe(2, 3, seed=2) > 0
        return [
            Sample(mask, probe(2, 3), probe(2, 3, seed=1)),
            Sample(mask, probe(3), probe()),
            Sample(np.array(True), probe(), probe(2, 1)),
        ]
