"""Autograd as users know it (row A9 of the lectures)."""

import pytest

import retrograd as rg
from retrograd.autograd import Function, grad, gradcheck, gradgradcheck, no_grad


def leaf(*values):
    return rg.tensor(values, dtype=rg.float64, requires_grad=True)


def test_a_gradient_is_none_until_backward_and_accumulates_until_zero_grad():
    w = rg.nn.Parameter(rg.ones(2))
    optimizer = rg.optim.SGD([w], lr=0.1)
    assert w.grad is None
    for k in (1, 2, 3):
        (w * 2).sum().backward()
        assert w.grad.tolist() == [2 * k, 2 * k]
    optimizer.zero_grad()
    assert w.grad is None


def test_backward_on_a_non_scalar_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (x * 2).backward()
    (x * x).backward(rg.tensor([1.0, 10.0], dtype=rg.float64))
    assert x.grad.tolist() == [2, 40]


@pytest.mark.parametrize("read", [False, True])
def test_backward_twice_needs_retain_graph(read):
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    if read:
        y.item()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_a_detached_loss_is_refused():
    with pytest.raises(RuntimeError, match="does not require grad"):
        rg.ones(1).sum().backward()
    x = leaf(1.0)
    with rg.no_grad():
        y = x * 2
    with pytest.raises(RuntimeError, match="does not require grad"):
        y.backward()


def test_higher_derivatives_to_any_order():
    x = leaf(1.5)
    y, factors = x**5, 1.0
    for k in range(5):
        (y,) = grad(y.sum(), x, create_graph=True)
        factors *= 5 - k
        assert y.item() == pytest.approx(factors * 1.5 ** (4 - k), rel=1e-12)


def test_grad_of_intermediates_and_unused():
    x, unused = leaf(3.0), leaf(1.0)
    h = x * x
    y = h * x
    gh, gx = grad(y.sum(), (h, x), retain_graph=True)
    assert gh.item() == 3 and gx.item() == 27
    with pytest.raises(RuntimeError, match="allow_unused"):
        grad(y.sum(), unused, retain_graph=True)
    assert grad(y.sum(), unused, allow_unused=True) == (None,)


def test_hooks_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    h = x * 2
    h.retain_grad()
    seen = []
    handle = h.register_hook(lambda g: seen.append(g.tolist()))
    h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    h.sum().backward()
    assert seen == [[1, 1]] and x.grad.tolist() == [21, 21]
    assert h.grad.tolist() == [1, 1] or h.grad.tolist() == [10, 10]
    handle.remove()


def test_modes():
    x = leaf(1.0)
    with rg.no_grad():
        assert not (x * 2).requires_grad and not rg.is_grad_enabled()
        with rg.enable_grad():
            assert (x * 2).requires_grad
    with rg.inference_mode():
        assert not (x * 2).requires_grad
    with rg.set_grad_enabled(False):
        assert not (x * 2).requires_grad

    @rg.no_grad()
    def f():
        return x * 2

    assert not f().requires_grad and (x * 2).requires_grad


class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return rg.from_numpy(x.detach().numpy() ** 3) * scale

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.scale, None


def test_a_function_with_a_derivative_of_its_own():
    x = leaf(0.5, -1.5)
    assert gradcheck(lambda x: Cube.apply(x * 2, 2.0), (x,))
    Cube.apply(x, 2.0).sum().backward()
    assert x.grad.tolist() == [1.5, 13.5]


def test_gradcheck_finds_a_wrong_rule_and_says_where():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(RuntimeError, match=r"output0\[0\].*input0\[0\].*off by"):
        gradcheck(lambda x: Wrong.apply(x), (leaf(1.0, 2.0),))
    assert not gradcheck(lambda x: Wrong.apply(x), (leaf(1.0),), raise_exception=False)


def test_gradcheck_refuses_kinks_by_name():
    with pytest.raises(RuntimeError, match="kink"):
        gradcheck(rg.relu, (leaf(1.0, 0.0),))


def test_gradcheck_of_a_function_that_asks_for_derivatives():
    def penalty(x, w):
        (g,) = grad((x * w).tanh().sum(), x, create_graph=True)
        return (g**2).sum()

    assert gradcheck(penalty, (leaf(0.5, 1.5), leaf(0.3, -0.7)))
    assert gradgradcheck(lambda x: grad(x**3, x, create_graph=True)[0], (leaf(0.5),))
    with no_grad():
        assert gradcheck(lambda x: grad(x**3, x, create_graph=True)[0], (leaf(0.5),))


def test_gradgradcheck():
    assert gradgradcheck(lambda x, y: (x * y).exp() * x, (leaf(0.5), leaf(0.3)))


def test_the_backward_graph_is_a_graph():
    w = rg.nn.Parameter(rg.tensor([1.0, 2.0]))
    loss = (w * w).exp().sum()
    loss.backward()
    text = str(rg.graph(w.grad))
    assert "∂ of" in text and "test_autograd.py" in text and "f32[2]" in text
    assert "parameter" in text
    rg.graph(w.grad).verify()


def test_grad_fn_can_be_walked():
    x = leaf(2.0)
    y = (x * x).exp()
    assert y.grad_fn.name() == "ExpBackward0"
    assert y.grad_fn.next_functions[0][0].name() == "MulBackward0"
    assert x.grad_fn is None and x.is_leaf and not y.is_leaf


def test_what_backward_keeps_under_pytorchs_names():
    graph, profiler = rg.autograd.graph, rg.autograd.profiler
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    with graph.save_on_cpu(), graph.disable_saved_tensors_hooks("not here"):
        with profiler.record_function("forward"):
            y = (x * x).exp()
        y.sum().item()
    graph.increment_version([x])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = (x * 1).exp()
    graph.increment_version(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(NotImplementedError, match="rg.plans"):
        profiler.profile()
    assert profiler.record_function("f")(abs)(-1) == 1


def test_anomalies_are_found_by_grad_too():
    x = leaf(0.0, 1.0)
    with rg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="sqrt"):
        grad((x.sqrt() * 0).sum(), x)
    assert grad((x * 2).sum(), x)[0].tolist() == [2.0, 2.0]
