"""The gamma function's family on float64 arrays, in NumPy alone.

    lgamma(x)   = log |Γ(x)|
    digamma(x)  = Γ′(x) / Γ(x)
    zeta(s, q)  = Σ (q + k)^(−s) over k ≥ 0            (Hurwitz's)
    gammainc(a, x)  = 1/Γ(a) · ∫₀ˣ t^(a−1) exp(−t) dt,  gammaincc = 1 − gammainc

Each range has the textbook's expansion (Abramowitz and Stegun, chapters 6 and 23):
Stirling's series and its derivative where the argument is large, recurrence and
reflection elsewhere, Euler and Maclaurin's formula for the zeta function, a power
series or Legendre's continued fraction for the incomplete gamma function. Only
log Γ(2 + z) / z for |z| ≤ ½ is a polynomial (interpolated at Chebyshev points with 60
digits): its logarithm vanishes at 1 and 2, and keeps its digits there.
"""

from __future__ import annotations

import math

import numpy as np

from .erf import erfc
from .op import Array

#: log Γ(2 + z) / z, highest power first
_LGAMMA = (
    6.379047507619774e-08,
    -1.3412819758517287e-07,
    2.0304806751615227e-07,
    -4.303558760359961e-07,
    9.578663334114758e-07,
    -2.0449201467015115e-06,
    4.374374916915131e-06,
    -9.438458716242811e-06,
    2.050726741605779e-05,
    -4.4926351103833334e-05,
    9.945750909889392e-05,
    -0.00022315475074520367,
    0.0005096695248853096,
    -0.0011927539120010226,
    0.002890510330738737,
    -0.0073855510286681535,
    0.02058080842778457,
    -0.06735230105319814,
    0.3224670334241132,
    0.42278433509846713,
)

#: Bernoulli's numbers B₂, B₄, …
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510,
    43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730,
)  # fmt: skip
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _polynomial(coefficients: tuple[float, ...], u: Array) -> Array:
    p = np.full_like(u, coefficients[0])
    for c in coefficients[1:]:
        p *= u
        p += c
    return p


def _stirling(x: Array) -> Array:
    """log Γ(x) − (x − ½) log x + x − ½ log 2π = Σ B₂ₖ / (2k (2k − 1) x^(2k−1))."""
    n = 10
    c = tuple(_BERNOULLI[k - 1] / (2 * k * (2 * k - 1)) for k in range(n, 0, -1))
    return _polynomial(c, 1 / (x * x)) / x


def lgamma(x: Array) -> Array:
    """log |Γ(x)|; ∞ at 0, −1, −2, …"""
    x = np.asarray(x, np.float64)
    out = np.empty_like(x)
    size = np.abs(x)
    near = size <= 0.5
    z = x[near]
    out[near] = z * _polynomial(_LGAMMA, z) - np.log(np.abs(z)) - np.log1p(z)
    positive = np.where(x < 0, 1 - x, x)
    middle = ~near & (positive < 8)
    y = positive[middle]
    product = np.ones_like(y)
    for _ in range(6):
        far = y > 2.5
        y = np.where(far, y - 1, y)
        product = np.where(far, product * y, product)
    low = y < 1.5
    z = np.where(low, y - 1, y - 2)  # log Γ(1 + z) = log Γ(2 + z) − log(1 + z)
    base = z * _polynomial(_LGAMMA, z) - np.where(low, np.log1p(z), 0)
    out[middle] = base + np.log(product)
    large = ~near & ~(positive < 8)
    y = positive[large]
    finite = np.minimum(y, 1e300)
    series = (finite - 0.5) * (np.log(finite) - 1) + (_HALF_LOG_2PI - 0.5)
    out[large] = np.where(y > 1e300, (y - 0.5) * 689.8, series + _stirling(y))
    # Γ(x) Γ(1 − x) = π / sin(πx)
    mirrored = (x < -0.5) & np.isfinite(x)
    y = x[mirrored]
    distance = np.abs(y - np.rint(y))
    out[mirrored] = np.log(np.pi / np.sin(np.pi * distance)) - out[mirrored]
    return np.where(np.isinf(x), np.inf, out)


def digamma(x: Array) -> Array:
    """Γ′(x) / Γ(x); ∓∞ at ±0 and NaN at −1, −2, …, where both signs meet."""
    x = np.asarray(x, np.float64)
    y = np.where(x < 0, 1 - x, x)
    start = y
    near = y < 10
    y = np.where(near, y + 10, y)
    c = tuple(_BERNOULLI[k - 1] / (2 * k) for k in range(10, 0, -1))
    square = 1 / (y * y)
    out = np.log(y) - 0.5 / y - _polynomial(c, square) * square
    below = np.zeros_like(y)
    for k in range(9, -1, -1):
        below += 1 / (start + k)
    out = np.where(near, out - below, out)
    # ψ(1 − x) − ψ(x) = π / tan(πx)
    part = x - np.rint(x)
    mirrored = out - np.pi / np.tan(np.pi * np.where(part == 0, 0.5, part))
    out = np.where(x < 0, np.where(part == 0, np.nan, mirrored), out)
    out = np.where(x == 0, np.copysign(np.inf, -x), out)
    return np.where(x == -np.inf, np.nan, out)


def zeta(s: Array, q: Array, order: int = 0) -> Array:
    """Σ (q + k)^(−s) over k ≥ 0, or its derivative by s of some order. ∞ at s = 1 and
    at the poles q = 0, −1, …; NaN for s < 1, and for other negative q unless s is
    whole (which has no derivative by s)."""
    s, q = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(q, np.float64))
    whole = np.rint(s) == s
    negative = (q < 0) & whole & (s > 1) & np.isfinite(q) & (order == 0)
    usable = (s > 1) & ((q > 0) | negative)
    inside = np.where(usable & np.isfinite(s), s, 2.0)
    at = np.where(usable & (q > 0), q, 1.0)
    out = _zeta(inside, at, order)
    if negative.any():
        # With q = f − m the m terms below f are those of 1 − f up to m + 1 − f.
        p = inside[negative]
        y = q[negative]
        m = np.ceil(-y)
        f = y + m
        pole = f == 0
        f = np.where(pole, 0.5, f)
        sign = np.where(p % 2 == 0, 1.0, -1.0)
        mirrored = _zeta(p, 1 - f, 0) - _zeta(p, m + 1 - f, 0)
        out[negative] = np.where(pole, np.inf, _zeta(p, f, 0) + sign * mirrored)
    limit = np.where(q > 1, 0.0, np.where(q == 1, 1.0, np.inf))
    out = np.where(np.isinf(s) & (s > 0), limit, out)
    out = np.where(q == np.inf, 0.0, out)
    out = np.where((q <= 0) & ~negative, np.where(np.rint(q) == q, np.inf, np.nan), out)
    out = np.where(s == 1, (-1) ** order * np.inf, np.where(s < 1, np.nan, out))
    return np.where(np.isnan(s) | np.isnan(q), np.nan, out)


def _zeta(s: Array, q: Array, order: int) -> Array:
    """Euler and Maclaurin's formula for s > 1 and q > 0. A term of the sum and its
    derivatives are t^(−s − j) times a polynomial in log t, here a list of coefficients:
    the derivative by t turns P into P′ − (s + j) P."""
    n = 12
    total = np.zeros_like(q)
    for k in range(n - 1, -1, -1):
        total += (q + k) ** -s * (-np.log(q + k)) ** order
    a = q + n
    log, power = np.log(a), a**-s
    p: list[Array] = [np.zeros_like(q) for _ in range(order)]
    p.append(np.full_like(q, (-1.0) ** order))
    tail = np.zeros_like(q)  # of the integral of t^(−s) P from a on, over a^(1 − s)
    rest = np.zeros_like(q)
    for k in range(order, -1, -1):
        rest = (p[k] + (k + 1) * rest) / (s - 1)
        tail = tail + rest * log**k
    total += np.where(power == 0, 0.0, power * (a * tail + 0.5 * _at(p, log)))
    down = 0
    for j, b in enumerate(_BERNOULLI, 1):
        while down < 2 * j - 1:
            p = [
                ((k + 1) * p[k + 1] if k < order else 0) - (s + down) * p[k]
                for k in range(order + 1)
            ]
            power = power / a
            down += 1
        part = power * _at(p, log) * (b / math.factorial(2 * j))
        total -= np.where(power == 0, 0.0, part)  # not 0 · ∞ where s is huge
    return total


def _at(p: list[Array], x: Array) -> Array:
    value = p[-1]
    for c in p[-2::-1]:
        value = value * x + c
    return value


def _density(a: Array, x: Array) -> Array:
    """x^a exp(−x) / Γ(a + 1) for a > 0, x > 0."""
    half = np.exp(-0.5 * x)
    small = x ** np.minimum(a, 10) * half * half / np.exp(lgamma(1 + np.minimum(a, 10)))
    b = np.maximum(a, 10)
    u = (x - b) / b
    gap = np.where(
        np.abs(u) < 0.1, _log1p_gap(np.clip(u, -0.1, 0.1)), u - np.log(x / b)
    )
    large = np.exp(-b * gap - _stirling(b)) / np.sqrt(2 * np.pi * b)
    return np.where(a < 10, small, large)


def _log1p_gap(u: Array) -> Array:
    """u − log(1 + u) for |u| ≤ 0.1."""
    c = tuple((-1.0) ** k / k for k in range(18, 1, -1))
    return _polynomial(c, u) * u * u


def gammainc(a: Array, x: Array) -> Array:
    """The lower regularized incomplete gamma function."""
    return _incomplete(a, x, lower=True)


def gammaincc(a: Array, x: Array) -> Array:
    """The upper regularized incomplete gamma function."""
    return _incomplete(a, x, lower=False)


def _incomplete(a: Array, x: Array, lower: bool) -> Array:
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    out = np.full(a.shape, np.nan)
    usable = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    below = np.zeros(a.shape)  # the lower function at the ends of its range
    below[(x == np.inf) | (a == 0)] = 1
    below[np.isinf(a)] = 0
    ends = (a >= 0) & (x >= 0) & ~usable
    ends &= ~((a == 0) & (x == 0)) & ~(np.isinf(a) & np.isinf(x))
    out[ends] = (below if lower else 1 - below)[ends]
    large = usable & (a > 1e5)
    out[large] = _uniform(a[large], x[large], lower)
    usable &= ~large
    early = usable & (x <= np.maximum(a, 1.1))
    if not lower:
        tiny = usable & (x <= 1.1) & (a < x)
        out[tiny] = _upper_series(a[tiny], x[tiny])
        early &= ~tiny
    p = _lower_series(a[early], x[early])
    out[early] = p if lower else 1 - p
    late = usable & (x > np.maximum(a, 1.1))
    p = _fraction(a[late], x[late])
    out[late] = 1 - p if lower else p
    return out


# Temme's expansion near the point where a = x, with η²/2 = x/a − 1 − log(x/a):
# Q = erfc(η √(a/2)) / 2 + exp(−a η²/2) / √(2πa) · (C₀(η) + C₁(η)/a + …)
_TEMME_0 = (-281 / 151559100, -571 / 261273600, 1 / 25515, -139 / 777600, 1 / 2835,
            1 / 864, -2 / 135, 1 / 12, -1 / 3)  # fmt: skip
_TEMME_1 = (-1 / 2488320, 1 / 4860, -77 / 77760, 1 / 378, -1 / 288, -1 / 540)


def _uniform(a: Array, x: Array, lower: bool) -> Array:
    """Where a is so large that both ends of the range are 0 or 1 but for a small part
    in the middle."""
    u = (x - a) / a
    middle = np.clip(u, -0.1, 0.1)
    eta = np.sign(u) * np.sqrt(2 * _log1p_gap(middle))
    exponent = -0.5 * a * eta * eta
    rest = _polynomial(_TEMME_0, eta) + _polynomial(_TEMME_1, eta) / a
    rest = rest * np.exp(exponent) / np.sqrt(2 * np.pi * a)
    if lower:
        return np.asarray(0.5 * erfc(-eta * np.sqrt(a / 2)) - rest)
    return np.asarray(0.5 * erfc(eta * np.sqrt(a / 2)) + rest)


def _lower_series(a: Array, x: Array) -> Array:
    """P(a, x) = x^a exp(−x) / Γ(a + 1) · Σ xⁿ / ((a + 1) … (a + n))."""
    total, term, n = np.ones_like(a), np.ones_like(a), 0
    while np.any(term > total * 1e-17) and n < 1_000_000:
        n += 1
        term = term * (x / (a + n))
        total += term
    return _density(a, x) * total


def _upper_series(a: Array, x: Array) -> Array:
    """Q(a, x) = 1 − x^a / Γ(a + 1) · (1 + a Σ (−x)ⁿ / ((a + n) n!)), small a and x."""
    total, term = np.zeros_like(a), np.ones_like(a)
    for n in range(1, 24):
        term = term * (-x / n)
        total += term / (a + n)
    exponent = a * np.log(x) - lgamma(1 + a)
    return np.asarray(-np.expm1(exponent) - np.exp(exponent) * a * total)


def _fraction(a: Array, x: Array) -> Array:
    """Q(a, x) = x^a exp(−x) / Γ(a) · 1 / (x + 1 − a − 1 (1 − a) / (x + 3 − a − …)),
    by Lentz's method."""
    b = x + 1 - a
    c = np.full_like(a, 1e300)
    d = 1 / b
    out, n = d, 0
    change = np.full_like(a, 2.0)
    while np.any(np.abs(change - 1) > 1e-16) and n < 1_000_000:
        n += 1
        numerator = -n * (n - a)
        b = b + 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        change = np.where(np.abs(change - 1) > 1e-16, c * d, 1.0)
        out = out * change
    return _density(a, x) * a * out
