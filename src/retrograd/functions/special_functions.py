"""Special functions: the gamma family, the normal distribution's, Bessel's. Those that
PyTorch has at its top level are in ``__all__``; ``retrograd.special`` names them all."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply, apply1, apply2, composite
from ..ops.elementwise import (
    Eq,
    Erfc,
    Le,
    Log,
    Log1p,
    LogicalAnd,
    Lt,
    Where,
)
from ..ops.families import Tensor
from ..ops.special import (
    Airy,
    BesselI,
    BesselJ,
    BesselK,
    BesselY,
    Digamma,
    Entr,
    Erfcx,
    Erfinv,
    Gammainc,
    Gammaincc,
    Lgamma,
    Ndtri,
    Zeta,
)
from .half import once_rounded
from .transcendental import in_one_type, sinc, times_logarithm

__all__ = ["lgamma", "digamma", "polygamma", "mvlgamma", "igamma", "igammac",
           "erfinv", "i0"]  # fmt: skip

Operand = Any  # a Tensor or a Python number


# -- the gamma function ---------------------------------------------------------------


def lgamma(input: Tensor) -> Tensor:
    """log |Γ(input)|; ∞ at 0, −1, −2, …

    >>> import retrograd as rg
    >>> rg.lgamma(rg.tensor([1.0, 0.5, 5.0])).exp()
    tensor([ 1.0000,  1.7725, 24.0000])
    """
    return apply1(Lgamma, input)


def digamma(input: Tensor) -> Tensor:
    """Γ′(input) / Γ(input), the derivative of lgamma; NaN at −1, −2, …"""
    return apply1(Digamma, input)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma: (−1)ⁿ⁺¹ n! Σ (input + k)^(−n − 1) over k ≥ 0."""
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, here {n}")
    if n == 0:
        return apply1(Digamma, input)
    sign = 1.0 if n % 2 else -1.0
    return apply(Zeta, float(n + 1), input, order=0) * (sign * math.factorial(n))


@composite
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log of the multivariate gamma function of dimension *p*:
    p (p − 1)/4 · log π + Σ lgamma(input − j/2) over 0 ≤ j < p."""
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, but it is {p}")
    total: Any = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        total = apply1(Lgamma, input - j / 2) + total
    return total


def zeta(input: Operand, other: Operand) -> Tensor:
    """Hurwitz's zeta function: Σ (other + k)^(−input) over k ≥ 0."""
    return apply(Zeta, input, other, order=0)


def igamma(input: Tensor, other: Tensor) -> Tensor:
    """1/Γ(a) · ∫₀ˣ t^(a−1) exp(−t) dt of a = input, x = other (both ≥ 0). It has a
    derivative by *other*."""
    return apply2(Gammainc, input, other)


def igammac(input: Tensor, other: Tensor) -> Tensor:
    """1 − igamma(input, other), exact where that is nearly 1."""
    return apply2(Gammaincc, input, other)


# -- the error function and the normal distribution -----------------------------------


def erfinv(input: Tensor) -> Tensor:
    """The number whose error function is input; ±∞ at ±1."""
    return apply1(Erfinv, input)


def erfcx(input: Tensor) -> Tensor:
    """exp(input²) · erfc(input), which does not underflow."""
    return apply1(Erfcx, input)


@composite
@once_rounded
def ndtr(input: Tensor) -> Tensor:
    """The probability that a standard normal number is at most input."""
    return apply1(Erfc, input * (-math.sqrt(0.5))) / 2


def ndtri(input: Tensor) -> Tensor:
    """The inverse of ndtr."""
    return apply1(Ndtri, input)


@composite
def log_ndtr(input: Tensor) -> Tensor:
    """log(ndtr(input)), exact far to the left as well."""
    x = _real(input)
    left = apply(Lt, x, -1.0)
    u = apply(Where, left, x, -1.0)
    tail = apply1(Log, apply1(Erfcx, u * -math.sqrt(0.5)) / 2) - u * u / 2
    v = apply(Where, left, 0.0, x)
    centre = apply1(Log1p, apply1(Erfc, v * math.sqrt(0.5)) * -0.5)
    return apply(Where, left, tail, centre)


def _real(input: Tensor) -> Tensor:
    if input.dtype.is_floating_point:
        return input
    return input.to(dtypes.get_default_dtype())


def entr(input: Tensor) -> Tensor:
    """−input · log(input); 0 at 0 and −∞ below."""
    return apply1(Entr, input)


@composite
def xlog1py(input: Operand, other: Operand) -> Tensor:
    """input · log(1 + other), and 0 where input is 0 (unless other is NaN)."""
    if not hasattr(other, "dtype"):
        if other > -1 and math.isfinite(other):
            return _real(input) * math.log1p(other)
        return times_logarithm(input, 1 + other)
    input, other = in_one_type(input, other)
    limit = apply(Le, other, -1.0) + apply(Eq, other, math.inf)
    nothing = apply(LogicalAnd, apply(Eq, input, 0.0), limit)
    return input * apply1(Log1p, apply(Where, nothing, 0.0, other))


# -- Bessel functions -----------------------------------------------------------------


def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 0."""
    return apply(BesselI, input, order=0, scaled=False)


def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 1."""
    return apply(BesselI, input, order=1, scaled=False)


def i0e(input: Tensor) -> Tensor:
    """exp(−|input|) · i0(input)."""
    return apply(BesselI, input, order=0, scaled=True)


def i1e(input: Tensor) -> Tensor:
    """exp(−|input|) · i1(input)."""
    return apply(BesselI, input, order=1, scaled=True)


def modified_bessel_k0(input: Tensor) -> Tensor:
    """The modified Bessel function of the second kind, of order 0."""
    return apply(BesselK, input, order=0, scaled=False)


def modified_bessel_k1(input: Tensor) -> Tensor:
    """The modified Bessel function of the second kind, of order 1."""
    return apply(BesselK, input, order=1, scaled=False)


def scaled_modified_bessel_k0(input: Tensor) -> Tensor:
    """exp(input) · modified_bessel_k0(input)."""
    return apply(BesselK, input, order=0, scaled=True)


def scaled_modified_bessel_k1(input: Tensor) -> Tensor:
    """exp(input) · modified_bessel_k1(input)."""
    return apply(BesselK, input, order=1, scaled=True)


def bessel_j0(input: Tensor) -> Tensor:
    """The Bessel function of the first kind, of order 0."""
    return apply(BesselJ, input, order=0)


def bessel_j1(input: Tensor) -> Tensor:
    """The Bessel function of the first kind, of order 1."""
    return apply(BesselJ, input, order=1)


def bessel_y0(input: Tensor) -> Tensor:
    """The Bessel function of the second kind, of order 0."""
    return apply(BesselY, input, order=0)


def bessel_y1(input: Tensor) -> Tensor:
    """The Bessel function of the second kind, of order 1."""
    return apply(BesselY, input, order=1)


def airy_ai(input: Tensor) -> Tensor:
    """Airy's function Ai: the solution of f″(x) = x · f(x) that decays to the right.

    >>> import retrograd as rg
    >>> rg.special.airy_ai(rg.tensor([-1.0, 0.0, 1.0]))
    tensor([0.5356, 0.3550, 0.1353])
    """
    return apply(Airy, _real(input), order=0)


def spherical_bessel_j0(input: Tensor) -> Tensor:
    """sin(input) / input, and 1 at 0."""
    return sinc(input / math.pi)


modified_bessel_i0, modified_bessel_i1 = i0, i1
gammaln, psi, multigammaln, gammainc, gammaincc = (
    lgamma,
    digamma,
    mvlgamma,
    igamma,
    igammac,
)
