"""What the lectures say about the engine, row by row, against closed forms."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

Array = np.ndarray[Any, Any]
f64 = {"dtype": rg.float64}


def close(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    expected = np.asarray(expected)
    found = found.detach().numpy()
    assert found.shape == expected.shape
    scale = float(np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(7)


# A1: parametrised models


def test_A1_linear_model_and_squared_distance(numbers: np.random.Generator) -> None:
    """ȳ = Σ wᵢxᵢ, C = (y − ȳ)², so dC/dw = −2(y − ȳ)x."""
    x, w, y = numbers.normal(size=5), numbers.normal(size=5), 1.5
    weights = rg.tensor(w, **f64, requires_grad=True)
    cost = (y - (weights * rg.tensor(x, **f64)).sum()) ** 2
    cost.backward()
    close(cost, (y - w @ x) ** 2)
    close(weights.grad, -2 * (y - w @ x) * x)


def test_A1_nearest_neighbour(numbers: np.random.Generator) -> None:
    """ȳ = argmin_k ‖x − w_k‖²: a model need not be differentiable to be a model."""
    rows, x = numbers.normal(size=(6, 3)), numbers.normal(size=3)
    w = rg.tensor(rows, **f64, requires_grad=True)
    k = ((rg.tensor(x, **f64) - w) ** 2).sum(dim=1).argmin()
    assert k.item() == ((x - rows) ** 2).sum(axis=1).argmin()
    assert k.dtype is rg.int64
    assert not k.requires_grad


def test_A1_any_function_with_parameters_shared_across_samples() -> None:
    """A parameter inside a module serves every sample: its gradient is their sum."""

    class Power(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.exponent = nn.Parameter(rg.tensor(2.0, **f64))

        def forward(self, x: rg.Tensor) -> rg.Tensor:
            return x**self.exponent

    model = Power()
    assert [name for name, _ in model.named_parameters()] == ["exponent"]
    x = np.array([0.5, 1.5, 3.0])
    model(rg.tensor(x, **f64)).sum().backward()
    close(model.exponent.grad, (x**2 * np.log(x)).sum())


# A3: the loss of one sample and of a set


def test_A3_average_loss_is_the_mean_of_the_samples_losses(
    numbers: np.random.Generator,
) -> None:
    """L(S, w) = 1/P Σ L(x, y, w), and so are the gradients."""
    model = nn.Linear(3, 2, **f64)
    x = rg.tensor(numbers.normal(size=(8, 3)), **f64)
    y = rg.tensor(numbers.normal(size=(8, 2)), **f64)

    def loss(x: rg.Tensor, y: rg.Tensor) -> rg.Tensor:
        return ((y - model(x)) ** 2).sum(dim=-1)

    losses, gradients = [], []
    for p in range(8):
        model.zero_grad()
        one = loss(x[p], y[p])
        one.backward()
        assert model.weight.grad is not None
        losses.append(one.item())
        gradients.append(model.weight.grad.numpy().copy())
    model.zero_grad()
    average = loss(x, y).mean()
    average.backward()
    close(average, np.mean(losses))
    close(model.weight.grad, np.mean(gradients, axis=0))


# A4: the chain rule


def test_A4_through_a_non_linear_function(numbers: np.random.Generator) -> None:
    """dC/ds = dC/dz · h′(s), with h = tanh and a given dC/dz."""
    s, dC_dz = numbers.normal(size=4), numbers.normal(size=4)
    state = rg.tensor(s, **f64, requires_grad=True)
    state.tanh().backward(rg.tensor(dC_dz, **f64))
    close(state.grad, dC_dz * (1 - np.tanh(s) ** 2))


def test_A4_through_a_chain_of_non_linear_functions() -> None:
    """One multiplication by h′ for each function of the chain."""
    s = rg.tensor(0.7, **f64, requires_grad=True)
    s.sin().exp().tanh().backward()
    a, b = np.sin(0.7), np.exp(np.sin(0.7))
    close(s.grad, (1 - np.tanh(b) ** 2) * np.exp(a) * np.cos(0.7))


def test_A4_through_a_weighted_sum(numbers: np.random.Generator) -> None:
    """One z feeds several s[i] = w[i]·z: dC/dz = Σ dC/ds[i]·w[i]."""
    w, dC_ds = numbers.normal(size=3), numbers.normal(size=3)
    z = rg.tensor(0.9, **f64, requires_grad=True)
    s = [w_i * z for w_i in w.tolist()]
    cost = sum((d * s_i for d, s_i in zip(dC_ds.tolist(), s, strict=True)), start=z * 0)
    cost.backward()
    close(z.grad, dC_ds @ w)


def test_A4_through_a_functional_module(numbers: np.random.Generator) -> None:
    """[1×d_f] = [1×d_g]·[d_g×d_f]: a row-vector gradient times a Jacobian."""
    d_f, d_g = 4, 3
    W, z = numbers.normal(size=(d_g, d_f)), numbers.normal(size=(d_f, 1))
    row = numbers.normal(size=(1, d_g))
    z_f = rg.tensor(z, **f64, requires_grad=True)
    z_g = rg.sin(rg.tensor(W, **f64) @ z_f)
    cost = rg.tensor(row, **f64) @ z_g
    assert cost.shape == (1, 1)
    cost.backward()
    jacobian = np.cos(W @ z) * W
    assert jacobian.shape == (d_g, d_f)
    close(z_f.grad, (row @ jacobian).T)


def test_A4_through_a_multi_stage_graph(numbers: np.random.Generator) -> None:
    """Module k has two Jacobians, to its state z_k and to its weights w_k, and the
    gradient of the next state multiplies both."""
    x = numbers.normal(size=3)
    W = [numbers.normal(size=(3, 3)) for _ in range(4)]
    weights = [rg.tensor(w, **f64, requires_grad=True) for w in W]
    z = rg.tensor(x, **f64, requires_grad=True)
    states: list[rg.Tensor] = [z]
    for w in weights:
        states.append(rg.tanh(w @ states[-1]))
        states[-1].retain_grad()
    (states[-1] ** 2).sum().backward()

    values = [x]
    for w in W:
        values.append(np.tanh(w @ values[-1]))
    gradient = 2 * values[-1]
    for k in reversed(range(4)):
        close(states[k + 1].grad, gradient)
        through = gradient * (1 - values[k + 1] ** 2)
        close(weights[k].grad, np.outer(through, values[k]))  # ∂z_{k+1}/∂w_k
        gradient = through @ W[k]  # ∂z_{k+1}/∂z_k
    close(z.grad, gradient)


# A8: any acyclic graph


def test_A8_gradients_of_a_duplicated_value_add() -> None:
    x = rg.tensor(1.3, **f64, requires_grad=True)
    a, b = x.sin(), x.exp()
    (a * b).backward()
    close(x.grad, np.cos(1.3) * np.exp(1.3) + np.sin(1.3) * np.exp(1.3))


def test_A8_a_value_used_twice_by_one_operation() -> None:
    x = rg.tensor([2.0, -3.0], **f64, requires_grad=True)
    (x * x).sum().backward()
    close(x.grad, [4.0, -6.0])


def test_A8_skips_and_branches_in_partial_order(numbers: np.random.Generator) -> None:
    """A diamond with a skip: y = u·v + x, u = sin x, v = cos u."""
    x = numbers.normal(size=4)
    leaf = rg.tensor(x, **f64, requires_grad=True)
    u = leaf.sin()
    v = u.cos()
    (u * v + leaf).sum().backward()
    u_ = np.sin(x)
    close(leaf.grad, (np.cos(u_) - u_ * np.sin(u_)) * np.cos(x) + 1)


def test_A8_shared_module_collects_from_each_use(numbers: np.random.Generator) -> None:
    """The same layer applied twice: the sum of what two separate layers would get."""
    shared = nn.Linear(3, 3, **f64)
    first, second = nn.Linear(3, 3, **f64), nn.Linear(3, 3, **f64)
    for layer in (first, second):
        layer.load_state_dict(shared.state_dict())
    x = rg.tensor(numbers.normal(size=(5, 3)), **f64)
    shared(shared(x).tanh()).pow(2).sum().backward()
    second(first(x).tanh()).pow(2).sum().backward()
    for name in ("weight", "bias"):
        parts = [getattr(layer, name).grad for layer in (first, second)]
        close(getattr(shared, name).grad, (parts[0] + parts[1]).numpy())


def test_A8_tied_parameter_is_one_parameter() -> None:
    encoder, decoder = nn.Linear(3, 3), nn.Linear(3, 3)
    decoder.weight = encoder.weight
    model = nn.Sequential(encoder, decoder)
    assert len(list(model.parameters())) == 3  # one weight, two biases


def test_A8_a_deep_chain_needs_no_recursion() -> None:
    x = rg.tensor(1.0, **f64, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 0.9999
    y.backward()
    close(x.grad, 0.9999**20_000, rtol=1e-9)


# A9: autograd as users know it


def test_A9_requires_grad_spreads_and_leaves_are_leaves() -> None:
    a, b = rg.ones(2, requires_grad=True), rg.ones(2)
    assert a.is_leaf and b.is_leaf
    assert not b.requires_grad
    c = a * b
    assert c.requires_grad and not c.is_leaf
    assert c.grad_fn is not None
    assert a.grad_fn is None
    assert not (b + b).requires_grad
    assert all(p.requires_grad for p in nn.Linear(2, 2).parameters())


def test_A9_grad_is_none_until_backward() -> None:
    model = nn.Linear(2, 1)
    loss = model(rg.ones(3, 2)).sum()
    assert model.weight.grad is None
    loss.backward()
    assert model.weight.grad is not None
    assert model.weight.grad.shape == model.weight.shape


def test_A9_backward_moves_no_weight_and_step_does() -> None:
    model = nn.Linear(2, 1)
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.detach().clone().numpy()
    model(rg.ones(3, 2)).sum().backward()
    np.testing.assert_array_equal(model.weight.detach().numpy(), before)
    optimizer.step()
    np.testing.assert_allclose(model.weight.detach().numpy(), before - 0.3, rtol=1e-6)


def test_A9_gradients_accumulate_until_zero_grad() -> None:
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=0.1)
    for k in range(1, 6):
        (w**2).sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), [2.0 * k, 4.0 * k])
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(w.grad.numpy(), [0.0, 0.0])
    optimizer.zero_grad()
    assert w.grad is None


def test_A9_no_grad_records_no_history() -> None:
    w = rg.ones(2, requires_grad=True)
    with rg.no_grad():
        y = w * 2
        assert not y.requires_grad
        with rg.enable_grad():
            assert (w * 2).requires_grad
        w -= 0.5
    assert (w * 2).requires_grad
    np.testing.assert_array_equal(w.detach().numpy(), [0.5, 0.5])

    @rg.no_grad()
    def predict(x: rg.Tensor) -> rg.Tensor:
        return x * 2

    assert not predict(w).requires_grad


def test_A9_detach_stops_the_gradient_and_shares_the_memory() -> None:
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    constant = w.detach()
    (w * constant).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [1.0, 2.0])
    with rg.no_grad():
        w.fill_(5.0)
    assert constant.tolist() == [5.0, 5.0]


def test_A9_backward_twice_needs_retain_graph() -> None:
    w = rg.tensor(3.0, requires_grad=True)
    y = w**2
    y.backward(retain_graph=True)
    y.backward()
    assert w.grad.item() == 12.0
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_A9_backward_starts_from_a_scalar_or_a_given_vector() -> None:
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="scalar"):
        (w * 2).backward()
    (w * 2).backward(rg.tensor([1.0, -1.0]))
    assert w.grad.tolist() == [2.0, -2.0]


def test_A9_chained_vector_jacobian_product(numbers: np.random.Generator) -> None:
    """∇ₓℓ = J₁ᵀ J₂ᵀ J₃ᵀ J₄ᵀ · v."""
    sizes = [5, 4, 6, 3, 2]
    W = [numbers.normal(size=(m, n)) for n, m in itertools.pairwise(sizes)]
    x, v = numbers.normal(size=5), numbers.normal(size=2)
    leaf = rg.tensor(x, **f64, requires_grad=True)
    y, value, jacobians = leaf, x, []
    for w in W:
        y = rg.sigmoid(rg.tensor(w, **f64) @ y)
        value = 1 / (1 + np.exp(-w @ value))
        jacobians.append((value * (1 - value))[:, None] * w)
    y.backward(rg.tensor(v, **f64))
    J1, J2, J3, J4 = jacobians
    close(leaf.grad, J1.T @ J2.T @ J3.T @ J4.T @ v, rtol=1e-11)


def test_A9_grad_returns_what_backward_stores() -> None:
    w = rg.tensor([1.0, 2.0], **f64, requires_grad=True)
    unused = rg.ones(3, requires_grad=True)
    found = rg.autograd.grad((w**3).sum(), (w, unused), allow_unused=True)
    close(found[0], [3.0, 12.0])
    assert found[1] is None
    assert w.grad is None


def test_A9_hessian_vector_product(numbers: np.random.Generator) -> None:
    """Reverse over reverse: the gradient of ⟨∇f, v⟩ is Hv, here of f = ½ xᵀAx + Σx⁴."""
    A = numbers.normal(size=(4, 4))
    x, v = numbers.normal(size=4), numbers.normal(size=4)
    leaf = rg.tensor(x, **f64, requires_grad=True)
    f = 0.5 * (leaf @ rg.tensor(A, **f64) @ leaf) + (leaf**4).sum()
    (gradient,) = rg.autograd.grad(f, leaf, create_graph=True)
    (product,) = rg.autograd.grad((gradient * rg.tensor(v, **f64)).sum(), leaf)
    close(gradient, 0.5 * (A + A.T) @ x + 4 * x**3)
    close(product, 0.5 * (A + A.T) @ v + 12 * x**2 * v)


def test_A9_hessian_row_by_row() -> None:
    """f = x²y³: H = [[2y³, 6xy²], [6xy², 6x²y]]."""
    p = rg.tensor([1.5, -0.5], **f64, requires_grad=True)
    f = p[0] ** 2 * p[1] ** 3
    (g,) = rg.autograd.grad(f, p, create_graph=True)
    rows = [rg.autograd.grad(g[i], p, retain_graph=True)[0] for i in range(2)]
    x, y = 1.5, -0.5
    expected = [[2 * y**3, 6 * x * y**2], [6 * x * y**2, 6 * x**2 * y]]
    close(rg.stack(rows), expected)


def test_A9_derivatives_of_any_order() -> None:
    """dⁿ/dxⁿ sin x = sin(x + nπ/2)."""
    x = rg.tensor(0.6, **f64, requires_grad=True)
    y = x.sin()
    for n in range(1, 7):
        (y,) = rg.autograd.grad(y, x, create_graph=True)
        close(y, np.sin(0.6 + n * np.pi / 2), rtol=1e-11)
