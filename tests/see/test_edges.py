"""Graphs out of the ordinary: second derivatives, writes, hooks, few bits, nothing."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


def second_derivative():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    (g,) = rg.autograd.grad((w**3).sum(), [w], create_graph=True)
    return rg.explain(g.sum()), w, [6.0, 12.0]


def written_in_place():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    x = w * 2
    x[0] = x[1] * 3
    return rg.explain(x.sum()), w, [0.0, 8.0]


def half():
    w = rg.tensor([1.0, 2.0], dtype=rg.float16, requires_grad=True)
    return rg.explain((w * w).sum()), w, [2.0, 4.0]


def brain_float():
    w = rg.tensor([1.0, 2.0], dtype=rg.bfloat16, requires_grad=True)
    return rg.explain((w * w).sum()), w, [2.0, 4.0]


def empty():
    w = rg.zeros(0, 3, requires_grad=True)
    return rg.explain((w * 2).sum()), w, np.zeros((0, 3))


def looked_up():
    w = rg.tensor([[1.0, -1.0], [2.0, 3.0]], requires_grad=True)
    t = w[rg.tensor([1, 1, 0])]
    return rg.explain(rg.where(t > 0, t, 0.1 * t).sum()), w, [[1.0, 0.1], [2.0, 2.0]]


def given_a_gradient():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    return rg.explain(w * 3, gradient=rg.tensor([1.0, 10.0])), w, [3.0, 30.0]


CASES = [second_derivative, written_in_place, half, brain_float, empty, looked_up,
         given_a_gradient]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_every_form_and_level_and_the_right_gradient(case):
    story, w, expected = case()
    found = np.asarray(story.gradient(w), np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-6)
    for form in (story.html, story.latex, story.markdown, story.json):
        assert form()
    for level in ("operations", "kernels"):
        assert "w" in story.level(level).text()
    names = [x.name.text for x in story.description.nodes]
    assert len(names) == len(set(names))


def test_hooks_are_named_and_not_run():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    calls = []
    h.register_hook(calls.append)
    text = str(rg.explain(h.sum()))
    assert not calls
    assert "a hook is registered here" in text and "their effect is not shown" in text


def test_what_the_compiler_cannot_do_is_said():
    story = half()[0].level("kernels")
    d = story.description
    assert d.kernels or any("no kernels for this graph" in note for note in d.notes)


def test_a_composition_that_is_shown_as_one_says_of_how_many_it_is_made():
    rg.manual_seed(0)
    x, y = rg.randn(4, 3, requires_grad=True), rg.tensor([0, 1, 2, 0])
    loss = nn.functional.cross_entropy(x, y)
    d = rg.explain(loss).description
    (g,) = (g for g in d.gradients if g.node == rg.explain(loss).find(x).id)
    assert any("operations" in note for note in g.notes)
    softmax = np.exp(x.detach().numpy())
    softmax /= softmax.sum(1, keepdims=True)
    expected = (softmax - np.eye(3)[y.numpy()]) / 4
    np.testing.assert_allclose(g.value.data, expected, rtol=1e-4, atol=1e-6)


def test_notebooks_show_tensors_modules_and_graphs():
    t = rg.tensor([[1.0, float("nan")], [-2.0, 3.0]], requires_grad=True)
    page = t._repr_html_()
    assert page.count("<td") == 4 and "NaN" in page and "requires_grad" in page
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    assert "<details" in model._repr_html_() and "3×2" in model._repr_html_()
    assert "mul" in rg.graph(t * 2)._repr_html_()
    wide = rg.zeros(100, 100)._repr_html_()
    assert len(wide) < 40_000 and "…" in wide


# -- functions of the user's own ------------------------------------------------------------


class _Sine(rg.autograd.Function):
    """A value and a derivative that NumPy computes."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return rg.from_numpy(np.sin(a.detach().numpy()))

    @staticmethod
    def backward(ctx, g):
        (a,) = ctx.saved_tensors
        return rg.from_numpy(g.numpy() * np.cos(a.detach().numpy()))


class _Limited(rg.autograd.Function):
    """A derivative that looks at numbers, and that is not that of the value."""

    @staticmethod
    def forward(ctx, a):
        return a.clamp(-1, 1)

    @staticmethod
    def backward(ctx, g):
        return g / g.abs().max() if g.abs().max() > 1 else g


class _Pair(rg.autograd.Function):
    """Two outputs."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        ctx.twice = a * 2
        return a * b, a + b

    @staticmethod
    def backward(ctx, g, h):
        a, b = ctx.saved_tensors
        return g * ctx.twice * b / (2 * a) + h, g * a + h


@pytest.mark.parametrize("way", ["numpy", "looks", "pair", "again"])
def test_functions_of_the_users_own_have_the_gradients_of_backward(way):
    w = rg.tensor([0.5, 2.0], requires_grad=True)
    v = rg.tensor([1.5, 1.0], requires_grad=True)
    u = w * v
    if way == "numpy":
        loss = (_Sine.apply(u) * 3).sum()
    elif way == "looks":
        loss = (_Limited.apply(u) * 3).sum()
    elif way == "pair":
        p, q = _Pair.apply(u, v)
        loss = (p * q).sum()
    else:
        loss = (_Pair.apply(u, v)[0] ** 2).sum()
    seed = rg.get_rng_state()
    story = rg.explain(loss, proof=True)
    gradients = [story.gradient(name) for name in ("w", "v")]
    assert rg.equal(seed, rg.get_rng_state())
    for level in ("operations", "kernels"):
        assert story.level(level).text()
    loss.backward()
    for found, t in zip(gradients, (w, v), strict=True):
        np.testing.assert_allclose(found, t.grad.numpy(), rtol=1e-6)
    assert "?" not in story.text() and "hook" not in story.text()
    check = story.prove("w")
    if way == "numpy":
        assert check is None and "_SineBackward(" in story.text()
    elif way == "looks":
        assert check.stopped and "autograd.Function" in story.text()
    else:
        assert check.holds


def test_constants_of_the_rules_have_values():
    A = rg.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=rg.float64, requires_grad=True)
    L = rg.linalg.cholesky(A)
    story = rg.explain(L.sum())
    found = story.gradient("A")
    L.sum().backward()
    np.testing.assert_allclose(found, A.grad.numpy(), rtol=1e-14, atol=1e-15)


def test_a_gradient_of_rounding_errors_is_no_wrong_gradient():
    rg.manual_seed(0)
    b = rg.zeros(4, requires_grad=True)
    x = rg.randn(8, 4) + b
    loss = rg.nn.functional.batch_norm(x, None, None, training=True).pow(3).sum()
    assert rg.explain(loss).prove("b").holds


def test_what_is_written_into_ones_is_not_taken_for_zeros():
    x = rg.tensor([2.0, 3.0, 4.0], requires_grad=True)

    def loss():
        z = x * x
        z[1:].mul_(5.0)
        return z.sum()

    story = rg.explain(loss())
    d = story.description
    shown = [g.formula.text for g in d.gradients if d[g.node].wants_grad]
    assert any("write(𝟏, 0 ↦ [1:3]) + 5 ↦ [1:3]" in text for text in shown), shown
    assert story.gradient("x").tolist() == [4.0, 30.0, 40.0]
    assert d[d.loss].name.text == "ℓ", "its value is not what `story` names"


def test_a_function_of_the_users_own_may_keep_what_was_changed_before():
    class Cube(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y[0] = 5.0
    assert rg.explain(Cube.apply(y).sum()).gradient(y).tolist() == [75.0, 48.0]
    kept = x * 1
    loss = Cube.apply(kept).sum()
    kept.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        rg.explain(loss)


def test_conditions_of_numbers_alone_are_not_shown():
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    (g,) = rg.autograd.grad((x**3).sum(), x, create_graph=True)
    assert "g = 3 · x²" in rg.explain(g.sum()).text()
