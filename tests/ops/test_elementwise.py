"""Element-wise primitives: what they display, their shapes and types, derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import dtypes
from retrograd.autograd import grad, gradcheck, gradgradcheck
from retrograd.dispatch import apply
from retrograd.ops import arithmetic, elementwise, logic, rounding
from retrograd.ops.erf import erf, erfc
from retrograd.ops.formula import evaluate
from retrograd.ops.op import REGISTRY, Sample, Spec

MODULES = [m.__name__ for m in (arithmetic, elementwise, logic, rounding)]
OPS = [op for op in REGISTRY.values() if op.__module__ in MODULES]
CASES = [
    pytest.param(op, sample, id=f"{op.name}-{i}")
    for op in OPS
    for i, sample in enumerate(op.samples())
]
SMOOTH = [c for c in CASES if c.values[0].rules]
STEPS = {"sign", "floor", "ceil", "round", "trunc", "floor_divide", "trunc_divide"}


def tensors(sample: Sample, wanted: tuple[str, ...] = (), names: tuple[str, ...] = ()):
    """The sample's arrays as tensors; floating ones can want a gradient."""
    made = []
    for i, array in enumerate(sample.arrays):
        x = rg.from_numpy(np.array(array))
        if names and names[i] in wanted and x.dtype.is_floating_point:
            x.requires_grad_()
        made.append(x)
    return made


def test_every_operation_displays_itself_and_has_samples():
    for op in OPS:
        assert op.formula, op.name
        assert op.samples(), op.name
        assert len(op.adjoint) == len(op.rules), op.name


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_formula_is_what_forward_computes(op, sample):
    values = dict(zip(op.inputs, sample.arrays, strict=True))
    shown = evaluate(op.formula, values)
    out = apply(op, *tensors(sample), **sample.attrs).numpy()
    np.testing.assert_allclose(shown, out, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_adjoint_is_what_the_rule_computes(op, sample):
    xs = tensors(sample, tuple(op.rules), op.inputs)
    out = apply(op, *xs)
    g = np.random.default_rng(0).normal(size=out.shape)
    wanted = [x for x in xs if x.requires_grad]
    found = grad(out, wanted, rg.from_numpy(g))
    values = dict(zip(op.inputs, sample.arrays, strict=True))
    values |= {"ḡ": g, "out": out.detach().numpy()}
    for text, x, gradient in zip(op.adjoint, wanted, found, strict=True):
        shown = np.broadcast_to(evaluate(text, values), out.shape)
        shown = summed(shown, x.shape)
        np.testing.assert_allclose(gradient.numpy(), shown, rtol=1e-12, atol=1e-14)


def summed(g, shape):
    """Undo broadcasting, written differently from the library's."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return np.asarray(g.sum(axis=stretched, keepdims=True)).reshape(shape)


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_derivatives_to_second_order(op, sample):
    xs = tensors(sample, tuple(op.rules), op.inputs)
    if not all(a.size for a in sample.arrays):
        pytest.skip("nothing to differentiate in an empty tensor")
    assert gradcheck(lambda *a: apply(op, *a), xs)
    if op.name not in STEPS:
        assert gradgradcheck(lambda *a: apply(op, *a), xs)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_forward_returns_the_inferred_shape_and_type(op, dtype):
    sample = op.samples()[0]
    xs = []
    for a in sample.arrays:
        x = rg.from_numpy(a if a.dtype == bool else np.asarray(np.abs(a) + 1))
        xs.append(x if a.dtype == bool else x.to(dtype))
    try:
        out = apply(op, *xs)
    except (RuntimeError, TypeError):
        assert (dtype is dtypes.bool_) or op.name.startswith("bitwise")
        return
    array = out.numpy()
    assert array.dtype == out.dtype.np
    assert array.shape == tuple(out.shape)
    if op.promotion == "float":
        assert out.dtype is (dtype if dtype.is_floating_point else dtypes.float32)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_zero_dimensional_and_empty(op):
    sample = op.samples()[0]
    for shape in ((), (0,), (0, 3)):
        some = math.prod(shape)
        arrays = [a.reshape(-1)[:some].reshape(shape) for a in sample.arrays]
        xs = [rg.from_numpy(a.copy()) for a in arrays]
        out = apply(op, *xs)
        assert tuple(out.shape) == shape
        assert out.numpy().shape == shape


def test_a_result_never_shares_memory_with_an_input():
    for op in OPS:
        for sample in op.samples():
            arrays = [np.asarray(a) for a in sample.arrays]
            with np.errstate(all="ignore"):
                out = op.forward(*arrays)
            assert not any(np.shares_memory(out, a) for a in arrays), op.name


# -- values at the edges ---------------------------------------------------------------

INF, NAN = math.inf, math.nan


def test_erf_is_within_one_ulp_of_the_c_library():
    rng = np.random.default_rng(0)
    tiny = 10.0 ** rng.uniform(-300, 1, 5000)
    x = np.concatenate([rng.uniform(-7, 7, 5000), rng.normal(size=5000), tiny])
    exact = np.array([math.erf(v) for v in x])
    assert np.max(np.abs(erf(x) - exact) / np.spacing(np.abs(exact))) < 2
    with np.errstate(invalid="ignore"):
        edges = erf(np.array([0.0, INF, -INF, NAN]))
    np.testing.assert_array_equal(edges, [0.0, 1.0, -1.0, NAN])
    assert math.copysign(1, erf(np.array(-0.0))) == -1


def test_erfc_keeps_its_digits_in_the_tail():
    x = np.random.default_rng(1).uniform(-7, 26, 5000)
    exact = np.array([math.erfc(v) for v in x])
    np.testing.assert_allclose(erfc(x), exact, rtol=3e-15)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(erfc(np.array([INF, -INF])), [0.0, 2.0])


def test_single_precision_erf():
    x = np.random.default_rng(2).uniform(-5, 5, 5000).astype(np.float32)
    exact = np.array([math.erf(v) for v in x])
    assert erf(x).dtype == np.float32
    assert np.max(np.abs(erf(x) - exact) / np.spacing(np.abs(exact).astype("f"))) < 2


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_sigmoid_far_out(dtype):
    x = rg.tensor([-INF, -1e4, -80.0, 0.0, 80.0, 1e4, INF], dtype=dtype)
    s = rg.sigmoid(x).numpy()
    np.testing.assert_allclose(s, [0, 0, math.exp(-80), 0.5, 1, 1, 1], rtol=1e-5)


def test_integer_powers():
    base = rg.tensor([2, 1, -1, -1, 0])
    assert (base ** rg.tensor([-1, -2, -2, -3, -1])).tolist() == [0, 1, 1, -1, 0]
    with pytest.raises(RuntimeError, match="negative integer powers"):
        base**-1
    assert (base**3).tolist() == [8, 1, -1, -1, 0]
    assert (2 ** rg.tensor([0, 3])).tolist() == [1, 8]


def test_power_at_zero_has_exact_second_derivatives():
    a = rg.tensor([0.0, 0.0, 2.0], dtype=rg.float64, requires_grad=True)
    b = rg.tensor([0.0, 2.0, 0.0], dtype=rg.float64, requires_grad=True)
    ga, gb = grad((a**b).sum(), (a, b), create_graph=True)
    assert ga.tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(gb.tolist(), [0.0, 0.0, math.log(2)])
    # ∂²/∂a∂b a^b at (2, 0) is 1/2, whichever derivative comes first.
    assert grad(ga[2], b, retain_graph=True)[0][2].item() == 0.5
    assert grad(gb[2], a)[0][2].item() == 0.5


def test_division_of_integers_by_zero_names_the_line():
    with pytest.raises(RuntimeError, match=r"ZeroDivision.*(\n.*)*test_elementwise"):
        (rg.tensor([1]) // rg.tensor([0])).tolist()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda t: -t, "mask"),
        (lambda t: t - t, "differs"),
        (lambda t: t**t, "powers"),
        (lambda t: abs(t), "absolute"),
        (lambda t: t.floor(), "rounded"),
        (lambda t: t // t, "quotient"),
    ],
)
def test_truth_values_are_refused_where_they_mean_nothing(make, text):
    with pytest.raises(RuntimeError, match=text):
        make(rg.tensor([True, False]))


def test_bits_and_conditions_refuse_other_types():
    with pytest.raises(RuntimeError, match="bits of float32"):
        rg.tensor([1.0]) & rg.tensor([2.0])
    with pytest.raises(TypeError, match="float32"):
        ~rg.tensor([1.0])
    with pytest.raises(RuntimeError, match="condition to be a boolean"):
        rg.where(rg.tensor([1]), 1.0, 2.0)
    with pytest.raises(RuntimeError, match="size of tensor a"):
        rg.where(rg.tensor([True, False]), rg.ones(3), 0.0)


def test_steps_have_a_gradient_of_zeros():
    for function in (rg.floor, rg.ceil, rg.round, rg.trunc, rg.sign):
        x = rg.tensor([0.3, -1.7], requires_grad=True)
        (function(x) * INF).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0]


def test_gradients_that_are_not_chosen_are_zero_even_times_infinity():
    x = rg.tensor([-1.0, 2.0], requires_grad=True)
    (rg.relu(x) * rg.tensor([INF, 1.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_spec_of_broadcast():
    a, b = Spec((2, 1, 3), dtypes.float32), Spec((4, 1), dtypes.float32)
    assert arithmetic.Add.infer(a, b) is Spec((2, 4, 3), dtypes.float32)
