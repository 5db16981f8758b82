"""Whole numbers and the bits of numbers: divisors, shifts, exponents, neighbours. They
have no derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from .families import Binary, Tensor, Unary
from .movement import constant_zeros
from .op import Array, Elementwise, Sample, Spec


class _Whole(Elementwise):
    """On integers."""

    @classmethod
    def infer(cls, *specs: Spec, **attrs: Any) -> Spec:
        if specs[0].dtype.category != dtypes.INTEGRAL:
            raise NotImplementedError(
                f"{cls.name} takes integers, not {specs[0].dtype.name}: "
                "convert with x.long()"
            )
        return Elementwise.infer(*specs)

    @classmethod
    def samples(cls) -> list[Sample]:
        a, b = np.array([0, 12, -7, 6]), np.array([3, 2, 1, 0])
        return [Sample(a, b), Sample(a.reshape(4, 1), b), Sample(a[1], b[1])]


class Gcd(_Whole):
    """The greatest common divisor, which is not negative; gcd(0, 0) = 0."""

    formula = "gcd(a, b)"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.gcd(a, b)


class BitwiseLeftShift(_Whole):
    """a · 2^b as far as there are bits; 0 where b is negative or too large."""

    formula = "left_shift(a, b)"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        outside = (b < 0) | (b >= 8 * a.dtype.itemsize)
        shifted = np.left_shift(a, np.where(outside, 0, b).astype(a.dtype))
        return np.where(outside, np.zeros_like(a), shifted)


class BitwiseRightShift(_Whole):
    """⌊a / 2^b⌋; every bit is shifted out where b is negative or too large."""

    formula = "right_shift(a, b)"

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        most = 8 * a.dtype.itemsize - 1
        outside = (b < 0) | (b > most)
        shifted = np.right_shift(a, np.where(outside, most, b).astype(a.dtype))
        if a.dtype.kind == "u":
            return np.where(outside, np.zeros_like(a), shifted)
        return np.asarray(shifted)


class Nextafter(Binary):
    """The next number after a in the direction of b."""

    formula, adjoint = "nextafter(a, b)", ("ḡ", "0")
    name = "nextafter"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        if not specs[0].dtype.is_floating_point:
            raise NotImplementedError(
                f"nextafter takes floating numbers, not {specs[0].dtype.name}"
            )
        return Binary.infer(*specs)

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return np.nextafter(a, b)

    @staticmethod
    def vjp_a(g: Tensor) -> Any:
        return g

    @staticmethod
    def vjp_b(out_spec: Spec) -> Any:
        return constant_zeros(out_spec)


class Exponent(Unary):
    """The e with a = m · 2^e and ½ ≤ |m| < 1, as int32; 0 for 0, ±∞ and NaN."""

    formula = "floor(log2(|a|)) + 1"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        if not specs[0].dtype.is_floating_point:
            raise RuntimeError(
                "frexp() only supports floating-point dtypes, not "
                f"{specs[0].dtype.name}: convert with x.float()"
            )
        return Spec(specs[0].shape, dtypes.int32)

    @staticmethod
    def forward(a: Array) -> Any:
        wide = a.astype(np.float32) if a.dtype.itemsize == 2 else a
        exponent = np.frexp(wide)[1]
        return np.where(np.isfinite(wide), exponent, 0).astype(np.int32)
