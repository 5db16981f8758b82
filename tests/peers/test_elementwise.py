"""Element-wise functions beside PyTorch's: values, two orders of derivatives, types."""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from op_tables import COARSE

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

INF, NAN = math.inf, math.nan
RNG = np.random.default_rng(0)

#: function → the intervals of its arguments, clear of kinks and poles
UNARY = {
    "abs": (0.1, 2), "absolute": (-2, -0.1), "neg": (-2, 2), "negative": (-2, 2),
    "sign": (0.1, 2), "sgn": (-2, -0.1), "positive": (-2, 2),
    "exp": (-2, 2), "exp2": (-2, 2), "expm1": (-2, 2),
    "log": (0.1, 4), "log2": (0.1, 4), "log10": (0.1, 4), "log1p": (-0.9, 4),
    "sqrt": (0.1, 4), "rsqrt": (0.1, 4), "square": (-2, 2), "reciprocal": (0.2, 2),
    "sin": (-3, 3), "cos": (-3, 3), "tan": (-1.2, 1.2),
    "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atan": (-2, 2), "arcsin": (-0.9, 0.9),
    "arccos": (-0.9, 0.9), "arctan": (-2, 2),
    "sinh": (-2, 2), "cosh": (-2, 2), "tanh": (-2, 2),
    "asinh": (-5, 5), "acosh": (1.1, 5), "atanh": (-0.9, 0.9), "arcsinh": (-2, 2),
    "arccosh": (1.1, 2), "arctanh": (-0.9, 0.9),
    "sigmoid": (-5, 5), "erf": (-3, 3), "erfc": (-3, 3), "relu": (-2, 2),
    "logit": (0.1, 0.9), "sinc": (-3, 3), "frac": (-0.9, -0.1), "deg2rad": (-90, 90),
    "rad2deg": (-3, 3), "floor": (0.1, 0.9), "ceil": (0.1, 0.9), "round": (0.6, 0.9),
    "trunc": (0.1, 0.9), "fix": (-0.9, -0.1), "nan_to_num": (-2, 2),
}  # fmt: skip
BINARY = {
    "add": ((-2, 2), (-2, 2)), "sub": ((-2, 2), (-2, 2)), "mul": ((-2, 2), (-2, 2)),
    "multiply": ((-2, 2), (-2, 2)), "subtract": ((-2, 2), (-2, 2)),
    "div": ((-2, 2), (0.5, 2)), "true_divide": ((-2, 2), (-2, -0.5)),
    "divide": ((-2, 2), (0.5, 2)), "pow": ((0.2, 2), (-2, 2)),
    "maximum": ((-2, 2), (-2, 2)), "minimum": ((-2, 2), (-2, 2)),
    "fmax": ((-2, 2), (-2, 2)), "fmin": ((-2, 2), (-2, 2)),
    "atan2": ((0.1, 2), (-2, 2)), "arctan2": ((-2, -0.1), (-2, 2)),
    "remainder": ((-2, 2), (0.3, 0.7)), "fmod": ((-2, 2), (0.3, 0.7)),
    "hypot": ((-2, 2), (0.1, 2)), "logaddexp": ((-2, 2), (-2, 2)),
    "logaddexp2": ((-2, 2), (-2, 2)), "xlogy": ((0.1, 2), (0.1, 2)),
    "copysign": ((0.1, 2), (0.1, 2)), "rsub": ((-2, 2), (-2, 2)),
    "ldexp": ((-2, 2), (-2, 2)),
}  # fmt: skip
SHAPES = [((2, 3), (2, 3)), ((2, 1, 3), (4, 1)), ((3,), ()), ((), ()), ((0, 3), (1, 3))]


def draw(interval, shape, dtype=np.float64):
    return np.asarray(RNG.uniform(*interval, shape), dtype)


def pair(arrays, grad=True):
    """The same arrays as tensors of both libraries."""
    ours = [rg.from_numpy(np.array(a)) for a in arrays]
    theirs = [torch.from_numpy(np.array(a)) for a in arrays]
    if grad:
        ours, theirs = ([x.requires_grad_() for x in xs] for xs in (ours, theirs))
    return ours, theirs


def same(a, b, rtol=1e-12, atol=1e-14):
    b = b.detach()
    if b.is_floating_point():
        b = b + 0  # PyTorch's lazy zeros have no memory to show
    assert tuple(a.shape) == tuple(b.shape)
    assert a.dtype.name == str(b.dtype).removeprefix("torch.")
    np.testing.assert_allclose(a.detach().numpy(), b.numpy(), rtol=rtol, atol=atol)


def compare(f, g, arrays, order=2, rtol=1e-11, atol=1e-12):
    """Values and derivatives up to *order* of f (ours) and g (PyTorch's)."""
    xs, ys = pair(arrays)
    out, want = f(*xs), g(*ys)
    same(out, want, rtol, atol)
    rng = np.random.default_rng(1)
    for _ in range(order):
        if not out.requires_grad:  # PyTorch may still ask, and get zeros
            if want.requires_grad:
                zeros = torch.autograd.grad(want.sum(), ys, allow_unused=True)
                assert not any(z is not None and z.abs().sum() for z in zeros)
            return
        v = np.asarray(rng.normal(size=tuple(want.shape)), out.numpy(force=True).dtype)
        ours = rg.autograd.grad(
            out, xs, rg.from_numpy(v), create_graph=True, allow_unused=True
        )
        theirs = torch.autograd.grad(
            want, ys, torch.from_numpy(v), create_graph=True, allow_unused=True
        )
        for a, b, x in zip(ours, theirs, xs, strict=True):
            zeros = rg.zeros_like(x)
            same(zeros if a is None else a,
                 torch.zeros(x.shape, dtype=ys[0].dtype) if b is None else b,
                 rtol, atol)  # fmt: skip
        parts = [(a, b) for a, b in zip(ours, theirs, strict=True)
                 if a is not None and b is not None and b.requires_grad]  # fmt: skip
        if not parts:
            return
        out = sum((a * a).sum() for a, _ in parts)
        want = sum((b * b).sum() for _, b in parts)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 3)], ids=str)
def test_unary(name, shape):
    compare(getattr(rg, name), getattr(torch, name), [draw(UNARY[name], shape)])


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_binary(name, shapes):
    arrays = [draw(i, s) for i, s in zip(BINARY[name], shapes, strict=True)]
    compare(getattr(rg, name), getattr(torch, name), arrays)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_single_precision(name):
    intervals = BINARY.get(name) or (UNARY[name],)
    arrays = [draw(i, (3, 4), np.float32) for i in intervals]
    compare(getattr(rg, name), getattr(torch, name), arrays, 1, 2e-6, 2e-6)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_methods_are_the_functions(name):
    if name in ("rsub", "fix"):
        pytest.skip("no method in one of the two")
    intervals = BINARY.get(name) or (UNARY[name],)
    xs, ys = pair([draw(i, (3,)) for i in intervals], grad=False)
    same(getattr(xs[0], name)(*xs[1:]), getattr(ys[0], name)(*ys[1:]))


EDGES = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e30, 1e-30, 20.0])
#: compositions: derivatives outside the domain, or at infinity, are NaN on the way
DOMAINS = {
    "acosh": (1, 1e300), "arccosh": (1, 1e300), "atanh": (-1, 1), "arctanh": (-1, 1),
    "logit": (0, 1), "asinh": (-1e300, 1e300), "arcsinh": (-1e300, 1e300),
    "sinc": (-1e20, 1e20), "expm1": (-1e300, 1e300),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary_at_the_edges(name):
    low, high = DOMAINS.get(name, (-INF, INF))
    x = EDGES[~((EDGES < low) | (EDGES > high))]
    near = 1e-29 if name == "sinc" else 1e-300  # PyTorch rounds near 0
    compare(getattr(rg, name), getattr(torch, name), [x], 1, 1e-11, near)


@pytest.mark.parametrize("name", BINARY)
def test_binary_at_the_edges(name):
    a, b = (x.reshape(-1) for x in np.meshgrid(EDGES, EDGES))
    xs, ys = pair([a, b], grad=False)
    near = 1e-15 if name == "logaddexp2" else 1e-300
    same(getattr(rg, name)(*xs), getattr(torch, name)(*ys), 1e-11, near)


@pytest.mark.parametrize("name", ["maximum", "minimum", "pow", "remainder", "fmod",
                                  "atan2", "add", "mul", "div"])  # fmt: skip
def test_gradients_at_kinks_and_zeros(name):
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    a, b = (x.reshape(-1) for x in np.meshgrid(values, values))
    if name in ("div", "remainder", "fmod"):
        a, b = a[b != 0], b[b != 0]
    compare(getattr(rg, name), getattr(torch, name), [a, b], 1)


def test_xlogy_at_zero():
    x, y = np.array([0.0, 0.0, 2.0]), np.array([2.0, 0.5, 3.0])
    compare(rg.xlogy, torch.xlogy, [x, y])
    y = rg.tensor([0.0, -1.0, INF], requires_grad=True)
    out = rg.xlogy(rg.zeros(3), y)
    out.sum().backward()
    assert out.tolist() == y.grad.tolist() == [0.0, 0.0, 0.0]


def test_maximum_with_nan():
    arrays = [np.array([NAN, 1.0, NAN, 2.0]), np.array([1.0, NAN, NAN, 2.0])]
    compare(rg.maximum, torch.maximum, arrays, 1)
    compare(rg.minimum, torch.minimum, arrays, 1)


@pytest.mark.parametrize("p", [2, 2.0, 0.5, 0, 1, 3, -1, -2, -0.5, 1.7, 2.5])
def test_powers_with_a_number(p):
    x = np.array([0.0, 0.3, 1.0, 2.0]) if p >= 0 else np.array([0.3, 1.0, 2.0])
    compare(lambda x: rg.pow(x, p), lambda x: torch.pow(x, p), [x], 1)
    compare(lambda x: x**p, lambda x: x**p, [x[x > 0]])
    compare(lambda x: 3**x, lambda x: 3**x, [x])
    if float(p).is_integer():
        compare(lambda x: x**p, lambda x: x**p, [-x[x > 0]])


NUMBERS = [0, 1, 2, -3, 0.5, True]


OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow",
             "eq", "ne", "lt", "le", "gt", "ge"]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_with_numbers_on_both_sides(name, number):
    op = getattr(operator, name)
    for dtype in ("float32", "float64", "int64", "int32", "uint8", "bool"):
        x = rg.tensor([1, 2, 3]).to(getattr(rg, dtype))
        y = torch.tensor([1, 2, 3]).to(getattr(torch, dtype))
        if number is True and dtype == "bool" and name == "pow":
            continue  # refused here: what would it be?
        if dtype == "uint8" and number < 0 and name in ("lt", "le", "gt", "ge"):
            continue  # PyTorch compares with 253 for −3
        for ours, theirs in (((x, number), (y, number)), ((number, x), (number, y))):
            try:
                want = op(*theirs)
            except (RuntimeError, NotImplementedError):
                continue  # what PyTorch refuses
            same(op(*ours), want, 1e-6, 1e-6)


DTYPES = ["float64", "float32", "float16", "bfloat16",
          "int64", "int32", "int16", "int8", "uint8", "bool"]  # fmt: skip
PROMOTING = ["add", "mul", "div", "maximum", "pow", "eq", "lt", "logical_and",
             "bitwise_or", "where", "atan2", "floor_divide", "remainder"]  # fmt: skip


@pytest.mark.parametrize("name", PROMOTING)
def test_promotion_table(name):
    for a, b in itertools.product(DTYPES, DTYPES):
        for shapes in (((2,), (2,)), ((), (2,)), ((2,), ())):
            both = list(zip(shapes, (a, b), strict=True))
            xs = [rg.ones(s, dtype=getattr(rg, d)) for s, d in both]
            ys = [torch.ones(s, dtype=getattr(torch, d)) for s, d in both]
            f, g = getattr(rg, name), getattr(torch, name)
            if name == "where":
                xs = [rg.tensor([True, False]), *xs]
                ys = [torch.tensor([True, False]), *ys]
            try:
                want = g(*ys)
            except (RuntimeError, NotImplementedError):
                continue
            assert f(*xs).dtype.name == str(want.dtype).removeprefix("torch."), (a, b)


@pytest.mark.parametrize("name", [*UNARY, "isnan", "isinf", "isfinite", "logical_not",
                                  "bitwise_not", "signbit"])  # fmt: skip
def test_unary_types(name):
    for d in DTYPES:
        x, y = rg.ones(2, dtype=getattr(rg, d)), torch.ones(2, dtype=getattr(torch, d))
        try:
            want = getattr(torch, name)(y)
        except (RuntimeError, NotImplementedError, TypeError):
            continue
        have = getattr(rg, name)(x)
        assert have.dtype.name == str(want.dtype).removeprefix("torch."), d
        near = COARSE.get(have.dtype.name, 1e-12)
        have, want = have.to(rg.float64), want.to(torch.float64)
        np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=near, atol=near)


# -- logic -----------------------------------------------------------------------------


COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal",
               "greater", "greater_equal", "isclose",
               "logical_and", "logical_or", "logical_xor"]  # fmt: skip


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name):
    a, b = (x.reshape(-1) for x in np.meshgrid(EDGES, EDGES))
    xs, ys = pair([a, b], grad=False)
    same(getattr(rg, name)(*xs), getattr(torch, name)(*ys))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "isposinf", "isneginf",
                                  "signbit", "logical_not", "isreal"])  # fmt: skip
def test_questions(name):
    for x in (EDGES, np.array([-1, 0, 2]), np.array([True, False])):
        xs, ys = pair([x], grad=False)
        same(getattr(rg, name)(*xs), getattr(torch, name)(*ys))


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bits(name):
    for dtype in (np.int64, np.int8, np.uint8, bool):
        a, b = (RNG.integers(0, 100, 9).astype(dtype) for _ in range(2))
        xs, ys = pair([a, b], grad=False)
        same(getattr(rg, name)(*xs), getattr(torch, name)(*ys))


def test_equal_and_allclose():
    a, b = np.array([1.0, NAN]), np.array([1.0 + 1e-9, NAN])
    xs, ys = pair([a, b], grad=False)
    for kind in (False, True):
        assert rg.allclose(*xs, equal_nan=kind) == torch.allclose(*ys, equal_nan=kind)
    same(rg.isclose(*xs, equal_nan=True), torch.isclose(*ys, equal_nan=True))
    assert rg.equal(xs[0], xs[0]) == torch.equal(ys[0], ys[0]) is False
    assert not rg.equal(rg.ones(2), rg.ones(3)) and rg.equal(rg.ones(2), rg.ones(2))


def test_where():
    mask = np.array([[True, False, True]])
    arrays = [draw((-2, 2), (2, 3)), draw((-2, 2), (3,))]
    compare(lambda a, b: rg.where(rg.from_numpy(mask), a, b),
            lambda a, b: torch.where(torch.from_numpy(mask), a, b), arrays)  # fmt: skip
    compare(lambda a: rg.where(a > 0, 0.0, a), lambda a: torch.where(a > 0, 0.0, a),
            arrays[:1])  # fmt: skip
    c, d = rg.from_numpy(mask), torch.from_numpy(mask)
    for values in ((1, 2), (1.0, 2), (True, False)):
        same(rg.where(c, *values), torch.where(d, *values))
    for ours, theirs in zip(rg.where(c), torch.where(d), strict=True):
        same(ours, theirs)


# -- the rest --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x, y: lib.add(x, y, alpha=2.5),
        lambda lib, x, y: lib.sub(x, y, alpha=3),
        lambda lib, x, y: lib.rsub(x, y, alpha=3),
        lambda lib, x, y: lib.add(x, 2, alpha=3),
        lambda lib, x, y: lib.div(x, y, rounding_mode="floor"),
        lambda lib, x, y: lib.div(x, y, rounding_mode="trunc"),
        lambda lib, x, y: lib.clamp(x, -0.5, 1),
        lambda lib, x, y: lib.clamp(x, min=0.2),
        lambda lib, x, y: lib.clamp(x, max=0.2),
        lambda lib, x, y: lib.clamp(x, 1, -1),
        lambda lib, x, y: lib.clamp(x, 0, float("nan")),
        lambda lib, x, y: lib.clamp(x, min=float("nan")),
        lambda lib, x, y: lib.clip(x, min=y),
        lambda lib, x, y: lib.clamp(x, -y.abs(), y.abs()),
        lambda lib, x, y: lib.clamp(x, max=y, min=y * 2),
        lambda lib, x, y: lib.clamp_min(x, 0.1),
        lambda lib, x, y: lib.clamp_max(x, 0.1),
        lambda lib, x, y: lib.lerp(x, y, 0.3),
        lambda lib, x, y: lib.lerp(x, y, 0.7),
        lambda lib, x, y: lib.lerp(x, y, y * y),
        lambda lib, x, y: lib.addcmul(x, y, x, value=0.5),
        lambda lib, x, y: lib.addcdiv(x, y, y * y + 1, value=0.5),
        lambda lib, x, y: lib.addcmul(x, y, y),
        lambda lib, x, y: lib.round(x, decimals=1),
        lambda lib, x, y: lib.round(x * 100, decimals=-1),
        lambda lib, x, y: lib.logit(lib.sigmoid(x), eps=0.3),
        lambda lib, x, y: lib.float_power(x * x + 1, y),
        lambda lib, x, y: lib.float_power(x, 2),
        lambda lib, x, y: lib.copysign(x, -1.0),
        lambda lib, x, y: lib.xlogy(2.0, y * y + 1),
        lambda lib, x, y: lib.nan_to_num(x / (y - y), nan=3.0, posinf=1.0),
        lambda lib, x, y: lib.relu(x) ** 2 + lib.true_divide(x, 3),
    ],
)
def test_other_forms(call):
    arrays = [draw((-2, 2), (4, 5)), draw((-2, 2), (5,))]
    compare(lambda x, y: call(rg, x, y), lambda x, y: call(torch, x, y), arrays)


def test_clamp_at_its_bounds():
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, -0.5, INF])
    compare(lambda x: rg.clamp(x, 0, 1), lambda x: torch.clamp(x, 0, 1), [x], 1)
    low, high = np.zeros(7), np.array([1.0, 1, 1, 1, 1, 1, -1])
    compare(rg.clamp, torch.clamp, [x, low, high], 1)
    whole, theirs = rg.tensor([1, 5]), torch.tensor([1, 5])
    same(rg.clamp(whole, min=2.5), torch.clamp(theirs, min=2.5))
    same(rg.clamp(whole, max=3), torch.clamp(theirs, max=3))
    with pytest.raises(RuntimeError, match="at least one"):
        rg.clamp(whole)


@pytest.mark.parametrize("args", [(), (2.0,), (0.5, 3.0)])
def test_softplus(args):
    x = np.array([-800.0, -30.0, -1.0, 0.0, 1.0, 19.0, 21.0, 800.0])
    compare(lambda x: rg.softplus(x, *args),
            lambda x: torch.nn.functional.softplus(x, *args), [x])  # fmt: skip


def test_heaviside_and_integer_division():
    xs, ys = pair([np.array([-1.0, 0.0, 2.0, NAN]), np.full(4, 0.5)], grad=False)
    same(rg.heaviside(*xs), torch.heaviside(*ys))
    a, b = np.array([7, -7, 7, -7, 0]), np.array([2, 2, -2, -2, 3])
    xs, ys = pair([a, b], grad=False)
    for mode in (None, "floor", "trunc"):
        same(rg.div(*xs, rounding_mode=mode), torch.div(*ys, rounding_mode=mode), 1e-6)
    same(rg.fmod(*xs), torch.fmod(*ys))
    same(rg.remainder(*xs), torch.remainder(*ys))
    with pytest.raises(RuntimeError, match="rounding_mode"):
        rg.div(*xs, rounding_mode="up")
    with pytest.raises(RuntimeError, match="alpha"):
        rg.add(*xs, alpha=0.5)
    with pytest.raises(RuntimeError, match="addcdiv"):
        rg.addcdiv(xs[0], *xs)


def test_logaddexp_at_ties_and_infinities():
    a = np.array([1.0, 0.0, 5.0, -3.0])
    b = np.array([1.0, 0.0, -40.0, 30.0])
    compare(rg.logaddexp, torch.logaddexp, [a, b])
    compare(rg.logaddexp, torch.logaddexp, [a, b * 100], 1)
    a, b = (x.reshape(-1) for x in np.meshgrid([INF, -INF, 0.0], [INF, -INF, 1.0]))
    xs, ys = pair([a, b], grad=False)
    same(rg.logaddexp(*xs), torch.logaddexp(*ys))


def test_in_place_twins():
    calls = {"exp": (), "neg": (), "add": (2,), "mul": (0.5,), "clamp": (-1, 1),
             "relu": (), "sigmoid": (), "pow": (2,), "round": ()}  # fmt: skip
    for name, args in calls.items():
        xs, ys = pair([draw((-2, 2), (3,))], grad=False)
        kept = xs[0]
        assert getattr(xs[0], name + "_")(*args) is kept
        same(kept, getattr(ys[0], name + "_")(*args))
