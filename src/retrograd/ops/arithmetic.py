"""Functions of two numbers, element by element, that have derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import apply
from .families import Binary, Tensor, refuse_bool
from .logic import Eq, Ge, LogicalAnd, Lt, Where
from .op import Array, Sample, Spec


class Add(Binary):
    formula, adjoint = "a + b", ("ḡ", "ḡ")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.add(a, b)

    @staticmethod
    def vjp_a(g: Tensor) -> Tensor:
        return g

    @staticmethod
    def vjp_b(g: Tensor) -> Tensor:
        return g


class Sub(Binary):
    formula, adjoint = "a − b", ("ḡ", "−ḡ")
    no_truths = (
        "truth values cannot be subtracted: use ~a for 'not', a ^ b for 'differs', or "
        "a.int()"
    )

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.subtract(a, b)

    @staticmethod
    def vjp_a(g: Tensor) -> Tensor:
        return g

    @staticmethod
    def vjp_b(g: Tensor) -> Tensor:
        return -g


class Mul(Binary):
    formula, adjoint = "a · b", ("ḡ · b", "ḡ · a")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.multiply(a, b)

    @staticmethod
    def vjp_a(g: Tensor, b: Tensor) -> Tensor:
        return g * b

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor) -> Tensor:
        return g * a


class Div(Binary):
    """True division: integers become the default floating type first."""

    formula, adjoint = "a / b", ("ḡ / b", "−ḡ · (a / b) / b")
    promotion = "float"
    domain = ((-2.0, 2.0), (0.5, 2.0))

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.true_divide(a, b)

    @staticmethod
    def vjp_a(g: Tensor, b: Tensor) -> Tensor:
        return g / b

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # not by the output, which may be changed in place
        return -g * ((a / b) / b)


class Pow(Binary):
    """a to the power b. The indeterminate points take their limits: the derivative by a
    is 0 where b = 0, and the derivative by b is 0 where a = 0 ≤ b."""

    formula, adjoint = "a^b", ("ḡ · b · a^(b − 1)", "ḡ · out · log(a)")
    domain = ((0.2, 2.0), (-2.0, 2.0))

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        refuse_bool(specs[0], "powers of truth values are not defined; make them int")
        return Binary.infer(*specs)

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        if b.dtype.kind == "i" and np.any(np.less(b, 0)):
            # 1 / aⁿ in integers: ±1 for a = ±1, else 0, as PyTorch has it.
            p = np.power(a, np.absolute(b))
            return np.where(np.less(b, 0) & (np.absolute(a) != 1), np.zeros_like(p), p)
        return np.power(a, b)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # 0 · 0^(−1) would be NaN: another base stands in there, and the factor b = 0
        # makes the product right. Second derivatives stay right as well.
        constant = apply(LogicalAnd, apply(Eq, b, 0), apply(Eq, a, 0))
        return g * (b * apply(Pow, apply(Where, constant, 1.0, a), b - 1))

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        zero = apply(LogicalAnd, apply(Eq, a, 0), apply(Ge, b, 0))
        return g * (out * apply(Where, zero, 1.0, a).log())

    @classmethod
    def samples(cls) -> list[Sample]:
        at_zero = Sample(np.array([0.5, 1.5, 2.0]), np.zeros(3))
        return [*super().samples(), at_zero]


def _share(g: Tensor, tied: Tensor, lost: Tensor) -> Tensor:
    """Half of g in a tie, nothing for the operand that lost, all otherwise (and where
    one is NaN, which is neither)."""
    return apply(Where, lost, 0.0, apply(Where, tied, g / 2, g))


class Maximum(Binary):
    """The larger one; NaN if either is. A tie gives half of the gradient to each."""

    numbers = False
    formula = "maximum(a, b)"
    adjoint = ("ḡ · ([a > b] + [a = b] / 2)", "ḡ · ([b > a] + [a = b] / 2)")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.maximum(a, b)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return _share(g, apply(Eq, a, b), apply(Lt, a, b))

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return _share(g, apply(Eq, a, b), apply(Lt, b, a))


class Minimum(Binary):
    """The smaller one; NaN if either is. A tie gives half of the gradient to each."""

    numbers = False
    formula = "minimum(a, b)"
    adjoint = ("ḡ · ([a < b] + [a = b] / 2)", "ḡ · ([b < a] + [a = b] / 2)")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.minimum(a, b)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return _share(g, apply(Eq, a, b), apply(Lt, b, a))

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return _share(g, apply(Eq, a, b), apply(Lt, a, b))


class Atan2(Binary):
    """The angle of the point (b, a), in (−π, π]; its derivative at the origin is 0."""

    numbers = False
    formula = "arctan2(a, b)"
    adjoint = ("ḡ · b / (a² + b²)", "−ḡ · a / (a² + b²)")
    promotion = "float"
    domain = ((0.3, 2.0), (-2.0, 2.0))

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.arctan2(a, b)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g * (b / _square_radius(a, b))

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * (a / _square_radius(a, b))


def _square_radius(a: Tensor, b: Tensor) -> Tensor:
    """a² + b², with 1 at the origin."""
    r = a * a + b * b
    return apply(Where, apply(Eq, r, 0), 1.0, r)
