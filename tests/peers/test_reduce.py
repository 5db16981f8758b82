"""Reductions beside PyTorch's: values, two orders of derivatives, types, edges."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
pytestmark = pytest.mark.filterwarnings("ignore:.*degrees of freedom")

INF, NAN = math.inf, math.nan
RNG = np.random.default_rng(0)


def tensors(array, grad=True):
    x, y = rg.from_numpy(np.array(array)), torch.from_numpy(np.array(array))
    if grad and np.asarray(array).dtype.kind == "f":
        x, y = x.requires_grad_(), y.requires_grad_()
    return x, y


def same(a, b, rtol=1e-12, atol=1e-14):
    if isinstance(b, tuple):
        assert len(a) == len(b)
        for p, q in zip(a, b, strict=True):
            same(p, q, rtol, atol)
        return
    b = b.detach()
    if b.is_floating_point():
        b = b + 0  # PyTorch's lazy zeros have no memory to show
    assert tuple(a.shape) == tuple(b.shape)
    assert a.dtype.name == str(b.dtype).removeprefix("torch.")
    np.testing.assert_allclose(a.detach().numpy(), b.numpy(), rtol=rtol, atol=atol)


def floating(outs, kind):
    outs = outs if isinstance(outs, tuple) else (outs,)
    if kind == "ours":
        return [o for o in outs if o.dtype.is_floating_point and o.requires_grad]
    return [o for o in outs if o.is_floating_point() and o.requires_grad]


def compare(call, array, order=2, rtol=1e-11, atol=1e-12):
    """Values and derivatives up to *order* of ``call(library, x)``."""
    x, y = tensors(array)
    ours, theirs = call(rg, x), call(torch, y)
    same(ours, theirs, rtol, atol)
    ours, theirs = floating(ours, "ours"), floating(theirs, "theirs")
    rng = np.random.default_rng(1)
    for _ in range(order):
        if not ours or not theirs:
            for t in theirs:  # PyTorch may still ask, and get zeros
                zeros = torch.autograd.grad(t.sum(), y, allow_unused=True)[0]
                assert zeros is None or not zeros.abs().sum()
            return
        seeds = [np.asarray(rng.normal(size=o.shape), o.dtype.np) for o in ours]
        (a,) = rg.autograd.grad(
            ours, [x], [rg.from_numpy(s) for s in seeds], create_graph=True
        )
        (b,) = torch.autograd.grad(
            theirs, [y], [torch.from_numpy(s) for s in seeds], create_graph=True
        )
        same(a, b, rtol, atol)
        ours = [(a * a).sum()] if a.requires_grad else []
        theirs = [(b * b).sum()] if b.requires_grad else []


SHAPES = [(2, 3), (4, 1, 3), (5,), ()]
WHOLE = ["sum", "mean", "prod", "var", "std", "max", "min", "amax", "amin", "argmax",
         "argmin", "all", "any", "norm", "median", "nansum", "nanmean", "nanmedian",
         "var_mean", "std_mean", "aminmax", "count_nonzero"]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_everything(name, shape):
    array = np.asarray(RNG.uniform(-2, 2, shape))
    compare(lambda lib, x: getattr(lib, name)(x), array)


MANY = ["sum", "mean", "var", "std", "amax", "amin", "all", "any", "logsumexp", "norm",
        "nansum", "nanmean", "var_mean", "std_mean"]  # fmt: skip
DIMS = [0, -1, 1, (0, 2), (-1, 0), (0, 1, 2), [1]]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("name", MANY)
def test_over_dimensions(name, dim, keepdim):
    array = RNG.uniform(-2, 2, (2, 3, 4))
    if name == "norm" and dim == (0, 1, 2):
        pytest.skip("PyTorch takes a norm over at most two dimensions")
    compare(lambda lib, x: getattr(lib, name)(x, dim=dim, keepdim=keepdim), array)


ONE = ["prod", "max", "min", "argmax", "argmin", "median", "nanmedian", "mode"]
ALONG = ["softmax", "log_softmax", "cumsum", "cumprod", "logcumsumexp", "sort",
         "argsort", "cummax", "cummin"]  # fmt: skip


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ONE)
def test_over_one_dimension(name, dim, keepdim):
    array = RNG.uniform(-2, 2, (3, 5, 4))
    order = 2 if name != "mode" else 0
    compare(lambda lib, x: getattr(lib, name)(x, dim, keepdim), array, order)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ALONG)
def test_along_a_dimension(name, dim):
    array = RNG.uniform(-2, 2, (3, 5, 4))
    compare(lambda lib, x: getattr(lib, name)(x, dim), array)


@pytest.mark.parametrize("name", [*ONE, *ALONG, *MANY])
def test_zero_dimensional(name):
    array = np.array(0.7)
    compare(lambda lib, x: getattr(lib, name)(x, dim=0), array, 1)
    compare(lambda lib, x: getattr(lib, name)(x, dim=-1), array, 1)


@pytest.mark.parametrize("name", [*WHOLE, *ONE, *ALONG])
def test_single_precision(name):
    array = RNG.uniform(-2, 2, (6, 7)).astype(np.float32)
    args = (1,) if name in ALONG else ()
    compare(lambda lib, x: getattr(lib, name)(x, *args), array, 1, 5e-6, 2e-6)


@pytest.mark.parametrize("name", [*MANY, *ALONG, *ONE])
def test_no_elements(name):
    for shape, dim in (((0, 3), 1), ((3, 0), 0), ((0, 3), 0), ((3, 0), 1)):
        x, y = rg.zeros(shape), torch.zeros(shape)
        try:
            want = getattr(torch, name)(y, dim)
        except (IndexError, RuntimeError) as error:
            kind = IndexError if isinstance(error, IndexError) else RuntimeError
            with pytest.raises(kind):
                getattr(rg, name)(x, dim)
            continue
        same(getattr(rg, name)(x, dim), want)


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_at_all(name):
    x, y = rg.zeros(0), torch.zeros(0)
    try:
        want = getattr(torch, name)(y)
    except (IndexError, RuntimeError) as error:
        kind = IndexError if isinstance(error, IndexError) else RuntimeError
        with pytest.raises(kind):
            getattr(rg, name)(x)
        return
    if name not in ("median", "nanmedian"):  # of nothing: PyTorch says NaN
        same(getattr(rg, name)(x), want)


DTYPES = ["float64", "float32", "float16", "bfloat16",
          "int64", "int32", "int16", "int8", "uint8", "bool"]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*WHOLE, *ONE, *ALONG, "logsumexp"])
def test_types(name, dtype):
    args = (0,) if name in (*ALONG, "logsumexp") else ()
    x = rg.tensor([1, 0, 3, 1]).to(getattr(rg, dtype))
    y = torch.tensor([1, 0, 3, 1]).to(getattr(torch, dtype))
    try:
        want = getattr(torch, name)(y, *args)
    except (RuntimeError, NotImplementedError):
        return
    have = getattr(rg, name)(x, *args)
    pairs = zip(have, want, strict=True) if isinstance(want, tuple) else [(have, want)]
    for a, b in pairs:
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        a, b = a.to(rg.float64).numpy(), b.to(torch.float64).numpy()
        np.testing.assert_allclose(a, b, rtol=2e-2)


def test_a_type_can_be_asked_for():
    x, y = tensors(np.array([1, 2, 3]))
    for name in ("sum", "prod", "mean", "nansum"):
        same(getattr(rg, name)(x, dtype=rg.float64),
             getattr(torch, name)(y, dtype=torch.float64))  # fmt: skip
    for name in ("cumsum", "cumprod", "softmax", "log_softmax"):
        same(getattr(rg, name)(x, 0, dtype=rg.float64),
             getattr(torch, name)(y, 0, dtype=torch.float64))  # fmt: skip


# -- ties, infinities, NaN -------------------------------------------------------------

TIED = np.array([[1.0, 3.0, 3.0, -2.0], [3.0, 3.0, 3.0, 3.0], [0.0, -0.0, -1.0, -1.0]])
ODD = np.array([[1.0, NAN, 3.0, NAN], [INF, 1.0, -INF, 2.0], [-INF, -INF, 0.0, INF]])


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin",
                                  "median", "aminmax"])  # fmt: skip
def test_ties(name):
    compare(lambda lib, x: getattr(lib, name)(x), TIED)
    if name in ("median",):  # which of the equal ones is up to the sort
        return
    for dim in (0, 1):
        compare(lambda lib, x, d=dim: getattr(lib, name)(x, dim=d), TIED)


@pytest.mark.parametrize("name", ["sort", "argsort"])
@pytest.mark.parametrize("descending", [False, True])
def test_stable_order(name, descending):
    for array in (TIED, ODD, RNG.integers(0, 3, (4, 20))):
        for dim in (0, 1):
            compare(lambda lib, x, d=dim: getattr(lib, name)(
                x, dim=d, descending=descending, stable=True), array, 1)  # fmt: skip


STRICT = ["sum", "amax", "amin", "max", "min", "argmax", "argmin", "nansum", "nanmean",
          "cummax", "cummin", "cumsum", "logcumsumexp", "mean", "var"]  # fmt: skip


@pytest.mark.parametrize("name", STRICT)
def test_nan_and_infinity(name):
    compare(lambda lib, x: getattr(lib, name)(x, 1), ODD, 0)


def test_median_with_nan():
    x, y = tensors(ODD, grad=False)
    for name in ("median", "nanmedian"):
        same(getattr(rg, name)(x, 1).values, getattr(torch, name)(y, 1).values)
        same(getattr(rg, name)(x), getattr(torch, name)(y))
    array = np.array([4.0, NAN, 1.0, NAN])
    compare(lambda lib, x: lib.median(x, 0), array, 0)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_with_zeros(zeros):
    array = RNG.uniform(0.5, 2, (3, 4))
    array[:, :zeros] = 0
    compare(lambda lib, x: lib.prod(x, 1), array, 1)
    compare(lambda lib, x: lib.cumprod(x, 1), array, 1)
    compare(lambda lib, x: lib.prod(x), array[:1], 1)


def test_logsumexp_at_the_edges():
    rows = np.array([[1000.0, 1000, -1000], [-1000, -1001, -999], [1.0, -INF, 2.0]])
    for name in ("logsumexp", "softmax", "log_softmax"):
        compare(lambda lib, x, n=name: getattr(lib, n)(x, 1), rows)
    rows = np.array([[-INF, -INF], [INF, 1.0], [INF, -INF], [NAN, 1.0]])
    for name in ("logsumexp", "softmax", "log_softmax"):
        compare(lambda lib, x, n=name: getattr(lib, n)(x, 1), rows, 1)


def test_implied_dimension_of_softmax():
    for shape in ((3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)):
        x, y = tensors(RNG.normal(size=shape))
        with pytest.warns(UserWarning, match="Implicit dimension"):
            want = torch.nn.functional.softmax(y)
        with pytest.warns(UserWarning, match="Implicit dimension"):
            same(rg.nn.functional.softmax(x), want)
        for lib, given in ((torch, y), (rg, x)):
            with pytest.raises(TypeError):
                lib.softmax(given)


def test_large_softmax_sums_to_one():
    x = rg.tensor(RNG.normal(size=(3, 20000)) * 50, dtype=rg.float32)
    np.testing.assert_allclose(rg.softmax(x, 1).sum(1).numpy(), 1, rtol=1e-5)


# -- the rest --------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, INF, -INF, -1, -2.5, "fro", None])
def test_norms(p):
    for array in (RNG.uniform(-2, 2, (3, 4)), np.array([[-3.0, 3.0, 2.0, 1.0]] * 2)):
        compare(lambda lib, x: lib.norm(x, p), array)
        compare(lambda lib, x: lib.norm(x, p, dim=1, keepdim=True), array)
    if isinstance(p, (int, float)) and p >= 0:
        for array in (np.zeros((2, 3)), np.array([[0.0, -3.0, 2.0]])):
            compare(lambda lib, x: lib.norm(x, p, dim=1), array, 1)


def test_norm_forms():
    array = RNG.uniform(-2, 2, (3, 4))
    compare(lambda lib, x: x.norm(), array)
    compare(lambda lib, x: x.norm(1, dim=(0, 1)), array)
    compare(lambda lib, x: lib.dist(x, x * x), array)
    compare(lambda lib, x: lib.dist(x, x * x, 1), array)
    with pytest.raises(RuntimeError, match="floating"):
        rg.norm(rg.tensor([1, 2]))
    x, y = tensors(array)
    same(rg.vector_norm(x, 3, 1), torch.linalg.vector_norm(y, 3, 1))


@pytest.mark.parametrize("args", [{}, {"correction": 0}, {"correction": 2}, {"dim": 1},
                                  {"unbiased": False}, {"dim": 1, "unbiased": False},
                                  {"dim": 0, "keepdim": True, "correction": 3},
                                  {"dim": (0, 1), "correction": 0}])  # fmt: skip
@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
def test_moments(name, args):
    order = 0 if args.get("correction") == 3 else 2  # a division by 0
    array = RNG.uniform(-2, 2, (3, 4))
    compare(lambda lib, x: getattr(lib, name)(x, **args), array, order)


def test_moments_of_equal_and_single_elements():
    compare(lambda lib, x: lib.std(x), np.full(3, 2.0), 1)
    compare(lambda lib, x: lib.var(x, False), np.array([1.0, 2.0]))
    compare(lambda lib, x: x.std(1, False), np.array([[1.0, 2.0]]))
    compare(lambda lib, x: lib.var(x), np.array([1.0]), 0)
    compare(lambda lib, x: lib.var(x, correction=0), np.array([1.0]), 1)
    for name in ("var", "std", "mean"):
        with pytest.raises(RuntimeError, match="floating"):
            getattr(rg.tensor([1, 2]), name)()


def test_three_forms_of_max_and_min():
    array = RNG.uniform(-2, 2, (3, 4))
    for name in ("max", "min"):
        compare(lambda lib, x, n=name: getattr(lib, n)(x), array)
        compare(lambda lib, x, n=name: getattr(lib, n)(x, 1), array)
        compare(lambda lib, x, n=name: getattr(lib, n)(x, x * x), array)
        compare(lambda lib, x, n=name: getattr(lib, n)(x, other=x * x), array)
        compare(lambda lib, x, n=name: getattr(x, n)(dim=0, keepdim=True), array)
    found, theirs = rg.tensor([1, 5, 2]).max(0), torch.tensor([1, 5, 2]).max(0)
    assert found.values.item() == theirs.values.item() == 5
    assert found.indices.item() == theirs.indices.item() == 1


@pytest.mark.parametrize("k", [0, 1, 3])
def test_top_of_an_order(k):
    array = RNG.uniform(-2, 2, (4, 3, 5))
    for dim, largest in itertools.product((0, 1, -1), (True, False)):
        compare(lambda lib, x, d=dim, g=largest: lib.topk(x, k, d, g), array)
        if k:
            compare(lambda lib, x, d=dim: lib.kthvalue(x, k, d), array)
            compare(lambda lib, x, d=dim: lib.kthvalue(x, k, d, True), array)
    with pytest.raises(RuntimeError, match="out of range"):
        rg.topk(rg.ones(3), 4)
    with pytest.raises(RuntimeError, match="out of range"):
        rg.kthvalue(rg.ones(3), 0)


def test_mode_takes_the_most_frequent():
    for array in (RNG.integers(0, 4, (5, 9)), np.array([[1, 2, 2, 1], [0, 0, 3, 3]])):
        a, b = rg.mode(rg.tensor(array), 1), torch.mode(torch.tensor(array), 1)
        same(a.values, b.values)
        picked = np.take_along_axis(array, a.indices.numpy()[:, None], 1)[:, 0]
        np.testing.assert_array_equal(picked, a.values.numpy())


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_differences(n):
    array = RNG.uniform(-2, 2, (3, 4))
    for dim in (0, 1, -1):
        compare(lambda lib, x, d=dim: lib.diff(x, n, d), array)
    compare(lambda lib, x: lib.diff(x, prepend=x * 2, append=x), array)
    bits = np.array([True, False, False])
    compare(lambda lib, x: lib.diff(x), bits)


HOW = ["linear", "lower", "higher", "midpoint", "nearest"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantiles(name, how):
    array = RNG.uniform(-2, 2, (4, 7))
    compare(lambda lib, x: getattr(lib, name)(x, 0.3, interpolation=how), array)
    for dim, keepdim in itertools.product((0, 1, -1), (False, True)):
        compare(lambda lib, x, d=dim, k=keepdim: getattr(lib, name)(
            x, 0.77, d, k, interpolation=how), array)  # fmt: skip
        compare(lambda lib, x, d=dim, k=keepdim: getattr(lib, name)(
            x, lib.tensor([0.0, 0.4, 1.0], dtype=lib.float64), d, k,
            interpolation=how), array)  # fmt: skip
    compare(lambda lib, x: getattr(lib, name)(x, 0.3, keepdim=True), array)
    array[0, 0] = NAN
    compare(lambda lib, x: getattr(lib, name)(x, 0.3, 1, interpolation=how), array, 0)


def test_other_names():
    array = RNG.uniform(-2, 2, (3, 4))
    compare(lambda lib, x: lib.msort(x), array)
    compare(lambda lib, x: x.sum(axis=1), array)
    compare(lambda lib, x: x.mean(axis=(0, 1)), array)
    compare(lambda lib, x: x.argmax(axis=0), array)
    compare(lambda lib, x: lib.nn.functional.softmin(x, 1), array)
    compare(lambda lib, x: lib.count_nonzero(x > 0, dim=1), array)
    compare(lambda lib, x: lib.argmax(x, keepdim=True), array)
    compare(lambda lib, x: lib.sum(x, ()), array)


def test_errors_are_pytorchs():
    x, y = rg.ones(2, 3), torch.ones(2, 3)
    for call in (
        lambda lib, t: lib.sum(t, 2),
        lambda lib, t: lib.sum(t, (0, 0)),
        lambda lib, t: lib.softmax(t, 5),
        lambda lib, t: lib.cumsum(t, -3),
        lambda lib, t: lib.sort(t, 2),
        lambda lib, t: lib.max(t, 7),
        lambda lib, t: lib.mean(t.long()),
        lambda lib, t: lib.softmax(t.long(), 0),
        lambda lib, t: lib.argmax(t > 0),
        lambda lib, t: lib.topk(t, 9),
    ):
        with pytest.raises((RuntimeError, IndexError)) as theirs:
            call(torch, y)
        kind = IndexError if isinstance(theirs.value, IndexError) else RuntimeError
        with pytest.raises(kind):
            call(rg, x)


COMPOSITIONS = {
    "softmax": lambda lib, x: lib.softmax(x, 1),
    "log_softmax": lambda lib, x: lib.log_softmax(x, -1),
    "logsumexp": lambda lib, x: lib.logsumexp(x, (0, 1)),
    "var_mean": lambda lib, x: sum(lib.var_mean(x, 0)),
    "std": lambda lib, x: lib.std(x, 1),
    "norm": lambda lib, x: lib.norm(x, 3.0, dim=1),
    "cumprod": lambda lib, x: lib.cumprod(x, 1),
    "logcumsumexp": lambda lib, x: lib.logcumsumexp(x, 0),
    "clamp": lambda lib, x: lib.clamp(x, -0.5, 0.5),
    "asinh": lambda lib, x: lib.asinh(x) + lib.sinc(x) + lib.hypot(x, x + 1),
    "median": lambda lib, x: lib.median(x, 1).values,
    "max": lambda lib, x: lib.max(x, 0)[0],
    "mean": lambda lib, x: lib.mean(x, (0, 1)) * x.mean(0, keepdim=True),
    "quantile": lambda lib, x: lib.quantile(x, 0.4, 1),
    "logaddexp": lambda lib, x: lib.logaddexp(x, -x),
    "powers": lambda lib, x: x**3 + 2**x,
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_what_comes_back_is_as_right_as_the_first_time(name):
    call = COMPOSITIONS[name]
    for _ in range(4):
        compare(lambda lib, x: lib.sin(call(lib, x)), RNG.normal(size=(4, 5)), 1)
        x, y = tensors(RNG.normal(size=(4, 5)))
        with rg.no_grad():
            same(call(rg, x), call(torch, y))


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
def test_the_variance_of_all(name: str) -> None:
    for call in (
        lambda lib, x: getattr(lib, name)(x),
        lambda lib, x: getattr(lib, name)(x, None),
        lambda lib, x: getattr(lib, name)(x, False),
        lambda lib, x: getattr(lib, name)(x, dim=None, unbiased=False),
        lambda lib, x: getattr(lib, name)(x, 0, True, True),
    ):
        compare(call, np.random.default_rng(0).normal(size=(3, 4)))
