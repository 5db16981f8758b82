"""Normalisation: per feature, per channel, by the numbers of the training data."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils.data import Normalize, standardize


def test_features() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) * [1, 50, 0] + [3, -4, 7]
    train, test = standardize(rg.tensor(x[:150]), rg.tensor(x[150:]), eps=1e-3)
    np.testing.assert_allclose(train.numpy().mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(train.numpy().std(0), [1, 1, 0], atol=1e-12)
    mean, scale = x[:150].mean(0), np.maximum(x[:150].std(0), 1e-3)
    np.testing.assert_allclose(test.numpy(), (x[150:] - mean) / scale, rtol=1e-10)


@pytest.mark.parametrize("shape", [(20, 3, 4, 5), (20, 3, 9), (20, 3, 2, 2, 2)])
def test_channels(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random(shape)
    x[:, 1] *= 40
    normalize = Normalize().fit(rg.tensor(x))
    y = normalize(rg.tensor(x)).numpy()
    axes = (0, *range(2, x.ndim))
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axes), 1)
    np.testing.assert_allclose(normalize.inverse(rg.tensor(y)).numpy(), x)
    assert normalize(rg.tensor(x[0])).shape == shape[1:]  # one image alone


def test_one_number_per_sample() -> None:
    assert standardize(rg.tensor([1.0, 3.0])).tolist() == [-1.0, 1.0]


def test_types_and_state() -> None:
    single = Normalize().fit(rg.tensor([[1.0], [2.0]]))
    assert single.mean.dtype is single.scale.dtype is rg.float32
    bytes_ = Normalize().fit(rg.tensor([[0], [255]], dtype=rg.uint8))
    assert bytes_(rg.tensor([[255]], dtype=rg.uint8)).tolist() == [[1.0]]
    # large offsets do not eat the deviation, as sums in single precision would
    far = rg.tensor([[1e4 + 0.5], [1e4 - 0.5]] * 1000)
    assert Normalize().fit(far).scale.item() == pytest.approx(0.5, rel=1e-3)
    other = Normalize()
    other.load_state_dict(single.state_dict())
    assert other(rg.tensor([[1.0]])).tolist() == [[-1.0]]


def test_gradients_flow_through() -> None:
    x = rg.tensor([[1.0], [3.0]], requires_grad=True)
    Normalize().fit(x)(x).sum().backward()
    assert x.grad.tolist() == [[1.0], [1.0]]


def test_errors() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Normalize().fit(rg.tensor([[float("nan")]]))
    with pytest.raises(ValueError, match="shape"):
        Normalize().fit(rg.zeros(0, 3))
    with pytest.raises(ValueError, match="eps"):
        Normalize(eps=0)
    with pytest.raises(RuntimeError, match="fit"):
        Normalize()(rg.zeros(1, 1))
