"""Bessel functions of whole order on float64 arrays, in NumPy alone.

    J, Y:  x² f″ + x f′ + (x² − n²) f = 0        I, K:  x² f″ + x f′ − (x² + n²) f = 0

No tables: where x is small, power series (I), Miller's backward recurrence for J and
Neumann's sums over its values for Y; where it is large, Hankel's expansions; for K the
trapezoidal rule on an integral, on which it converges exponentially. The formulas are
those of Abramowitz and Stegun, chapter 9.
"""

from __future__ import annotations

import math

import numpy as np

from .op import Array

_EULER = 0.5772156649015329
_FAR = 25.0


def bessel_i(n: int, x: Array, scaled: bool) -> Array:
    """Iₙ(x), or exp(−|x|) Iₙ(x)."""
    n = abs(n)  # I₋ₙ = Iₙ
    x = np.asarray(x, np.float64)
    size = np.abs(x)
    far = max(_FAR, float(n * n))
    near = np.minimum(size, far)
    u = near * near / 4
    term = (near / 2) ** n / math.factorial(n)
    total, k = term.copy(), 0
    while np.any(term > total * 1e-17):  # Σ (x/2)^(2k + n) / (k! (k + n)!)
        k += 1
        term = term * (u / (k * (k + n)))
        total += term
    large = np.maximum(size, far)
    series, part = np.ones_like(large), np.ones_like(large)
    for k in range(1, 40):  # Hankel's, up to its smallest term
        part = part * (((2 * k - 1) ** 2 - 4 * n * n) / (8 * k)) / large
        series += part
    root = 1 / np.sqrt(2 * math.pi * large)
    if scaled:
        out = np.where(size < far, total * np.exp(-near), series * root)
    else:
        half = np.exp(large / 2)
        out = np.where(size < far, total, series * root * half * half)
    out = np.where(np.isinf(size), 0.0 if scaled else np.inf, out)
    return np.where(x < 0, -out, out) if n % 2 else out


def bessel_k(n: int, x: Array, scaled: bool) -> Array:
    """Kₙ(x), or exp(x) Kₙ(x); ∞ at 0 and NaN below."""
    n = abs(n)  # K₋ₙ = Kₙ
    x = np.asarray(x, np.float64)
    out = np.where(x < 1, _k_small(n, np.clip(x, 5e-324, 1)), 0.0)
    if scaled:
        out = out * np.exp(np.clip(x, 0, 1))
    y = np.maximum(x, 1)
    y = np.where(np.isinf(y), 1e300, y)
    # exp(y) Kₙ(y) = ∫ exp(−y (cosh t − 1)) cosh(nt) dt over t > 0
    reach = np.arccosh(1 + (40 + 3 * n) / y)
    count = 64
    total = np.full_like(y, 0.5)
    for k in range(1, count + 1):
        t = reach * (k / count)
        s = np.sinh(t / 2)
        total += np.exp(-2 * y * s * s) * np.cosh(n * t)
    large = total * reach / count
    # the width of the peak at such arguments is lost in 1 + 1/y
    large = np.where(y > 1e14, np.sqrt(math.pi / 2 / y), large)
    if not scaled:
        half = np.exp(-y / 2)
        large = large * half * half
    out = np.where(x >= 1, large, out)
    out = np.where(x == 0, np.inf, np.where(x < 0, np.nan, out))
    return np.where(np.isnan(x), np.nan, np.where(x == np.inf, 0.0, out))


def _k_small(n: int, x: Array) -> Array:
    """Kₙ(x) for 0 < x ≤ 1: two series, and the recurrence upwards."""
    u, log = x * x / 4, np.log(x / 2)
    k0, k1 = -(log + _EULER), np.full_like(x, 2 * _EULER - 1) / 2
    i1, harmonic = np.ones_like(x), 0.0
    i0, t0, t1 = np.ones_like(x), np.ones_like(x), np.ones_like(x)
    for k in range(1, 14):
        harmonic += 1 / k
        t0 = t0 * (u / (k * k))
        t1 = t1 * (u / (k * (k + 1)))
        i0 += t0
        i1 += t1
        k0 += t0 * (harmonic - log - _EULER)
        k1 -= t1 * (harmonic + 0.5 / (k + 1) - _EULER)
    k1 = 1 / x + x / 2 * (log * i1 + k1)
    if n == 0:
        return k0
    for order in range(1, n):
        k0, k1 = k1, k0 + 2 * order / x * k1
    return k1


def bessel_j(n: int, x: Array) -> Array:
    """Jₙ(x)."""
    if n < 0:
        return np.asarray((-1) ** n * bessel_j(-n, x))
    x = np.asarray(x, np.float64)
    out = np.where(np.isinf(x), 0.0, _both(n, np.abs(x))[0])
    return np.where(x < 0, -out, out) if n % 2 else out


def bessel_y(n: int, x: Array) -> Array:
    """Yₙ(x); −∞ at 0 and NaN below."""
    if n < 0:
        return np.asarray((-1) ** n * bessel_y(-n, x))
    x = np.asarray(x, np.float64)
    out = _both(n, np.where(x > 0, x, 1.0))[1]
    out = np.where(np.isinf(x), 0.0, out)
    return np.where(x > 0, out, np.where(x == 0, -np.inf, np.nan))


def _both(n: int, x: Array) -> tuple[Array, Array]:
    """Jₙ(x) and Yₙ(x) for x ≥ 0."""
    tiny, small = np.clip(x, 1e-8, 1), np.clip(x, 1, _FAR)
    j0, j1, y0, y1 = (
        np.where(x < 1, a, np.where(x < _FAR, b, c))
        for a, b, c in zip(
            _miller(tiny, 24), _miller(small, 80), _hankel(np.maximum(x, _FAR)),
            strict=True,
        )
    )  # fmt: skip
    dust = x < 1e-8
    log = np.log(np.where(dust, x, 1.0) / 2) + _EULER
    j0, j1 = np.where(dust, 1.0, j0), np.where(dust, x / 2, j1)
    y0 = np.where(dust, 2 / math.pi * log, y0)
    y1 = np.where(dust, -2 / math.pi / x, y1)
    if n == 0:
        return j0, y0
    for order in range(1, n):
        y0, y1 = y1, 2 * order / x * y1 - y0
        j0, j1 = j1, 2 * order / x * j1 - j0
    if n > 1:  # upwards J is stable only where x is large
        direct = np.where(
            x < 1, _miller_j(tiny, 24 + n, n), _miller_j(small, 80 + n, n)
        )
        scale = (np.where(dust, x, 1e-8) / 1e-8) ** n
        j1 = np.where(x < _FAR, direct * scale, j1)
    return j1, y1


def _miller(x: Array, top: int) -> tuple[Array, Array, Array, Array]:
    """J₀, J₁, Y₀, Y₁ from one sweep of the recurrence, *top* (even) downwards."""
    above, here = np.zeros_like(x), np.full_like(x, 1e-280)
    total, even, odd = here.copy(), np.zeros_like(x), np.zeros_like(x)
    even += here * ((-1) ** (top // 2) / (top // 2))
    for k in range(top, 1, -1):
        above, here = here, 2 * k / x * here - above  # here is J of order k − 1
        h, order = (k - 1) // 2, k - 1
        if order % 2:
            if h:
                odd += here * ((-1) ** h * (2 * h + 1) / (h * (h + 1)))
        else:
            total += here
            even += here * ((-1) ** h / h)
    j1, j0 = here, 2 / x * here - above
    norm = j0 + 2 * total  # 1 = J₀ + 2 Σ J₂ₖ
    j0, j1, even, odd = j0 / norm, j1 / norm, even / norm, odd / norm
    log = np.log(x / 2) + _EULER
    y0 = 2 / math.pi * (log * j0 - 2 * even)
    y1 = 2 / math.pi * ((log - 1) * j1 - 1 / x * j0 - odd)
    return j0, j1, y0, y1


def _miller_j(x: Array, top: int, n: int) -> Array:
    """Jₙ alone."""
    top += top % 2
    above, here = np.zeros_like(x), np.full_like(x, 1e-280)
    total, found = here.copy(), here
    for k in range(top, 0, -1):
        above, here = here, 2 * k / x * here - above
        if k - 1 == n:
            found = here
        if k % 2 and k > 1:
            total += here
    return np.asarray(found / (here + 2 * total))


def _hankel(x: Array) -> tuple[Array, Array, Array, Array]:
    """J₀, J₁, Y₀, Y₁ where x is large."""
    found: list[Array] = []
    x = np.where(np.isinf(x), 1e300, x)
    root = np.sqrt(2 / (math.pi * x))
    sine, cosine = np.sin(x), np.cos(x)
    for n in (0, 1):
        p, q, term = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
        for k in range(1, 30):
            term = term * ((4 * n * n - (2 * k - 1) ** 2) / (8 * k)) / x
            sign = -1 if k % 4 in (2, 3) else 1
            if k % 2:
                q += sign * term
            else:
                p += sign * term
        # cos and sin of x − (2n + 1) π/4
        if n == 0:
            c, s = (cosine + sine) / math.sqrt(2), (sine - cosine) / math.sqrt(2)
        else:
            c, s = (sine - cosine) / math.sqrt(2), -(sine + cosine) / math.sqrt(2)
        found += [root * (p * c - q * s), root * (p * s + q * c)]
    return found[0], found[2], found[1], found[3]
