"""Functions of vectors and scalars, in float32 and float64: exp, log, tanh, erf, …

NaN and infinity come out as mathematics has them. Coefficients that are no closed form
are those of the Cephes library (S. L. Moshier, netlib.org/cephes; tanhf, tanh, erff).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .ir import BITS, Function, Value, literal

LN2 = {"float": (0.693359375, -2.12194440e-4),
       "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}  # fmt: skip


def polynomial(f: Function, x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's rule, the highest power first."""
    result = f.constant(coefficients[0], x)
    for c in coefficients[1:]:
        result = f.fma(result, x, f.constant(c, x))
    return result


def _keep_nan(f: Function, x: Value, result: Value) -> Value:
    test = f.op(f"fcmp uno {x.type} {x.name}, {x.name}")
    return f.select(Value(test, "i1", x.width), x, result)


def _power_of_two(f: Function, n: Value, element: str) -> Value:
    """2ⁿ for a whole n (an integer register) in the normal range."""
    bias, shift = (127, 23) if element == "float" else (1023, 52)
    n = f.add(n, f.constant(bias, n))
    return f.bits(f.logic("shl", n, f.constant(shift, n)), element)


def exp(f: Function, x: Value) -> Value:
    """eˣ = 2ⁿ eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2, by the series of eʳ."""
    single = x.element == "float"
    low, high, terms = (-104.0, 89.0, 7) if single else (-746.0, 710.0, 13)
    magic = 1.5 * 2.0 ** (23 if single else 52)
    clamped = f.select(f.compare("lt", x, f.constant(high, x)), x, f.constant(high, x))
    inside = f.compare("gt", clamped, f.constant(low, x))
    clamped = f.select(inside, clamped, f.constant(low, x))
    shifted = f.fma(clamped, f.constant(1 / math.log(2), x), f.constant(magic, x))
    n = f.sub(shifted, f.constant(magic, x))
    upper, lower = LN2[x.element]
    r = f.fma(n, f.constant(-upper, x), clamped)
    r = f.fma(n, f.constant(-lower, x), r)
    series = [1 / math.factorial(k) for k in range(terms, -1, -1)]
    value = polynomial(f, r, series)
    bits = BITS[x.element]
    mark = f.constant(magic, x)
    whole = f.sub(f.bits(shifted, bits), f.bits(mark, bits))
    half = f.logic("ashr", whole, f.constant(1, whole))
    rest = f.sub(whole, half)
    value = f.mul(value, _power_of_two(f, half, x.element))
    value = f.mul(value, _power_of_two(f, rest, x.element))
    return _keep_nan(f, x, value)


def expm1(f: Function, x: Value) -> Value:
    """eˣ − 1: by the series near 0."""
    terms = 9 if x.element == "float" else 17
    series = [1 / math.factorial(k) for k in range(terms, 0, -1)]
    near = f.mul(polynomial(f, x, series), x)
    far = f.sub(exp(f, x), f.constant(1, x))
    small = f.compare("lt", f.intrinsic("fabs", x, x), f.constant(0.5, x))
    return f.select(small, near, far)


def log(f: Function, x: Value) -> Value:
    """ln x = e ln 2 + ln(1 + t), x = 2ᵉ(1 + t), 1 + t in [√½, √2):
    with s = t/(2 + t), ln(1 + t) = t − t²/2 + s(t²/2 + ⅔s² + ⅖s⁴ + …)."""
    single = x.element == "float"
    bits = BITS[x.element]
    start, shift = (0x3F3504F3, 23) if single else (0x3FE6A09E667F3BCD, 52)
    raw = f.bits(x, bits)
    # a denormal number is a whole multiple of the smallest one: as such it is read, by
    # its bits, since the processor may be told to count denormal numbers as zero
    least = 2 - 127 - shift if single else 2 - 1023 - shift
    low = f.compare("lt", raw, f.constant(1 << shift, raw))
    given = f.select(low, f.bits(f.convert(raw, x.element), bits), raw)
    moved = f.sub(given, f.constant(start, raw))
    e = f.convert(f.logic("ashr", moved, f.constant(shift, raw)), x.element)
    e = f.add(e, f.select(low, f.constant(least - 1, x), f.constant(0, x)))
    mantissa = f.logic("and", moved, f.constant((1 << shift) - 1, raw))
    m = f.bits(f.add(mantissa, f.constant(start, raw)), x.element)
    t = f.sub(m, f.constant(1, x))
    s = f.div(t, f.add(t, f.constant(2, x)))
    z = f.mul(s, s)
    terms = 11 if single else 23
    series = [2 / k for k in range(terms, 2, -2)]
    rest = f.mul(polynomial(f, z, series), z)
    half = f.mul(f.mul(t, t), f.constant(0.5, x))
    upper, lower = LN2[x.element]
    inner = f.fma(e, f.constant(lower, x), f.mul(s, f.add(half, rest)))
    value = f.add(f.sub(inner, half), t)
    value = f.fma(e, f.constant(upper, x), value)
    return _edges(f, x, raw, value)


def _edges(f: Function, x: Value, raw: Value, value: Value) -> Value:
    """The logarithm at 0, below it, at infinity and NaN; *raw* are the bits of x."""
    infinity = f.constant(math.inf, x)
    value = f.select(f.compare("eq", x, infinity), infinity, value)
    below = f.compare("lt", raw, f.constant(0, raw))
    value = f.select(below, f.constant(math.nan, x), value)
    zero = f.compare("eq", f.add(raw, raw), f.constant(0, raw))  # −0 too
    value = f.select(zero, f.constant(-math.inf, x), value)
    return _keep_nan(f, x, value)


def log1p(f: Function, x: Value) -> Value:
    """ln(1 + x) = ln(u) x/(u − 1), u = 1 + x rounded (Goldberg 1991, theorem 4)."""
    one = f.constant(1, x)
    u = f.add(x, one)
    same = f.compare("eq", u, one)
    ratio = f.div(x, f.sub(u, one))
    large = f.compare("gt", u, f.constant(1e8 if x.element == "float" else 1e17, x))
    value = log(f, u)
    value = f.select(large, value, f.mul(value, ratio))
    value = f.select(same, x, value)
    minus = f.compare("eq", x, f.constant(-1, x))
    return f.select(minus, f.constant(-math.inf, x), value)


_TANH = {
    "float": (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2,
              1.33314422036e-1, -3.33332819422e-1),
    "double": (-9.64399179425052238628e-1, -9.92877231001918586564e1,
               -1.61468768441708447952e3),
}  # fmt: skip
_TANH_BELOW = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3,
               4.84406305325125486048e3)  # fmt: skip


def tanh(f: Function, x: Value) -> Value:
    """1 − 2/(e^{2|x|} + 1) with the sign of x; x + x³P(x²) where |x| < 0.625."""
    size = f.intrinsic("fabs", x, x)
    one, two = f.constant(1, x), f.constant(2, x)
    far = exp(f, f.mul(size, two))
    far = f.sub(one, f.div(two, f.add(far, one)))
    far = f.intrinsic("copysign", x, far, x)
    z = f.mul(x, x)
    p = polynomial(f, z, _TANH[x.element])
    if x.element == "double":
        p = f.div(p, polynomial(f, z, _TANH_BELOW))
    near = f.fma(f.mul(p, z), x, x)
    small = f.compare("lt", size, f.constant(0.625, x))
    # tanh(−0) is −0
    value = f.intrinsic("copysign", x, f.select(small, near, far), x)
    return _keep_nan(f, x, value)


def sigmoid(f: Function, x: Value) -> Value:
    """1/(1 + e⁻ˣ)."""
    one = f.constant(1, x)
    return f.div(one, f.add(one, exp(f, f.neg(x))))


#: erf(√z)/√z − 1 where z ≤ 1, interpolated at the Chebyshev points to 1.3·10⁻⁹: that is
#: small, so that x + x·P(x²) is rounded little more than once
_ERF = (7.875875063e-05, -8.016864287e-04, 5.189087423e-03, -2.685421201e-02,
        1.128359472e-01, -3.761262667e-01, 1.283791658e-01)  # fmt: skip
_ERFC_NEAR = (2.326819970068386e-2, -1.387039388740657e-1, 3.687424674597105e-1,
              -5.824733027278666e-1, 6.210004621745983e-1, -4.944515323274145e-1,
              3.404879937665872e-1, -2.741127028184656e-1, 5.638259427386472e-1)  # fmt: skip
_ERFC_FAR = (-1.047766399936249e1, 1.297719955372516e1, -7.495518717768503e0,
             2.921019019210786e0, -1.015265279202700e0, 4.218463358204948e-1,
             -2.820767439740514e-1, 5.641895067754075e-1)  # fmt: skip


def erf(f: Function, x: Value) -> Value:
    """2/√π ∫₀ˣ e^{−t²} dt in float32: a polynomial where |x| < 1, else 1 − erfc |x|."""
    size = f.intrinsic("fabs", x, x)
    z = f.mul(x, x)
    near = f.fma(polynomial(f, z, _ERF), x, x)
    q = f.div(f.constant(1, x), size)
    y = f.mul(q, q)
    tail = f.select(
        f.compare("lt", size, f.constant(2, x)),
        polynomial(f, y, _ERFC_NEAR),
        polynomial(f, y, _ERFC_FAR),
    )
    tail = f.mul(f.mul(exp(f, f.neg(z)), q), tail)
    far = f.intrinsic("copysign", x, f.sub(f.constant(1, x), tail), x)
    small = f.compare("lt", size, f.constant(1, x))
    return _keep_nan(f, x, f.select(small, near, far))


def zero(element: str) -> Value:
    return Value(literal(0, element), element)
