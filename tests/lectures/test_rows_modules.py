"""What the lectures say about modules, losses and initialisation: closed forms."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

Array = np.ndarray[Any, Any]
f64 = {"dtype": rg.float64}


def close(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    expected = np.asarray(expected)
    found = found.detach().numpy()
    assert found.shape == expected.shape
    scale = float(np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


def leaf(values: Any) -> rg.Tensor:
    return rg.tensor(values, **f64, requires_grad=True)


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(11)


# B1: basic modules and their derivatives


def test_B1_linear(numbers: np.random.Generator) -> None:
    """Y = W·X: dC/dX = Wᵀ·dC/dY, dC/dW = dC/dY·Xᵀ."""
    W, X = numbers.normal(size=(3, 4)), numbers.normal(size=(4, 5))
    G = numbers.normal(size=(3, 5))
    w, x = leaf(W), leaf(X)
    (w @ x).backward(rg.tensor(G, **f64))
    close(x.grad, W.T @ G)
    close(w.grad, G @ X.T)


def test_B1_linear_module(numbers: np.random.Generator) -> None:
    """The module holds Y = XWᵀ + b, one sample a row; db sums over the samples."""
    layer = nn.Linear(4, 3, **f64)
    X, G = numbers.normal(size=(5, 4)), numbers.normal(size=(5, 3))
    x = leaf(X)
    y = layer(x)
    y.backward(rg.tensor(G, **f64))
    W, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    close(y, X @ W.T + b)
    close(x.grad, G @ W)
    close(layer.weight.grad, G.T @ X)
    close(layer.bias.grad, G.sum(axis=0))


def test_B1_relu() -> None:
    x = leaf([-2.0, -0.5, 0.0, 0.5, 2.0])
    y = nn.ReLU()(x)
    y.backward(rg.tensor([1.0, 2.0, 3.0, 4.0, 5.0], **f64))
    close(y, [0, 0, 0, 0.5, 2])
    close(x.grad, [0, 0, 0, 4, 5])  # at 0 the slope is taken as 0, as PyTorch does


def test_B1_duplicate(numbers: np.random.Generator) -> None:
    """Y₁ = X, Y₂ = X: dC/dX = dC/dY₁ + dC/dY₂, and so for n branches."""
    G = numbers.normal(size=(3, 4))
    x = leaf(numbers.normal(size=4))
    copies = x.expand(3, 4)
    copies.backward(rg.tensor(G, **f64))
    close(x.grad, G.sum(axis=0))


def test_B1_add(numbers: np.random.Generator) -> None:
    G = numbers.normal(size=4)
    a, b = leaf(numbers.normal(size=4)), leaf(numbers.normal(size=4))
    (a + b).backward(rg.tensor(G, **f64))
    close(a.grad, G)
    close(b.grad, G)


def test_B1_max_sends_the_gradient_to_the_larger() -> None:
    a, b = leaf([1.0, 5.0, -2.0]), leaf([3.0, 4.0, -7.0])
    y = rg.maximum(a, b)
    y.backward(rg.tensor([10.0, 20.0, 30.0], **f64))
    close(y, [3.0, 5.0, -2.0])
    close(a.grad, [0.0, 20.0, 30.0])
    close(b.grad, [10.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("module", "value", "slope"),
    [
        (
            nn.Sigmoid,
            lambda s: 1 / (1 + np.exp(-s)),
            lambda s: np.exp(-s) / (1 + np.exp(-s)) ** 2,
        ),
        (nn.Tanh, np.tanh, lambda s: 1 / np.cosh(s) ** 2),
    ],
)
def test_B1_sigmoid_and_tanh(module: Any, value: Any, slope: Any) -> None:
    s = np.linspace(-4, 4, 9)
    x = leaf(s)
    y = module()(x)
    y.sum().backward()
    close(y, value(s))
    close(x.grad, slope(s))


# B2: softmax and log-softmax


@pytest.mark.parametrize("size", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_B2_softmax_is_stable_for_inputs_of_any_size(
    size: float, dtype: rg.dtype
) -> None:
    x = rg.tensor([size, -size, 0.0, size], dtype=dtype, requires_grad=True)
    p = nn.Softmax(dim=0)(x)
    logp = nn.LogSoftmax(dim=0)(x)
    (p[0] + logp[1]).backward()
    for t in (p, logp, x.grad):
        assert bool(rg.isfinite(t).all())
    assert p.sum().item() == pytest.approx(1.0, rel=1e-6)
    shifted = np.array([0.0, -2.0, -1.0, 0.0]) * size
    logs = shifted - np.log(np.exp(shifted).sum())
    np.testing.assert_allclose(logp.detach().numpy(), logs, rtol=1e-5)
    np.testing.assert_allclose(p.detach().numpy(), np.exp(logs), atol=1e-6)


def test_B2_softmax_jacobian(numbers: np.random.Generator) -> None:
    """∂yᵢ/∂xⱼ = yᵢ(δᵢⱼ − yⱼ); of the logarithm: δᵢⱼ − yⱼ."""
    values = numbers.normal(size=4)
    y = np.exp(values) / np.exp(values).sum()
    x = leaf(values)
    plain, logs = F.softmax(x, dim=0), F.log_softmax(x, dim=0)
    for i in range(4):
        unit = np.eye(4)[i]
        (row,) = rg.autograd.grad(plain[i], x, retain_graph=True)
        close(row, y[i] * (unit - y), rtol=1e-11)
        (row,) = rg.autograd.grad(logs[i], x, retain_graph=True)
        close(row, unit - y, rtol=1e-11)


def test_B2_softmax_saturates_and_log_softmax_does_not() -> None:
    """A confident wrong answer: through softmax the gradient has vanished, and its
    logarithm is −∞; log-softmax, one module, still says by how much to move."""
    confident = [30.0, 0.0, -30.0]
    x = leaf(confident)
    ((1 - F.softmax(x, dim=0)[2]) ** 2).backward()
    assert float(x.grad.abs().max()) < 1e-20

    x = leaf([1000.0, 0.0, -1000.0])
    assert F.softmax(x, dim=0).log()[2].item() == -math.inf
    loss = -F.log_softmax(x, dim=0)[2]
    loss.backward()
    assert loss.item() == 2000.0
    close(x.grad, [1.0, 0.0, -1.0])


def test_B2_sigmoid_saturates_and_its_loss_on_logits_does_not() -> None:
    """log(e^s / (e^s + 1)) = s − log(1 + e^s): finite, of slope 1, where σ(s) is 0."""
    s = leaf(-800.0)
    rg.sigmoid(s).backward()
    assert s.grad.item() == 0.0
    s = leaf(-800.0)
    loss = F.binary_cross_entropy_with_logits(s, rg.tensor(1.0, **f64))
    loss.backward()
    assert loss.item() == 800.0
    assert s.grad.item() == -1.0


# B3: losses


def test_B3_squared_errors(numbers: np.random.Generator) -> None:
    """MSE divides by the number of elements; ‖y − ȳ‖² does not."""
    P, Y = numbers.normal(size=(6, 3)), numbers.normal(size=(6, 3))
    p, y = leaf(P), rg.tensor(Y, **f64)
    loss = nn.MSELoss()(p, y)
    loss.backward()
    close(loss, ((P - Y) ** 2).mean())
    close(p.grad, 2 * (P - Y) / P.size)
    p.grad = None
    total = nn.MSELoss(reduction="sum")(p, y)
    total.backward()
    close(total, ((P - Y) ** 2).sum())
    close(p.grad, 2 * (P - Y))
    close((y - p).pow(2).sum(), ((P - Y) ** 2).sum())


def test_B3_cross_entropy(numbers: np.random.Generator) -> None:
    """−log softmax at the label, averaged: dℓ/dx = (softmax − one-hot)/P."""
    X, labels = numbers.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
    x = leaf(X)
    loss = nn.CrossEntropyLoss()(x, rg.tensor(labels.tolist()))
    loss.backward()
    y = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    close(loss, -np.log(y[np.arange(5), labels]).mean())
    close(x.grad, (y - np.eye(4)[labels]) / 5)


def test_B3_cross_entropy_is_nll_of_log_softmax(numbers: np.random.Generator) -> None:
    X, labels = numbers.normal(size=(5, 4)), rg.tensor([0, 3, 1, 1, 2])
    one, two = leaf(X), leaf(X)
    direct = F.cross_entropy(one, labels)
    composed = nn.NLLLoss()(nn.LogSoftmax(dim=1)(two), labels)
    direct.backward()
    composed.backward()
    close(direct, composed.item())
    close(one.grad, two.grad.numpy())


# B4: convolution, pooling, dropout, normalisation


def test_B4_convolution_is_a_sliding_weighted_sum(numbers: np.random.Generator) -> None:
    X, W = numbers.normal(size=(2, 3, 7, 6)), numbers.normal(size=(4, 3, 3, 2))
    b, G = numbers.normal(size=4), numbers.normal(size=(2, 4, 4, 5))
    layer = nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), **f64)
    with rg.no_grad():
        layer.weight.copy_(rg.tensor(W, **f64))
        layer.bias.copy_(rg.tensor(b, **f64))
    x = leaf(X)
    y = layer(x)
    y.backward(rg.tensor(G, **f64))

    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (0, 0)))
    out = np.empty((2, 4, 4, 5))
    d_x, d_w = np.zeros_like(padded), np.zeros_like(W)
    for i in range(4):
        for j in range(5):
            window = padded[:, :, 2 * i : 2 * i + 3, j : j + 2]
            out[:, :, i, j] = np.einsum("nchw,ochw->no", window, W) + b
            g = G[:, :, i, j]
            d_x[:, :, 2 * i : 2 * i + 3, j : j + 2] += np.einsum("no,ochw->nchw", g, W)
            d_w += np.einsum("no,nchw->ochw", g, window)
    close(y, out)
    close(x.grad, d_x[:, :, 1:-1])
    close(layer.weight.grad, d_w)
    close(layer.bias.grad, G.sum(axis=(0, 2, 3)))


def test_B4_pooling(numbers: np.random.Generator) -> None:
    X = numbers.normal(size=(2, 3, 4, 6))
    blocks = X.reshape(2, 3, 2, 2, 3, 2)
    x = leaf(X)
    largest = nn.MaxPool2d(2)(x)
    largest.sum().backward()
    close(largest, blocks.max(axis=(3, 5)))
    chosen = blocks == blocks.max(axis=(3, 5), keepdims=True)
    close(x.grad, chosen.reshape(X.shape).astype(float))
    x.grad = None
    average = nn.AvgPool2d(2)(x)
    average.sum().backward()
    close(average, blocks.mean(axis=(3, 5)))
    close(x.grad, np.full(X.shape, 0.25))


def test_B4_normalisation_layers(numbers: np.random.Generator) -> None:
    """Batch norm: each feature over the batch; layer norm: each sample over its own."""
    X, eps = 3 + 2 * numbers.normal(size=(64, 5)), 1e-3
    batch = nn.BatchNorm1d(5, eps=eps, **f64)
    expected = (X - X.mean(0)) / np.sqrt(X.var(0) + eps)
    close(batch(rg.tensor(X, **f64)), expected, rtol=1e-10)
    close(batch.running_mean, 0.1 * X.mean(0))
    running_var = 0.9 + 0.1 * X.var(0, ddof=1)
    close(batch.running_var, running_var)
    batch.eval()
    expected = (X - 0.1 * X.mean(0)) / np.sqrt(running_var + eps)
    close(batch(rg.tensor(X, **f64)), expected)
    layer = nn.LayerNorm(5, eps=eps, **f64)
    expected = (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + eps)
    close(layer(rg.tensor(X, **f64)), expected, rtol=1e-10)


def test_B4_batch_norm_gradient_is_blind_to_shift_and_scale(
    numbers: np.random.Generator,
) -> None:
    """The output does not change along 1 and along x, so the gradient is orthogonal to
    both."""
    x = leaf(numbers.normal(size=(16, 3)))
    layer = nn.BatchNorm1d(3, eps=1e-12, **f64)
    layer(x).backward(rg.tensor(numbers.normal(size=(16, 3)), **f64))
    values, gradient = x.detach().numpy(), x.grad.numpy()
    assert np.abs(gradient).max() > 0.1
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose((gradient * values).sum(axis=0), 0, atol=1e-10)


# B5: initialisation


def variances_through(depth: int, width: int, init: Any) -> list[float]:
    """Var[s_k] of the layers s_k = W_k relu(s_{k-1}), the first on standard inputs."""
    rg.manual_seed(3)
    x = rg.randn(256, width)
    found = []
    for _ in range(depth):
        layer = nn.Linear(width, width)
        init(layer.weight)
        nn.init.zeros_(layer.bias)
        s = layer(x)
        found.append(float(s.detach().numpy().astype(np.float64).var()))
        x = rg.relu(s)
    return found


@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_"])
def test_B5_he_initialisation_keeps_the_variance_through_relu_layers(name: str) -> None:
    """Var[w] = 2/fan_in: a rectifier halves E[s²], and the weights give it back."""
    init = getattr(nn.init, name)
    found = variances_through(10, 256, lambda w: init(w, nonlinearity="relu"))
    assert found[0] == pytest.approx(2.0, rel=0.1)
    ratios = [after / before for before, after in itertools.pairwise(found)]
    assert all(0.6 < r < 1.6 for r in ratios), ratios
    assert 0.3 < found[-1] / found[0] < 3.3


def test_B5_too_small_and_too_large_weights_vanish_and_explode() -> None:
    width = 128
    small = variances_through(20, width, lambda w: nn.init.normal_(w, 0.0, 0.01))
    large = variances_through(20, width, lambda w: nn.init.normal_(w, 0.0, 1.0))
    assert small[-1] < 1e-20
    assert large[-1] > 1e20


def test_B5_bounds_of_the_usual_initialisations() -> None:
    w = rg.empty(200, 300)
    nn.init.kaiming_uniform_(w)  # a = 0: bound √(6/fan_in)
    assert w.abs().max().item() == pytest.approx(math.sqrt(6 / 300), rel=1e-3)
    nn.init.xavier_uniform_(w)  # √(6/(fan_in + fan_out))
    assert w.abs().max().item() == pytest.approx(math.sqrt(6 / 500), rel=1e-3)
    nn.init.xavier_normal_(w)
    assert w.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.02)
    nn.init.orthogonal_(w)
    np.testing.assert_allclose((w @ w.T).numpy(), np.eye(200), atol=1e-5)


def test_B5_zero_bias() -> None:
    layer = nn.Linear(4, 3)
    layer.bias.data.fill_(0.0)
    assert layer.bias.tolist() == [0.0, 0.0, 0.0]
    assert layer.bias.requires_grad
