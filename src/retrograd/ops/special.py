"""Special functions, element by element: of the gamma family, inverses of the error
function, Bessel's. Their derivatives lead to members of the same families, and so they
have derivatives of any order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dispatch import apply
from . import airy, bessel, erf, gamma
from .elementwise import Exp, Log, Sign
from .families import Analytic, Binary, Tensor, unknown
from .op import Array, Sample, Spec


def _in_double(function: Any, *arrays: Array) -> Any:
    """The function in float64, its result in the type of the operands."""
    out = function(*[a.astype(np.float64, copy=False) for a in arrays])
    return np.asarray(out).astype(arrays[0].dtype, copy=False)


class Lgamma(Analytic):
    """log |Γ(a)|; ∞ at 0, −1, −2, …"""

    formula, adjoint = "lgamma(a)", ("ḡ · digamma(a)",)
    domain = ((0.1, 5.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return _in_double(gamma.lgamma, a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * apply(Digamma, a)


class Digamma(Analytic):
    """Γ′(a) / Γ(a)."""

    formula, adjoint = "digamma(a)", ("ḡ · zeta(2, a)",)
    domain = ((0.1, 5.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        return _in_double(gamma.digamma, a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return g * apply(Zeta, 2.0, a, order=0)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [*super().samples(), Sample(np.array([-0.4, -2.7]))]


class Zeta(Binary):
    """Hurwitz's zeta function Σ (b + k)^(−a) over k ≥ 0; its derivatives by a where
    ``order`` > 0."""

    formula = "zeta(a, b, order)"
    adjoint = (
        "ḡ · zeta(a, b, order + 1)",
        "−ḡ · (a · zeta(a + 1, b, order)"
        " + order · zeta(a + 1, b, maximum(order − 1, 0)))",
    )
    promotion = "float"
    domain = ((1.5, 5.0), (0.3, 4.0))

    @staticmethod
    def forward(a: Array, b: Array, *, order: int) -> Any:
        return _in_double(lambda s, q: gamma.zeta(s, q, order), a, b)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, b: Tensor, order: int) -> Tensor:
        return g * apply(Zeta, a, b, order=order + 1)

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor, order: int) -> Tensor:
        slope = a * apply(Zeta, a + 1, b, order=order)
        if order:
            slope = slope + order * apply(Zeta, a + 1, b, order=order - 1)
        return -g * slope

    @classmethod
    def samples(cls) -> list[Sample]:
        return [Sample(*s.arrays, order=i % 3) for i, s in enumerate(super().samples())]


def _gamma_density(a: Tensor, b: Tensor) -> Tensor:
    """b^(a−1) exp(−b) / Γ(a)."""
    return apply(Exp, (a - 1) * apply(Log, b) - b - apply(Lgamma, a))


class Gammainc(Binary):
    """1/Γ(a) · ∫₀ᵇ t^(a−1) exp(−t) dt."""

    formula = "gammainc(a, b)"
    adjoint = ("not implemented", "ḡ · exp((a − 1) · log(b) − b − lgamma(a))")
    promotion = "float"
    domain = ((0.5, 4.0), (0.3, 6.0))

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return _in_double(gamma.gammainc, a, b)

    vjp_a = unknown(
        "the derivative of gammainc by its first argument is not implemented: detach it, "
        "or take differences"
    )

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return g * _gamma_density(a, b)


class Gammaincc(Binary):
    """1 − gammainc(a, b), a primitive because the subtraction cancels."""

    formula = "gammaincc(a, b)"
    adjoint = ("not implemented", "−ḡ · exp((a − 1) · log(b) − b − lgamma(a))")
    promotion = "float"
    domain = ((0.5, 4.0), (0.3, 6.0))

    @staticmethod
    def forward(a: Array, b: Array) -> Any:
        return _in_double(gamma.gammaincc, a, b)

    vjp_a = unknown(
        "the derivative of gammaincc by its first argument is not implemented: detach it, "
        "or take differences"
    )

    @staticmethod
    def vjp_b(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return -g * _gamma_density(a, b)


class Erfcx(Analytic):
    """exp(a²) · erfc(a), which does not underflow."""

    formula, adjoint = "erfcx(a)", ("ḡ · (2 · a · out − 2 / √π)",)

    @staticmethod
    def forward(a: Array) -> Any:
        return _in_double(erf.erfcx, a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
        return g * (2 * a * out - 2 / math.sqrt(math.pi))


class Erfinv(Analytic):
    """The number whose error function is a."""

    formula, adjoint = "erfinv(a)", ("ḡ · √π / 2 · exp(out²)",)
    domain = ((-0.9, 0.9),)

    @staticmethod
    def forward(a: Array) -> Any:
        return _in_double(erf.erfinv, a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * (apply(Exp, out * out) * (math.sqrt(math.pi) / 2))


class Ndtri(Analytic):
    """The number below which a standard normal one lies with probability a. Not
    √2 · erfinv(2a − 1), which cancels where a is small."""

    formula, adjoint = "ndtri(a)", ("ḡ · √(2 · π) · exp(out² / 2)",)
    domain = ((0.05, 0.95),)

    @staticmethod
    def forward(a: Array) -> Any:
        return _in_double(erf.ndtri, a)

    @staticmethod
    def vjp_a(g: Tensor, out: Tensor) -> Tensor:
        return g * (apply(Exp, out * out / 2) * math.sqrt(2 * math.pi))


# -- Bessel functions of whole order --------------------------------------------------


class _Bessel(Analytic):
    """Derivatives lead to the neighbouring orders."""

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(*plain.arrays, order=n)
            for n, plain in zip((0, 1, 2), super().samples(), strict=True)
        ]


class BesselJ(_Bessel):
    formula = "bessel_j(order, a)"
    adjoint = ("ḡ · (bessel_j(order − 1, a) − bessel_j(order + 1, a)) / 2",)
    domain = ((-6.0, 9.0),)

    @staticmethod
    def forward(a: Array, *, order: int) -> Any:
        return _in_double(lambda x: bessel.bessel_j(order, x), a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, order: int) -> Tensor:
        up = apply(BesselJ, a, order=order + 1)
        if order == 0:
            return -g * up
        return g * ((apply(BesselJ, a, order=order - 1) - up) / 2)


class BesselY(_Bessel):
    formula = "bessel_y(order, a)"
    adjoint = ("ḡ · (bessel_y(order − 1, a) − bessel_y(order + 1, a)) / 2",)
    domain = ((0.3, 9.0),)

    @staticmethod
    def forward(a: Array, *, order: int) -> Any:
        return _in_double(lambda x: bessel.bessel_y(order, x), a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, order: int) -> Tensor:
        up = apply(BesselY, a, order=order + 1)
        if order == 0:
            return -g * up
        return g * ((apply(BesselY, a, order=order - 1) - up) / 2)


class _Modified(_Bessel):
    """With ``scaled`` the exponential growth, or decay, is divided away."""

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(*s.arrays, **s.attrs, scaled=scaled)
            for s in super().samples()
            for scaled in (False, True)
        ]


class BesselI(_Modified):
    """Iₙ(a), or exp(−|a|) Iₙ(a). The derivative of |a| at 0 is 0."""

    formula = "bessel_i(order, a, scaled)"
    adjoint = (
        "ḡ · ((bessel_i(order − 1, a, scaled) + bessel_i(order + 1, a, scaled)) / 2"
        " − scaled · sign(a) · out)",
    )
    domain = ((-3.0, 4.0),)

    @staticmethod
    def forward(a: Array, *, order: int, scaled: bool) -> Any:
        return _in_double(lambda x: bessel.bessel_i(order, x, scaled), a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, out: Tensor, order: int, scaled: bool) -> Tensor:
        slope = apply(BesselI, a, order=order + 1, scaled=scaled)
        if order:
            slope = (slope + apply(BesselI, a, order=order - 1, scaled=scaled)) / 2
        return g * (slope - apply(Sign, a) * out if scaled else slope)


class BesselK(_Modified):
    """Kₙ(a), or exp(a) Kₙ(a)."""

    formula = "bessel_k(order, a, scaled)"
    adjoint = (
        "ḡ · (scaled · out"
        " − (bessel_k(order − 1, a, scaled) + bessel_k(order + 1, a, scaled)) / 2)",
    )
    domain = ((0.3, 5.0),)

    @staticmethod
    def forward(a: Array, *, order: int, scaled: bool) -> Any:
        return _in_double(lambda x: bessel.bessel_k(order, x, scaled), a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, out: Tensor, order: int, scaled: bool) -> Tensor:
        slope = apply(BesselK, a, order=order + 1, scaled=scaled)
        if order:
            slope = (slope + apply(BesselK, a, order=order - 1, scaled=scaled)) / 2
        return g * (out - slope if scaled else -slope)


class Entr(Analytic):
    """−a · log(a), 0 at 0 and −∞ below. A primitive because its slope at 0 is ∞."""

    formula, adjoint = "−a · log(a)", ("−ḡ · (1 + log(a))",)
    domain = ((0.1, 3.0),)

    @staticmethod
    def forward(a: Array) -> Any:
        inside = -a * np.log(np.where(a > 0, a, 1))
        out = np.where(a > 0, inside, np.where(a == 0, 0.0, -np.inf))
        return np.where(np.isnan(a), a, out).astype(a.dtype)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor) -> Tensor:
        return -g * (1 + apply(Log, a))


class Airy(Analytic):
    """The derivative of some order of Airy's function Ai, with Ai″ = a · Ai."""

    formula, adjoint = "airy(order, a)", ("ḡ · airy(order + 1, a)",)
    domain = ((-4.0, 4.0),)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array, *, order: int) -> Any:
        return _in_double(lambda x: airy.airy(order, x), a)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, order: int) -> Tensor:
        return g * apply(Airy, a, order=order + 1)

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(*plain.arrays, order=n)
            for n, plain in zip((0, 1, 2), super().samples(), strict=True)
        ]
