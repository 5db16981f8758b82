"""Initial weights: their distributions, bounds and errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn import init

SHAPES = [(300, 200), (64, 32, 3, 3)]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def values(w: Any) -> np.ndarray[Any, Any]:
    return np.asarray(w.detach().numpy(), dtype=np.float64)


def is_uniform(w: Any, bound: float) -> None:
    """Within ±bound, close to it at both ends, with mean 0 and variance bound²/3."""
    v = values(w)
    assert np.abs(v).max() <= bound * (1 + 1e-6)
    assert v.max() > 0.99 * bound and v.min() < -0.99 * bound
    assert abs(v.mean()) < 5 * bound / math.sqrt(3 * v.size)
    assert v.var() == pytest.approx(bound**2 / 3, rel=0.03)


def is_normal(w: Any, std: float) -> None:
    """Mean 0, variance std², and the fourth moment of a normal distribution."""
    v = values(w) / std
    assert abs(v.mean()) < 5 / math.sqrt(v.size)
    assert v.var() == pytest.approx(1, rel=0.05)
    assert (v**4).mean() == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_xavier(shape: tuple[int, ...]) -> None:
    w = rg.empty(*shape)
    total = sum(fans(shape))
    assert init.xavier_uniform_(w, gain=2.0) is w
    is_uniform(w, 2 * math.sqrt(6 / total))
    is_normal(init.xavier_normal_(w), math.sqrt(2 / total))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("nonlinearity", ["relu", "leaky_relu", "tanh", "linear"])
def test_kaiming(shape: tuple[int, ...], mode: str, nonlinearity: str) -> None:
    w = rg.empty(*shape)
    fan = fans(shape)[mode == "fan_out"]
    slope = 0.3 if nonlinearity == "leaky_relu" else 0
    gains = {"relu": 2.0, "leaky_relu": 2 / 1.09, "tanh": 25 / 9, "linear": 1.0}
    std = math.sqrt(gains[nonlinearity] / fan)
    is_uniform(init.kaiming_uniform_(w, slope, mode, nonlinearity), math.sqrt(3) * std)
    is_normal(init.kaiming_normal_(w, slope, mode, nonlinearity), std)


def test_plain_distributions() -> None:
    w = rg.empty(200, 300)
    is_uniform(init.uniform_(w, -3.0, 3.0), 3.0)
    assert values(init.uniform_(w)).min() >= 0
    is_normal(init.normal_(w, std=0.2), 0.2)
    assert values(init.normal_(w, 5.0, 0.1)).mean() == pytest.approx(5, abs=0.01)
    assert set(values(init.constant_(w, 2.5)).ravel()) == {2.5}
    assert set(values(init.ones_(w)).ravel()) == {1.0}
    assert set(values(init.zeros_(w)).ravel()) == {0.0}


def test_truncated_normal() -> None:
    """Between two bounds; the variance is that of the truncated distribution."""
    w = rg.empty(300, 300, dtype=rg.float64)
    v = values(init.trunc_normal_(w, mean=1.0, std=2.0, a=-1.0, b=3.0))
    assert v.min() >= -1 and v.max() <= 3 and v.min() < -0.99 and v.max() > 2.99
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    inside = math.erf(1 / math.sqrt(2))
    assert v.mean() == pytest.approx(1.0, abs=0.02)
    assert v.var() == pytest.approx(4 * (1 - 2 * density / inside), rel=0.02)
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(w, mean=100.0, std=1.0)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (8, 4, 3, 3), (30, 30)], ids=str)
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(rg.empty(*shape, dtype=rg.float64), gain=3.0)
    m = values(w).reshape(shape[0], -1)
    gram = m @ m.T if m.shape[0] < m.shape[1] else m.T @ m
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-10)


def test_identities() -> None:
    assert init.eye_(rg.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    x = rg.randn(2, 4, 5, 5)
    for groups, channels in ((1, 4), (2, 2)):
        w = init.dirac_(rg.empty(4, channels, 3, 3), groups)
        out = nn.functional.conv2d(x, w, padding=1, groups=groups)
        np.testing.assert_array_equal(out.numpy(), x.numpy())


def test_sparse() -> None:
    v = values(init.sparse_(rg.empty(50, 40), 0.3, std=2.0))
    assert ((v == 0).sum(axis=0) == 15).all()
    assert v[v != 0].std() == pytest.approx(2.0, rel=0.1)


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("selu") == 0.75
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert init.calculate_gain("leaky_relu", 1) == 1.0
    for name in ("linear", "sigmoid", "conv2d", "conv_transpose3d"):
        assert init.calculate_gain(name) == 1.0


def test_seeds_and_generators() -> None:
    def draw(seed: int) -> Any:
        g = rg.Generator().manual_seed(seed)
        w = rg.empty(5, 5)
        return [
            init.kaiming_uniform_(w, generator=g).tolist(),
            init.orthogonal_(w, generator=g).tolist(),
            init.trunc_normal_(w, generator=g).tolist(),
            init.sparse_(w, 0.5, generator=g).tolist(),
        ]

    assert draw(1) == draw(1) != draw(2)
    weights = []
    for _ in range(2):
        rg.manual_seed(4)
        weights.append(nn.Linear(3, 3).weight.tolist())
    assert weights[0] == weights[1] != nn.Linear(3, 3).weight.tolist()


def test_in_place_and_without_gradients() -> None:
    layer = nn.Linear(4, 4)
    weight, memory = layer.weight, layer.weight.data
    assert init.ones_(layer.weight) is weight
    assert weight.requires_grad and weight.is_leaf
    assert memory.tolist() == [[1.0] * 4] * 4
    init.normal_(layer.weight.data)
    assert weight.tolist() == memory.tolist() != [[1.0] * 4] * 4
    layer(rg.ones(1, 4)).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0] * 4] * 4


def test_types_are_kept() -> None:
    for dtype in (rg.float64, rg.float16):
        w = rg.empty(4, 4, dtype=dtype)
        for name in ("kaiming_normal_", "orthogonal_", "eye_", "trunc_normal_"):
            assert getattr(init, name)(w).dtype is dtype


def test_errors() -> None:
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(rg.empty(3))
    with pytest.raises(ValueError, match="not supported, please use one of"):
        init.kaiming_normal_(rg.empty(3, 3), mode="fan_both")
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        init.calculate_gain("wavy")
    with pytest.raises(ValueError, match="not a valid number"):
        init.calculate_gain("leaky_relu", True)
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(rg.empty(0, 3))


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda: nn.Linear(50, 400), 50),
        (lambda: nn.Conv2d(16, 200, 3, groups=2), 72),
        (lambda: nn.ConvTranspose1d(200, 16, 5), 80),
        (lambda: nn.Bilinear(40, 5, 300), 40),
    ],
)
def test_default_weights_of_layers(layer: Any, fan_in: int) -> None:
    """U(−1/√fan_in, 1/√fan_in), for weights and biases."""
    rg.manual_seed(1)
    made = layer()
    bound = 1 / math.sqrt(fan_in)
    is_uniform(made.weight, bound)
    assert 0.8 * bound < np.abs(values(made.bias)).max() <= bound


def test_default_weights_of_tables_and_norms() -> None:
    table = nn.Embedding(300, 50, padding_idx=3)
    assert not values(table.weight)[3].any()
    is_normal(np_free(table.weight, 3), 1.0)
    norm = nn.BatchNorm1d(4)
    assert norm.weight.tolist() == [1.0] * 4 == norm.running_var.tolist()
    assert norm.bias.tolist() == [0.0] * 4 == norm.running_mean.tolist()
    assert norm.num_batches_tracked.item() == 0
    assert nn.PReLU(3).weight.tolist() == [0.25] * 3


def np_free(w: Any, row: int) -> Any:
    return rg.tensor(np.delete(values(w), row, axis=0))
