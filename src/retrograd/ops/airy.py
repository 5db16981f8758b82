"""Airy's function Ai and its derivatives on float64 arrays, in NumPy alone.

    Ai″(x) = x Ai(x)

Near 0 its power series. Further out Ai and Ai′ are K₁⸝₃ and K₂⸝₃ of ζ = ⅔ x√x, which are
integrals with the weight exp(−t) tᵅ and smooth beside it: Gauss's rule for that weight
gives all digits (A. Gil, J. Segura, N. Temme, "Computing complex Airy functions by
numerical quadrature", 2002). For negative x, the same at the complex cube roots of x³.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .op import Array

#: between the series and the integral
_NEAR = 2.0
#: Ai(0) and −Ai′(0)
_AT_0 = 1 / (3 ** (2 / 3) * math.gamma(2 / 3))
_SLOPE = 1 / (3 ** (1 / 3) * math.gamma(1 / 3))


def airy(order: int, x: Array) -> Array:
    """The derivative of that order of Ai at x."""
    x = np.asarray(x, np.float64)
    near, far = np.clip(x, -_NEAR, _NEAR), np.maximum(np.abs(x), _NEAR)
    # past 1e5 Ai(x) is 0; of −1e10 and beyond the phase is not known to a digit
    right, left = _right(np.minimum(far, 1e5)), _left(far)
    below = [
        np.where(np.abs(x) <= _NEAR, s, np.where(x > 0, r, l))
        for s, r, l in zip(_series(near), right, left, strict=True)
    ]
    a, b = (np.where(np.isinf(x), 0.0, y) for y in below)
    found = [np.where(np.isnan(x), x, a), np.where(np.isnan(x), x, b)]
    for n in range(2, order + 1):  # (x Ai)⁽ⁿ⁻²⁾
        found.append(x * found[n - 2] + (n - 2) * (found[n - 3] if n > 2 else 0))
    return found[order]


def _series(x: Array) -> tuple[Array, Array]:
    """Ai and Ai′ as c₁ (1 + x³/(2·3) + …) − c₂ (x + x⁴/(3·4) + …)."""
    f, g = np.ones_like(x), np.ones_like(x)  # of g the factor x is taken out
    even, odd = f.copy(), g.copy()
    even_slope, odd_slope = np.zeros_like(x), g.copy()
    cube, square = x**3, x * x
    for k in range(1, 16):
        even_slope += f * square / (3 * k - 1)
        f = f * (cube / ((3 * k - 1) * (3 * k)))
        g = g * (cube / (3 * k * (3 * k + 1)))
        even += f
        odd += g
        odd_slope += g * (3 * k + 1)
    return _AT_0 * even - _SLOPE * x * odd, _AT_0 * even_slope - _SLOPE * odd_slope


def _right(z: Array) -> tuple[Array, Array]:
    """Ai and Ai′ by Bessel functions, for |arg z| < 2π/3 and away from 0."""
    root = np.sqrt(z)
    zeta = z * root * (2 / 3)
    decay = np.exp(-zeta) / (2 * math.sqrt(math.pi))
    first, second = _integral(-1 / 6, zeta), _integral(1 / 6, zeta)
    return decay / np.sqrt(root) * first, -decay * np.sqrt(root) * second


def _left(size: Array) -> tuple[Array, Array]:
    """Ai and Ai′ at −size: Ai(−x) = 2 Re r Ai(r x) with r = exp(iπ/3)."""
    turn = complex(0.5, math.sqrt(0.75))
    value, slope = _right(size * turn)
    return 2 * (turn * value).real, -2 * (turn * turn * slope).real


def _integral(alpha: float, zeta: Array) -> Array:
    """∫ exp(−t) tᵅ (1 + t/2ζ)ᵅ dt / Γ(1 + α) over t > 0."""
    total = np.zeros_like(zeta)
    for node, weight in zip(*_gauss(alpha), strict=True):
        total += weight * (1 + node / (2 * zeta)) ** alpha
    return total


@functools.cache
def _gauss(alpha: float, n: int = 48) -> tuple[Array, Array]:
    """Nodes and weights of sum 1 for the weight exp(−t) tᵅ: the eigenvalues of the
    matrix of Laguerre's recurrence, and the first parts of its eigenvectors."""
    k = np.arange(1.0, n)
    beside = np.sqrt(k * (k + alpha))
    matrix = np.diag(2 * np.arange(n) + alpha + 1) + np.diag(beside, 1)
    nodes, vectors = np.linalg.eigh(matrix, UPLO="U")
    return nodes, vectors[0] ** 2


__all__ = ["airy"]
