"""Steps: sign, rounding and division with remainder. Their derivatives are 0 wherever
they have one, which leaves only the remainder with a derivative to speak of."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..dispatch import apply
from .families import Binary, Interval, Tensor, Unary, refuse_bool
from .movement import constant_zeros
from .op import Array, Spec


class _Step(Unary):
    """Piecewise constant."""

    @staticmethod
    def vjp_a(out_spec: Spec) -> Any:
        return constant_zeros(out_spec)


class Sign(_Step):
    """−1, 0 or 1; 0 for NaN."""

    formula, adjoint = "[a > 0] − [a < 0]", ("0",)

    @staticmethod
    def forward(a: Array) -> Any:
        if a.dtype == bool:
            return np.array(a)
        return np.subtract(np.greater(a, 0), np.less(a, 0), dtype=a.dtype)


class _Rounding(_Step):
    """To a whole number; integers stay as they are."""

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        refuse_bool(specs[0], "truth values cannot be rounded")
        return specs[0]


def _rounded(function: Any, a: Array) -> Any:
    return function(a) if a.dtype.kind not in "iu" else np.positive(a)


class Floor(_Rounding):
    formula, adjoint = "floor(a)", ("0",)

    @staticmethod
    def forward(a: Array) -> Any:
        return _rounded(np.floor, a)


class Ceil(_Rounding):
    formula, adjoint = "ceil(a)", ("0",)

    @staticmethod
    def forward(a: Array) -> Any:
        return _rounded(np.ceil, a)


class Round(_Rounding):
    """To the nearest whole number; halves to the even one."""

    formula, adjoint = "rint(a)", ("0",)

    @staticmethod
    def forward(a: Array) -> Any:
        return _rounded(np.rint, a)


class Trunc(_Rounding):
    """Towards zero."""

    formula, adjoint = "trunc(a)", ("0",)

    @staticmethod
    def forward(a: Array) -> Any:
        return _rounded(np.trunc, a)


class _Divided(Binary):
    """Division with remainder."""

    domain: ClassVar[tuple[Interval, ...]] = ((-2.0, 2.0), (0.3, 0.7))

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        refuse_bool(specs[0], "truth values have no quotient or remainder")
        return Binary.infer(*specs)


def _check_divisor(b: Array) -> None:
    if b.dtype.kind in "iu" and not np.all(b):
        raise RuntimeError("ZeroDivisionError: an integer is divided by 0")


class FloorDivide(_Divided):
    """⌊a / b⌋."""

    formula, adjoint = "floor(a / b)", ("0", "0")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        _check_divisor(b)
        return np.floor_divide(a, b)

    @staticmethod
    def vjp_a(out_spec: Spec) -> Any:
        return constant_zeros(out_spec)

    @staticmethod
    def vjp_b(out_spec: Spec) -> Any:
        return constant_zeros(out_spec)


class TruncDivide(_Divided):
    """a / b towards zero."""

    formula, adjoint = "trunc(a / b)", ("0", "0")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        _check_divisor(b)
        if a.dtype.kind not in "iu":
            return np.trunc(np.true_divide(a, b))
        return np.floor_divide(np.subtract(a, np.fmod(a, b)), b)

    @staticmethod
    def vjp_a(out_spec: Spec) -> Any:
        return constant_zeros(out_spec)

    @staticmethod
    def vjp_b(out_spec: Spec) -> Any:
        return constant_zeros(out_spec)


class Remainder(_Divided):
    """What is left of a, with the sign of b: Python's ``%``."""

    formula, adjoint = "a − b · floor(a / b)", ("ḡ", "−ḡ · floor(a / b)")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        _check_divisor(b)
        return np.remainder(a, b)

    @staticmethod
    def vjp_a(g: Tensor) -> Tensor:
        return g

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * (a // b)


class Fmod(_Divided):
    """What is left of a, with the sign of a: C's ``fmod``."""

    formula, adjoint = "a − b · trunc(a / b)", ("ḡ", "−ḡ · trunc(a / b)")

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        _check_divisor(b)
        return np.fmod(a, b)

    @staticmethod
    def vjp_a(g: Tensor) -> Tensor:
        return g

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * apply(TruncDivide, a, b)
