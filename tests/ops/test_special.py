"""Special functions: what they display, their accuracy, their identities."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import grad
from retrograd.dispatch import apply
from retrograd.ops import bessel, bits, erf, gamma, special
from retrograd.ops.formula import evaluate
from retrograd.ops.op import REGISTRY

MODULES = [special.__name__, bits.__name__]
OPS = [op for op in REGISTRY.values() if op.__module__ in MODULES]
CASES = [
    pytest.param(op, sample, id=f"{op.name}-{i}")
    for op in OPS
    for i, sample in enumerate(op.samples())
]


def tensors(op, sample):
    made = []
    for name, array in zip(op.inputs, sample.arrays, strict=True):
        x = rg.from_numpy(np.array(array))
        rule = op.rules.get(name)
        if rule and not rule.refuses and x.dtype.is_floating_point:
            x.requires_grad_()
        made.append(x)
    return made


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_formula_is_what_forward_computes(op, sample):
    values = dict(zip(op.inputs, sample.arrays, strict=True)) | sample.attrs
    shown = evaluate(op.formula, values)
    xs = [rg.from_numpy(np.array(a)) for a in sample.arrays]
    out = apply(op, *xs, **sample.attrs).numpy()
    np.testing.assert_allclose(shown, out, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if c.values[0].rules])
def test_adjoint_is_what_the_rule_computes(op, sample):
    xs = tensors(op, sample)
    wanted = [(n, x) for n, x in zip(op.inputs, xs, strict=True) if x.requires_grad]
    if not wanted:
        return
    out = apply(op, *xs, **sample.attrs)
    g = np.random.default_rng(0).normal(size=out.shape)
    found = grad(out, [x for _, x in wanted], rg.from_numpy(g))
    values = dict(zip(op.inputs, sample.arrays, strict=True)) | sample.attrs
    values |= {"ḡ": g, "out": out.detach().numpy()}
    texts = dict(zip(op.rules, op.adjoint, strict=True))
    for (name, x), gradient in zip(wanted, found, strict=True):
        shown = np.broadcast_to(evaluate(texts[name], values), out.shape)
        shown = shown.sum(axis=tuple(range(shown.ndim - x.ndim)))
        stretched = tuple(i for i, n in enumerate(x.shape) if n == 1)
        shown = np.asarray(shown.sum(axis=stretched, keepdims=True))
        shown = shown.reshape(x.shape)
        np.testing.assert_allclose(gradient.numpy(), shown, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_types_and_memory(op):
    sample = op.samples()[0]
    for dtype in (rg.float16, rg.float32, rg.float64, rg.int64, rg.int8, rg.uint8):
        xs = [
            rg.from_numpy(np.asarray(np.abs(a) % 3 + 1)).to(dtype)
            for a in sample.arrays
        ]
        try:
            out = apply(op, *xs, **sample.attrs)
        except (RuntimeError, NotImplementedError):
            assert op.__module__ == bits.__name__
            continue
        assert out.numpy().dtype == out.dtype.np
        assert not any(np.shares_memory(out.numpy(), x.numpy()) for x in xs)


# -- accuracy --------------------------------------------------------------------------

RNG = np.random.default_rng(0)
POSITIVE = np.concatenate([
    RNG.uniform(0, 3, 300), RNG.uniform(0, 40, 200), 10 ** RNG.uniform(-200, 200, 200),
    1 + 10 ** RNG.uniform(-15, -1, 50), 2 - 10 ** RNG.uniform(-15, -1, 50),
])  # fmt: skip
REAL = np.concatenate([RNG.uniform(-20, 20, 300), RNG.normal(size=200)])
MODERATE = np.concatenate([RNG.uniform(0.01, 60, 300), 10 ** RNG.uniform(-9, 2.5, 100)])


def near(ours, exact, rtol, atol=0.0):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(ours, exact, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("name", "ours", "x", "rtol", "atol"),
    [
        ("gammaln", gamma.lgamma, POSITIVE, 4e-15, 1e-15),
        ("gammaln", gamma.lgamma, REAL, 1e-13, 1e-14),
        ("digamma", gamma.digamma, POSITIVE, 1e-13, 1e-15),
        ("digamma", gamma.digamma, REAL, 1e-11, 1e-13),
        ("erfcx", erf.erfcx, REAL, 1e-13, 0),
        ("erfcx", erf.erfcx, POSITIVE, 1e-14, 0),
        ("erfinv", erf.erfinv, np.tanh(REAL), 1e-14, 0),
        ("ndtri", erf.ndtri, 10 ** RNG.uniform(-300, 0, 300), 1e-14, 1e-16),
        ("j0", lambda x: bessel.bessel_j(0, x), MODERATE, 0, 2e-15),
        ("j1", lambda x: bessel.bessel_j(1, x), REAL, 0, 2e-15),
        ("y0", lambda x: bessel.bessel_y(0, x), MODERATE, 3e-15, 2e-15),
        ("y1", lambda x: bessel.bessel_y(1, x), MODERATE, 3e-15, 2e-15),
        ("i0", lambda x: bessel.bessel_i(0, x, False), REAL, 3e-15, 0),
        ("i1", lambda x: bessel.bessel_i(1, x, False), MODERATE, 3e-15, 0),
        ("i0e", lambda x: bessel.bessel_i(0, x, True), POSITIVE, 3e-15, 0),
        ("i1e", lambda x: bessel.bessel_i(1, x, True), REAL, 3e-15, 0),
        ("k0", lambda x: bessel.bessel_k(0, x, False), MODERATE, 3e-15, 0),
        ("k1", lambda x: bessel.bessel_k(1, x, False), MODERATE, 3e-15, 0),
        ("k0e", lambda x: bessel.bessel_k(0, x, True), POSITIVE, 3e-15, 0),
        ("k1e", lambda x: bessel.bessel_k(1, x, True), POSITIVE, 3e-15, 0),
    ],
)
def test_as_scipy_to_the_last_digits(name, ours, x, rtol, atol):
    scipy = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    with np.errstate(all="ignore"):
        near(ours(x), getattr(scipy, name)(x), rtol, atol)


def test_functions_of_two_as_scipy():
    scipy = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    s, q = RNG.uniform(1.01, 20, 300), RNG.uniform(0.01, 30, 300)
    near(gamma.zeta(s, q), scipy.zeta(s, q), 1e-14)
    a = 10 ** RNG.uniform(-2, 5.5, 300)
    x = a * 10 ** RNG.uniform(-0.5, 0.5, 300)
    with np.errstate(all="ignore"):
        near(gamma.gammainc(a, x), scipy.gammainc(a, x), 1e-11, 1e-200)
        near(gamma.gammaincc(a, x), scipy.gammaincc(a, x), 1e-11, 1e-200)
    a = 10 ** RNG.uniform(5, 9, 300)
    x = a + RNG.uniform(-4, 4, 300) * np.sqrt(a)
    near(gamma.gammainc(a, x), scipy.gammainc(a, x), 1e-7, 1e-10)


def test_higher_orders_obey_the_recurrences():
    x = RNG.uniform(0.2, 60, 200)
    with np.errstate(all="ignore"):
        for n in (1, 2, 5):
            for f in (bessel.bessel_j, bessel.bessel_y):
                both = f(n - 1, x) + f(n + 1, x)
                near(both, 2 * n / x * f(n, x), 1e-10, 1e-12)
            i, k = (
                [f(m, x, True) for m in (n - 1, n, n + 1)]
                for f in (bessel.bessel_i, bessel.bessel_k)
            )
            near(i[0] - i[2], 2 * n / x * i[1], 1e-11)
            near(k[2] - k[0], 2 * n / x * k[1], 1e-12)
            near(i[1] * k[2] + i[2] * k[1], 1 / x, 1e-13)  # the Wronskian


def test_closed_forms():
    near(gamma.lgamma(np.array([1.0, 2.0, 0.5])), [0, 0, math.log(math.pi) / 2], 1e-15)
    near(gamma.digamma(np.array([1.0])), [-0.5772156649015329], 1e-15)
    for s, exact in ((2, math.pi**2 / 6), (4, math.pi**4 / 90)):
        near(gamma.zeta(np.array(float(s)), np.array(1.0)), exact, 1e-15)
    x = RNG.uniform(0.1, 20, 50)
    near(gamma.gammainc(np.array(1.0), x), -np.expm1(-x), 1e-14)
    near(gamma.gammaincc(np.array(1.0), x), np.exp(-x), 1e-13)
    assert erf.erfinv(np.array(0.0)) == 0 and erf.ndtri(np.array(0.5)) == 0


def test_edges():
    inf, nan = math.inf, math.nan
    with np.errstate(all="ignore"):
        found = gamma.lgamma(np.array([0.0, -1.0, inf, -inf, nan]))
        np.testing.assert_array_equal(found, [inf, inf, inf, inf, nan])
        found = gamma.digamma(np.array([0.0, -0.0, -1.0, inf, -inf, nan]))
        np.testing.assert_array_equal(found, [-inf, inf, nan, inf, nan, nan])
        found = gamma.zeta(
            np.array([1.0, 0.5, 3.0, 2.5, inf]), np.array([2.0, 1, -2, -0.5, 2])
        )
        np.testing.assert_array_equal(found, [inf, nan, inf, nan, 0])
        found = gamma.gammainc(
            np.array([1.0, 0, 0, -1, 2]), np.array([0.0, 1, 0, 1, inf])
        )
        np.testing.assert_array_equal(found, [0, 1, nan, nan, 1])
        found = erf.erfinv(np.array([1.0, -1.0, 1.5, nan]))
        np.testing.assert_array_equal(found, [inf, -inf, nan, nan])
        found = bessel.bessel_k(0, np.array([0.0, -1.0, inf, nan]), False)
        np.testing.assert_array_equal(found, [inf, nan, 0, nan])
        found = bessel.bessel_y(1, np.array([0.0, -1.0, inf, nan]))
        np.testing.assert_array_equal(found, [-inf, nan, 0, nan])


def test_a_negative_argument_of_zeta_is_the_sum_itself():
    q = np.array([-0.3, -4.5, -12.2])
    for s in (2.0, 3.0, 6.0):
        terms = (q[:, None] + np.arange(40)) ** -s
        exact = terms.sum(1) + gamma.zeta(np.array(s), q + 40)
        near(gamma.zeta(np.array(s), q), exact, 1e-12)


def test_what_has_no_derivative_says_so():
    a = rg.tensor([2.0, 3.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="first argument"):
        rg.igamma(a, rg.tensor([1.0, 2.0])).sum().backward()
    b = rg.tensor([1.0, 2.0], requires_grad=True)
    rg.igamma(rg.tensor([1.0, 1.0]), b).sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), np.exp([-1.0, -2.0]), rtol=1e-6)


def test_shifts_of_every_width():
    x = rg.tensor([-5, 5, 1, 100], dtype=rg.int8)
    assert (x << 1).tolist() == [-10, 10, 2, -56]
    assert (x << 9).tolist() == [0] * 4
    assert (x >> 20).tolist() == [-1, 0, 0, 0]
    assert (x >> -1).tolist() == [-1, 0, 0, 0]
    y = rg.tensor([200], dtype=rg.uint8)
    assert (y >> 1).tolist() == [100] and (y >> 8).tolist() == [0]
    with pytest.raises(NotImplementedError, match="integers"):
        rg.tensor([1.0]) << 1


def test_taking_numbers_apart_and_back():
    x = rg.tensor([0.0, -3.0, 1e300, 5e-324, math.inf, math.nan], dtype=rg.float64)
    mantissa, exponent = rg.frexp(x)
    assert exponent.tolist() == [0, 2, 997, -1073, 0, 0]
    np.testing.assert_array_equal(np.ldexp(mantissa.numpy(), exponent.numpy()), x)
    size = mantissa.abs()[:4]
    assert ((size == 0) | ((size >= 0.5) & (size < 1))).all()
