"""Reductions: what they display, their shapes and types, derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import dtypes
from retrograd.autograd import grad, gradcheck, gradgradcheck
from retrograd.dispatch import apply
from retrograd.ops import reduce
from retrograd.ops.formula import evaluate
from retrograd.ops.op import REGISTRY, Spec, normalize_dims

OPS = [op for op in REGISTRY.values() if op.__module__ == reduce.__name__]
CASES = [
    pytest.param(op, sample, id=f"{op.name}-{i}")
    for op in OPS
    for i, sample in enumerate(op.samples())
]
SMOOTH = [c for c in CASES if c.values[0].rules]


def language(sample, keepdim):
    """The words for reductions in a formula, over the dimensions of the sample."""
    ndim = sample.arrays[0].ndim
    attrs = sample.attrs
    over = {"axis": normalize_dims(attrs["dim"], ndim), "keepdims": keepdim}
    one = attrs["dim"] if isinstance(attrs["dim"], int) else None
    position = None if len(over["axis"]) != 1 else over["axis"][0]

    def running(a, reverse):
        if not a.ndim:
            return a
        return (
            np.flip(np.cumsum(np.flip(a, one), one), one) if reverse else a.cumsum(one)
        )

    def others(a):
        moved = np.moveaxis(a, over["axis"], range(len(over["axis"])))
        flat = moved.reshape(-1, *moved.shape[len(over["axis"]) :])
        rest = [np.delete(flat, i, 0).prod(0) for i in range(len(flat))]
        rest = np.array(rest).reshape(moved.shape)
        return np.moveaxis(rest, range(len(over["axis"])), over["axis"])

    def argsort(a):
        if not attrs["descending"]:
            return a.argsort(one, kind="stable")
        return (-a).argsort(one, kind="stable")

    return {
        "Σ": lambda a: np.sum(a, **over),
        "Π": lambda a: np.prod(a, **over),
        "max": lambda a: np.max(a, **over),
        "min": lambda a: np.min(a, **over),
        "all": lambda a: np.all(a, **over),
        "any": lambda a: np.any(a, **over),
        "argmax": lambda a: np.argmax(a, axis=position, keepdims=keepdim),
        "argmin": lambda a: np.argmin(a, axis=position, keepdims=keepdim),
        "argsort": argsort,
        "Σ_running": lambda a: running(a, attrs["reverse"]),
        "Σ_running_reverse": lambda a: running(a, not attrs["reverse"]),
        "Π_others": others,
    }


def test_every_operation_displays_itself_and_has_samples():
    for op in OPS:
        assert op.formula, op.name
        assert op.samples(), op.name
        assert len(op.adjoint) == len(op.rules), op.name


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_formula_is_what_forward_computes(op, sample):
    (a,) = sample.arrays
    words = language(sample, sample.attrs.get("keepdim", False))
    out = apply(op, rg.from_numpy(a.copy()), **sample.attrs).numpy()
    shown = np.asarray(evaluate(op.formula, {**words, "a": a}))
    assert out.shape == shown.shape
    np.testing.assert_allclose(out, shown, rtol=1e-12)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_adjoint_is_what_the_rule_computes(op, sample):
    (a,) = sample.arrays
    x = rg.from_numpy(a.copy()).requires_grad_()
    out = apply(op, x, **sample.attrs)
    g = np.random.default_rng(0).normal(size=out.shape)
    (found,) = grad(out, x, rg.from_numpy(g))
    out = out.detach().numpy()
    if "keepdim" in sample.attrs:  # ḡ and out stand beside a: their dimensions stay
        dims = normalize_dims(sample.attrs["dim"], a.ndim)
        shape = [1 if i in dims else n for i, n in enumerate(a.shape)]
        g, out = g.reshape(shape), out.reshape(shape)
    values = {**language(sample, True), "a": a, "out": out, "ḡ": g}
    shown = np.broadcast_to(evaluate(op.adjoint[0], values), a.shape)
    np.testing.assert_allclose(found.numpy(), shown, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_derivatives_to_second_order(op, sample):
    (a,) = sample.arrays
    if not a.size:
        pytest.skip("nothing to differentiate in an empty tensor")
    x = rg.from_numpy(a.copy()).requires_grad_()
    assert gradcheck(lambda x: apply(op, x, **sample.attrs), x)
    assert gradgradcheck(lambda x: apply(op, x, **sample.attrs), x)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_forward_returns_the_inferred_shape_and_type(op, dtype):
    for sample in op.samples():
        x = rg.from_numpy(np.asarray(np.abs(sample.arrays[0]))).to(dtype)
        try:
            out = apply(op, x, **sample.attrs)
        except RuntimeError:
            assert dtype is dtypes.bool_
            continue
        assert out.numpy().dtype == out.dtype.np
        assert out.numpy().shape == tuple(out.shape)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_result_never_shares_memory_with_its_input(op):
    for sample in op.samples():
        a = np.asarray(sample.arrays[0])
        spec = Spec(a.shape, dtypes.from_numpy_dtype(a.dtype))
        attrs = op.normalize(spec, **sample.attrs)
        assert not np.shares_memory(op.forward(a, **attrs), a)


def test_integers_and_truth_values_add_up_in_int64():
    for dtype in (rg.uint8, rg.int8, rg.int32, rg.bool):
        x = rg.ones(300, dtype=dtype)
        assert x.sum().dtype is rg.int64 and x.sum().item() == 300
        assert x.prod().dtype is rg.int64
        assert x.cumsum(0)[-1].item() == 300


def test_half_precision_adds_up_in_single():
    x = rg.full((4096,), 0.1, dtype=rg.float16)
    assert abs(x.sum().item() - 409.5) < 0.3
    assert rg.full((70000,), 2.0, dtype=rg.float16).mean().item() == 2.0


def test_a_million_numbers_in_single_precision():
    x = rg.full((1_000_003, 2), 0.1)
    exact = 1_000_003 * float(np.float32(0.1))
    for total in (x.sum(0)[1], x.t().contiguous().sum(1)[0], x.sum() / 2):
        assert abs(total.item() / exact - 1) < 1e-5
    assert abs(x.cumsum(0)[-1, 0].item() / exact - 1) < 1e-6
    y = rg.from_numpy(np.random.default_rng(0).normal(size=(3, 5000, 7)))
    for dim in ((1,), (0, 1), (1, 2), (0, 1, 2)):
        for keepdim in (False, True):
            short = y.float().sum(dim, keepdim)
            np.testing.assert_allclose(short, y.sum(dim, keepdim), rtol=1e-4, atol=1e-3)
            assert short.shape == y.sum(dim, keepdim).shape


def test_no_elements():
    empty = rg.zeros(0, 3)
    assert empty.sum(0).tolist() == [0.0] * 3 and empty.prod(0).tolist() == [1.0] * 3
    assert empty.all().item() is True and empty.any().item() is False
    assert math.isnan(empty.mean().item())
    assert empty.amax(1).tolist() == []
    for wrong in (empty.max, empty.amax):
        with pytest.raises((RuntimeError, IndexError), match="no elements"):
            wrong()
    with pytest.raises(IndexError, match="non-zero size"):
        empty.max(0)
    with pytest.raises(IndexError, match="non-zero size"):
        empty.argmax(0)


def test_wrong_dimensions():
    x = rg.zeros(2, 3)
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.sum(2)
    with pytest.raises(RuntimeError, match="multiple times"):
        x.sum((0, -2))


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_derivatives_of_products_with_zeros_to_third_order(zeros):
    a = np.array([2.0, -3.0, 0.5, 1.5])
    a[:zeros] = 0
    x = rg.from_numpy(a).requires_grad_()

    @rg.enable_grad()
    def second(x):
        x = x if x.requires_grad else x.clone().requires_grad_()
        weights = rg.tensor([1.0, 2.0, 3.0, 4.0], dtype=rg.float64)
        (g,) = grad(rg.prod(x), x, create_graph=True)
        return grad((g * weights).sum(), x, create_graph=True)[0]

    assert gradcheck(second, x)
    assert gradgradcheck(lambda x: rg.cumprod(x, 0), x)


def test_ties_share_the_gradient():
    x = rg.tensor([[1.0, 3.0, 3.0], [3.0, 0.0, 2.0]], requires_grad=True)
    x.amax().backward()
    third = 1 / 3
    np.testing.assert_allclose(x.grad.tolist(), [[0, third, third], [third, 0, 0]])
    x.grad = None
    x.max(1).values.sum().backward()  # one position: the first
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_order_is_stable_and_nan_is_largest():
    x = rg.tensor([2.0, math.nan, 1.0, 2.0, math.nan])
    assert rg.argsort(x, stable=True).tolist() == [2, 0, 3, 1, 4]
    assert rg.argsort(x, descending=True, stable=True).tolist() == [1, 4, 0, 3, 2]
    assert x.argmax().item() == 1 and x.argmin().item() == 1


def test_results_of_two_are_named():
    found = rg.tensor([[1.0, 5.0], [7.0, 2.0]]).max(dim=1)
    assert found.values.tolist() == [5.0, 7.0] and found[1].tolist() == [1, 0]
    bounds = rg.aminmax(rg.tensor([3, 1, 2]))
    assert (bounds.min.item(), bounds.max.item()) == (1, 3)
