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

#: 1/ln 2 and 1/ln 10, and what they lose when they are rounded
LOG2_E = {"float": (1.4426950408889634, 1.925963033500011e-08),
    "double": (1.4426950408889634, 2.0355273740931033e-17)}  # fmt: skip
LOG10_E = {"float": (0.4342944819032518, -1.0103049952192578e-08),
    "double": (0.4342944819032518, 1.098319650216765e-17)}  # fmt: skip
LOG10_2 = {"float": (0.301025390625, 4.605039066518657e-06),
           "double": (0.30102999566361177, 3.694239077158931e-13)}  # fmt: skip


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
    """ln x = e ln 2 + ln(1 + t), x = 2ᵉ(1 + t), 1 + t in [√½, √2)."""
    raw, e, t = _split(f, x)
    inner, half = _log_near_one(f, t)
    upper, lower = LN2[x.element]
    inner = f.fma(e, f.constant(lower, x), inner)
    value = f.add(f.sub(inner, half), t)
    value = f.fma(e, f.constant(upper, x), value)
    return _edges(f, x, raw, value)


def log2(f: Function, x: Value) -> Value:
    """log₂ x = e + ln(1 + t)/ln 2: a power of two has its very exponent."""
    return _other_log(f, x, 1.0, 0.0, *LOG2_E[x.element])


def log10(f: Function, x: Value) -> Value:
    """log₁₀ x = e log₁₀ 2 + ln(1 + t)/ln 10."""
    upper, lower = LOG10_2[x.element]
    return _other_log(f, x, upper, lower, *LOG10_E[x.element])


def _other_log(
    f: Function, x: Value, upper: float, lower: float, factor: float, rest: float
) -> Value:
    """e·(upper + lower) + ln(1 + t)·(factor, rounded, + rest)."""
    raw, e, t = _split(f, x)
    inner, half = _log_near_one(f, t)
    value = f.add(f.sub(inner, half), t)
    small = f.fma(e, f.constant(lower, x), f.mul(value, f.constant(rest, x)))
    small = f.fma(value, f.constant(factor, x), small)
    return _edges(f, x, raw, f.fma(e, f.constant(upper, x), small))


def _split(f: Function, x: Value) -> tuple[Value, Value, Value]:
    """The bits of x, and e and t with x = 2ᵉ(1 + t), 1 + t in [√½, √2)."""
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
    return raw, e, f.sub(m, f.constant(1, x))


def _log_near_one(f: Function, t: Value) -> tuple[Value, Value]:
    """With s = t/(2 + t), ln(1 + t) = t − t²/2 + s(t²/2 + ⅔s² + ⅖s⁴ + …): what is added
    to t − t²/2, and t²/2."""
    s = f.div(t, f.add(t, f.constant(2, t)))
    z = f.mul(s, s)
    terms = 11 if t.element == "float" else 23
    series = [2 / k for k in range(terms, 2, -2)]
    rest = f.mul(polynomial(f, z, series), z)
    half = f.mul(f.mul(t, t), f.constant(0.5, t))
    return f.mul(s, f.add(half, rest)), half


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
    """ln(1 + x) = ln u + c/u, where u is 1 + x rounded, and c what it lost."""
    one = f.constant(1, x)
    u = f.add(x, one)
    lost = f.sub(x, f.sub(u, one))
    large = f.compare("gt", u, f.constant(1e8 if x.element == "float" else 1e17, x))
    value = log(f, u)
    value = f.select(large, value, f.add(value, f.div(lost, u)))
    value = f.select(f.compare("eq", u, one), x, value)  # −0 stays
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


#: the same to 10⁻¹⁹
_ERF_DOUBLE = (5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08,
               -1.6350312701054695e-07, 1.6461000484121368e-06, -1.4925595266831182e-05,
               0.0001205533111164271, -0.000854832698083379, 0.0052239776248180145,
               -0.026866170645076792, 0.11283791670954879, -0.3761263890318375,
               0.1283791670955126)  # fmt: skip
#: erfc(x) eˣˣ (1 + 2x) of t = (x − 3)/(x + 3), x from 1 to 6, likewise to 2·10⁻¹⁷
_ERFC_DOUBLE = (2.284982547947005e-06, -1.0474106479832425e-06, -1.9724332775436143e-05,
                5.111019944653237e-06, 0.0001250512141750135, -0.00010518763242323468,
                -0.0007798294517483084, 0.0018886926936596247, 0.0025293917508951618,
                -0.02377051501976663, 0.06830802734390644, -0.1192736634131923,
                0.12964515870277799, -0.04756229435346764, -0.13562110612458128,
                1.2530080582697296)  # fmt: skip


def erf(f: Function, x: Value) -> Value:
    """2/√π ∫₀ˣ e^{−t²} dt: a polynomial where |x| < 1, else 1 − erfc |x|."""
    size, one = f.intrinsic("fabs", x, x), f.constant(1, x)
    z = f.mul(x, x)
    if x.element == "float":
        near = f.fma(polynomial(f, z, _ERF), x, x)
        q = f.div(one, size)
        y = f.mul(q, q)
        tail = f.select(
            f.compare("lt", size, f.constant(2, x)),
            polynomial(f, y, _ERFC_NEAR),
            polynomial(f, y, _ERFC_FAR),
        )
        tail = f.mul(f.mul(exp(f, f.neg(z)), q), tail)
    else:
        near = f.fma(polynomial(f, z, _ERF_DOUBLE), x, x)
        most, three = f.constant(6, x), f.constant(3, x)  # erfc 6 is nothing beside 1
        v = f.select(f.compare("lt", size, most), size, most)
        t = f.div(f.sub(v, three), f.add(v, three))
        tail = f.div(polynomial(f, t, _ERFC_DOUBLE), f.fma(v, f.constant(2, x), one))
        tail = f.mul(exp(f, f.neg(f.mul(v, v))), tail)
    far = f.intrinsic("copysign", x, f.sub(one, tail), x)
    return _keep_nan(f, x, f.select(f.compare("lt", size, one), near, far))


def zero(element: str) -> Value:
    return Value(literal(0, element), element)
