"""Element-wise functions on PyTorch's own sample inputs: values, types, derivatives."""

from __future__ import annotations

from typing import Any

import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

NAMES = """
abs acos acosh add addcdiv addcmul angle asin asinh atan atan2 atanh bitwise_and
bitwise_left_shift bitwise_right_shift bitwise_not bitwise_or bitwise_xor ceil clamp
clamp_max clamp_min conj conj_physical copysign cos cosh deg2rad digamma div eq erf erfc
erfinv exp exp2 expm1 float_power floor floor_divide fmax fmin fmod frac frexp gcd ge gt
heaviside hypot i0 igamma igammac isclose allclose isfinite isinf isnan isneginf
isposinf isreal lcm ldexp le lerp lgamma log log10 log1p log2 logaddexp logaddexp2
logical_and logical_not logical_or logical_xor logit lt maximum minimum mul mvlgamma
nan_to_num ne neg polygamma positive pow rad2deg reciprocal remainder round rsqrt rsub
sgn sigmoid sign signbit sin sinc sinh sqrt square sub tan tanh true_divide trunc where
xlogy real equal
special.entr special.erfcx special.i0e special.i1 special.i1e special.log_ndtr
special.ndtr special.ndtri special.polygamma special.xlog1py special.zeta
special.modified_bessel_i0 special.modified_bessel_i1 special.modified_bessel_k0
special.modified_bessel_k1 special.scaled_modified_bessel_k0
special.scaled_modified_bessel_k1 special.spherical_bessel_j0
special.chebyshev_polynomial_t special.chebyshev_polynomial_u
special.chebyshev_polynomial_v special.chebyshev_polynomial_w
special.shifted_chebyshev_polynomial_t special.shifted_chebyshev_polynomial_u
special.shifted_chebyshev_polynomial_v special.shifted_chebyshev_polynomial_w
special.hermite_polynomial_h special.hermite_polynomial_he
special.laguerre_polynomial_l special.legendre_polynomial_p
""".split()
#: of whole numbers alone
WHOLE = {"gcd", "lcm", *(name for name in NAMES if name.startswith("bitwise"))}
TYPES = ["float32", "bfloat16", "int64", "bool"]


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    dtype = torch.int64 if name in WHOLE else torch.float64
    assert op_tables.check(name, dtype, most=3)


@pytest.mark.parametrize("name", NAMES)
def test_types(name: str) -> None:
    rtol = 1e-3 if "poly" in name else 1e-9  # sums that cancel
    # of whole negative numbers PyTorch's polygamma is not ∞
    for dtype in TYPES[: 2 if "polygamma" in name else None]:
        op_tables.check(name, getattr(torch, dtype), most=1, order=0, rtol=rtol)


#: with samples that PyTorch refuses, in its table
REFUSING = """
isclose pow float_power copysign hypot nextafter xlogy special.xlog1py neg
""".split()


@pytest.mark.parametrize("name", REFUSING)
def test_refusals(name: str) -> None:
    op_tables.check_refusals(name)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: lib.clamp(x),
        lambda lib, x: lib.clamp(x, lib.zeros(3), 1.0),
        lambda lib, x: lib.clamp(x, 0.0, lib.ones(3)),
        lambda lib, x: lib.clamp(x, lib.zeros(5), lib.ones(5)),
        lambda lib, x: lib.clamp(x, "a"),
        lambda lib, x: lib.clamp(2.0, 0.0, 1.0),
        lambda lib, x: x.clamp_(lib.zeros(2, 4)),
        lambda lib, x: x.long().clamp_(0.5),
        lambda lib, x: lib.clamp(x, 0.0, 1.0, out=lib.zeros(4, dtype=lib.int64)),
    ],
)
def test_refused_bounds(call: Any) -> None:
    kinds = []
    for lib in (rg, torch):
        with pytest.raises((RuntimeError, TypeError, ValueError)) as caught:
            call(lib, lib.arange(4.0))
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


def test_bessel_functions_within_their_accuracy() -> None:
    """PyTorch's are right to eight digits: SciPy judges ours, in tests/ops."""
    for name in ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"):
        full = f"special.{name}"
        assert op_tables.check(full, torch.float64, most=4, order=0, rtol=1e-5)
