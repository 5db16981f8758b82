"""What the lectures say about learning, row by row, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.optim import lr_scheduler
from retrograd.utils.data import (
    ClassBalancedSampler,
    DataLoader,
    Normalize,
    TensorDataset,
)

Array = np.ndarray[Any, Any]
f64 = {"dtype": rg.float64}


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(5)


def least_squares_problem(
    numbers: np.random.Generator, copies: int = 1
) -> tuple[Array, Array, Array]:
    """Points, targets and the best weights; *copies* makes the samples redundant."""
    X = np.tile(numbers.normal(size=(40, 3)), (copies, 1))
    y = X @ np.array([1.0, -2.0, 0.5]) + 0.05 * np.tile(numbers.normal(size=40), copies)
    return X, y, np.linalg.lstsq(X, y, rcond=None)[0]


def distance(X: rg.Tensor, y: rg.Tensor, w: rg.Tensor) -> rg.Tensor:
    return ((X @ w - y) ** 2).mean()


# C1: batch, stochastic and minibatch gradient descent


def test_C1_full_batch_descent_is_its_closed_form(numbers: np.random.Generator) -> None:
    """w ← w − η ∂L/∂w on a quadratic: w_t − w* = (I − ηH)^t (w_0 − w*)."""
    X, y, best = least_squares_problem(numbers)
    w = rg.zeros(3, **f64, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=0.1)
    inputs, targets = rg.tensor(X, **f64), rg.tensor(y, **f64)
    for _ in range(25):
        optimizer.zero_grad()
        distance(inputs, targets, w).backward()
        optimizer.step()
    shrink = np.eye(3) - 0.1 * (2 / len(y)) * X.T @ X
    expected = best + np.linalg.matrix_power(shrink, 25) @ -best
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-10)


def test_C1_stochastic_descent_follows_one_sample_at_a_time(
    numbers: np.random.Generator,
) -> None:
    X, y, _ = least_squares_problem(numbers)
    w = rg.zeros(3, **f64, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=0.02)
    expected = np.zeros(3)
    for p in numbers.permutation(len(y)):
        optimizer.zero_grad()
        inputs, targets = rg.tensor(X[p], **f64), rg.tensor(y[p], **f64)
        distance(inputs, targets, w).backward()
        optimizer.step()
        expected = expected - 0.02 * 2 * (X[p] @ expected - y[p]) * X[p]
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-10)


def path(X: Array, y: Array, batch: int, epochs: int, rate: float) -> list[Array]:
    """The trajectory of the weights, with shuffled minibatches."""
    rg.manual_seed(1)
    w = rg.zeros(3, **f64, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=rate)
    data = TensorDataset(rg.tensor(X, **f64), rg.tensor(y, **f64))
    points = [w.detach().numpy().copy()]
    for _ in range(epochs):
        for inputs, targets in DataLoader(data, batch_size=batch, shuffle=True):
            optimizer.zero_grad()
            distance(inputs, targets, w).backward()
            optimizer.step()
            points.append(w.detach().numpy().copy())
    return points


def test_C1_the_stochastic_path_is_noisy_and_the_batch_path_is_not(
    numbers: np.random.Generator,
) -> None:
    """Near the minimum every batch step points downhill; single samples pull about."""
    X, y, _ = least_squares_problem(numbers)
    cost = [
        [float(((X @ w - y) ** 2).mean()) for w in path(X, y, batch, 10, 0.05)]
        for batch in (40, 1)
    ]
    uphill = [np.mean(np.diff(c) > 0) for c in cost]
    assert uphill[0] == 0.0
    assert 0.2 < uphill[1] < 0.8


def test_C1_redundant_samples_make_the_stochastic_path_win(
    numbers: np.random.Generator,
) -> None:
    """The same forty samples, twenty times over. After one pass over the data (as many
    samples seen), minibatches are near the minimum and one batch step is not."""
    X, y, best = least_squares_problem(numbers, copies=20)
    whole = np.linalg.norm(path(X, y, len(y), 1, 0.1)[-1] - best)
    mini = np.linalg.norm(path(X, y, 10, 1, 0.1)[-1] - best)
    assert mini < 0.1 * whole


# C3: momentum, Adam and schedules


def one_parameter(optimizer: Any, gradients: list[float], **how: Any) -> list[float]:
    w = rg.tensor(1.0, **f64, requires_grad=True)
    chosen = optimizer([w], **how)
    values = []
    for g in gradients:
        chosen.zero_grad()
        (w * g).backward()
        chosen.step()
        values.append(w.item())
    return values


GRADIENTS = [0.5, -1.0, 2.0, 0.25, -0.125]


def test_C3_momentum() -> None:
    """v ← μv + g, w ← w − ηv."""
    w, v, expected = 1.0, 0.0, []
    for g in GRADIENTS:
        v = 0.9 * v + g
        w -= 0.1 * v
        expected.append(w)
    found = one_parameter(rg.optim.SGD, GRADIENTS, lr=0.1, momentum=0.9)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_C3_nesterov() -> None:
    """v ← μv + g, w ← w − η(g + μv)."""
    w, v, expected = 1.0, 0.0, []
    for g in GRADIENTS:
        v = 0.9 * v + g
        w -= 0.1 * (g + 0.9 * v)
        expected.append(w)
    how = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    found = one_parameter(rg.optim.SGD, GRADIENTS, **how)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_C3_adam() -> None:
    """m, v: running means of g and g², without their bias towards 0;
    w ← w − η m̂/(√v̂ + ε)."""
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        expected.append(w)
    found = one_parameter(rg.optim.Adam, GRADIENTS, lr=0.01)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_C3_adagrad_and_rmsprop() -> None:
    w, total, expected = 1.0, 0.0, []
    for g in GRADIENTS:
        total += g * g
        w -= 0.1 * g / (np.sqrt(total) + 1e-10)
        expected.append(w)
    found = one_parameter(rg.optim.Adagrad, GRADIENTS, lr=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
    w, mean, expected = 1.0, 0.0, []
    for g in GRADIENTS:
        mean = 0.99 * mean + 0.01 * g * g
        w -= 0.1 * g / (np.sqrt(mean) + 1e-8)
        expected.append(w)
    found = one_parameter(rg.optim.RMSprop, GRADIENTS, lr=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def rates(make: Any, epochs: int) -> list[float]:
    w = rg.zeros(1, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=1.0)
    schedule = make(optimizer)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        w.sum().backward()
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda o: lr_scheduler.StepLR(o, 10, gamma=0.5), lambda t: 0.5 ** (t // 10)),
        (
            lambda o: lr_scheduler.MultiStepLR(o, [5, 12], gamma=0.1),
            lambda t: 0.1 ** ((t >= 5) + (t >= 12)),
        ),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda t: 0.9**t),
        (
            lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=25, eta_min=0.1),
            lambda t: 0.1 + 0.45 * (1 + np.cos(np.pi * t / 25)),
        ),
        (
            lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
            lambda t: 1 / (1 + t),
        ),
    ],
    ids=["StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LambdaLR"],
)
def test_C3_schedules(make: Any, rate: Any) -> None:
    expected = [rate(t) for t in range(25)]
    np.testing.assert_allclose(rates(make, 25), expected, rtol=1e-9)


def test_C3_a_schedule_is_what_the_steps_use() -> None:
    """With gradient 1 the weight walks the sum of the rates."""
    w = rg.zeros(1, **f64, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    for _ in range(6):
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()
        schedule.step()
    assert w.item() == -(1 + 1 + 0.5 + 0.5 + 0.25 + 0.25)


# C7: weight decay


def test_C7_l2_decay_shrinks_the_weights_first(numbers: np.random.Generator) -> None:
    """L = C + α‖w‖²: w ← (1 − 2ηα)w − η∂C/∂w, by the loss, by weight_decay = 2α, or as
    it is written."""
    eta, alpha = 0.1, 0.03
    X, y, _ = least_squares_problem(numbers)
    inputs, targets = rg.tensor(X, **f64), rg.tensor(y, **f64)
    in_loss, decayed = (rg.ones(3, **f64, requires_grad=True) for _ in range(2))
    optimizers = [
        rg.optim.SGD([in_loss], lr=eta),
        rg.optim.SGD([decayed], lr=eta, weight_decay=2 * alpha),
    ]
    w = np.ones(3)
    for _ in range(10):
        for optimizer in optimizers:
            optimizer.zero_grad()
        (distance(inputs, targets, in_loss) + alpha * (in_loss**2).sum()).backward()
        distance(inputs, targets, decayed).backward()
        for optimizer in optimizers:
            optimizer.step()
        dC_dw = 2 * X.T @ (X @ w - y) / len(y)
        w = (1 - 2 * eta * alpha) * w - eta * dC_dw
    np.testing.assert_allclose(in_loss.detach().numpy(), w, rtol=1e-12)
    np.testing.assert_allclose(decayed.detach().numpy(), w, rtol=1e-12)


def test_C7_l1_brings_useless_weights_to_exactly_zero(
    numbers: np.random.Generator,
) -> None:
    """L = C + α Σ|w|: a gradient step on C, then the proximal step
    w ← sign(w)·max(|w| − ηα, 0), which lands on 0 and stays there."""
    X = numbers.normal(size=(200, 6))
    useful = np.array([2.0, 0.0, 0.0, -1.5, 0.0, 0.0])
    y = X @ useful + 0.01 * numbers.normal(size=200)
    inputs, targets = rg.tensor(X, **f64), rg.tensor(y, **f64)
    w = rg.ones(6, **f64, requires_grad=True)
    eta, alpha = 0.1, 0.2
    optimizer = rg.optim.SGD([w], lr=eta)
    for _ in range(200):
        optimizer.zero_grad()
        distance(inputs, targets, w).backward()
        optimizer.step()
        with rg.no_grad():
            w.copy_(w.sign() * (w.abs() - eta * alpha).clamp(min=0.0))
    found = w.detach().numpy()
    np.testing.assert_array_equal(found == 0.0, useful == 0.0)
    # The optimum: 0 ∈ ∂C/∂w + α sign(w) where w ≠ 0, and |∂C/∂w| ≤ α where w = 0.
    slope = 2 * X.T @ (X @ found - y) / len(y)
    np.testing.assert_allclose(slope[found != 0], -alpha * np.sign(found[found != 0]))
    assert (np.abs(slope[found == 0]) <= alpha).all()


def test_C7_subgradient_of_the_absolute_value_is_its_sign() -> None:
    w = rg.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    w.abs().sum().backward()
    assert w.grad.tolist() == [-1.0, 0.0, 1.0]


# C8: dropout


def test_C8_dropout_zeroes_half_of_the_inputs_and_keeps_the_mean() -> None:
    layer = nn.Dropout(0.5)
    x = rg.ones(100, 100, requires_grad=True)
    y = layer(x)
    values = y.detach().numpy()
    assert set(np.unique(values)) == {0.0, 2.0}
    assert np.mean(values == 0) == pytest.approx(0.5, abs=0.02)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)  # the same units are off
    assert not np.array_equal(layer(x).detach().numpy(), values)  # others the next time


def test_C8_dropout_is_off_when_evaluating() -> None:
    model = nn.Sequential(nn.Dropout(0.5))
    x = rg.ones(10)
    assert model.eval()(x).tolist() == x.tolist()
    assert 0.0 in model.train()(rg.ones(100)).tolist()


# C9: shuffling, balance, normalisation


def sorted_digits() -> tuple[rg.Tensor, rg.Tensor]:
    """Three classes that are easy to tell apart, one after the other."""
    numbers = np.random.default_rng(2)
    centres = np.repeat(3 * np.eye(3), 60, axis=0)
    x = centres + 0.3 * numbers.normal(size=centres.shape)
    return rg.tensor(x, dtype=rg.float32), rg.tensor(np.repeat([0, 1, 2], 60).tolist())


def last_bias_class(shuffle: bool) -> tuple[list[int], float]:
    """Which class the last layer's bias prefers after each third of an epoch, and the
    accuracy at the end."""
    rg.manual_seed(0)
    x, labels = sorted_digits()
    model = nn.Linear(3, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = rg.optim.SGD(model.parameters(), lr=1.0)
    loader = DataLoader(TensorDataset(x, labels), batch_size=10, shuffle=shuffle)
    preferred = []
    for i, (inputs, targets) in enumerate(loader):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        if i % 6 == 5:
            preferred.append(int(model.bias.argmax()))
    accuracy = (model(x).argmax(dim=1) == labels).float().mean().item()
    return preferred, accuracy


def test_C9_without_shuffling_the_last_bias_follows_the_class_of_the_day() -> None:
    preferred, _ = last_bias_class(shuffle=False)
    assert preferred == [0, 1, 2]


def test_C9_with_shuffling_it_learns_in_the_same_number_of_steps() -> None:
    _, sorted_accuracy = last_bias_class(shuffle=False)
    preferred, accuracy = last_bias_class(shuffle=True)
    assert preferred != [0, 1, 2]
    assert accuracy > 0.98
    assert accuracy >= sorted_accuracy


def test_C9_shuffling_visits_every_sample_once_and_anew_each_epoch() -> None:
    loader = DataLoader(TensorDataset(rg.arange(50)), batch_size=7, shuffle=True)
    epochs = [[i for (batch,) in loader for i in batch.tolist()] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50))
    assert epochs[0] != epochs[1] != list(range(50))


def test_C9_every_class_in_every_minibatch() -> None:
    """Nine samples of one class to one of another: each batch holds both evenly."""
    labels = [0] * 90 + [1] * 10
    data = TensorDataset(rg.tensor(labels))
    loader = DataLoader(data, batch_size=10, sampler=ClassBalancedSampler(labels))
    batches = [batch.tolist() for (batch,) in loader]
    assert len(batches) == 10
    assert all(sorted(batch) == [0] * 5 + [1] * 5 for batch in batches)


def test_C9_inputs_are_normalised_per_feature_with_max_of_sigma_and_epsilon(
    numbers: np.random.Generator,
) -> None:
    """x′ = (x − m)/max(σ, ε): a feature that never varies becomes 0, not NaN."""
    X = numbers.normal(size=(50, 3)) * [1.0, 100.0, 0.0] + [0.0, -7.0, 4.0]
    normalise = Normalize(eps=1e-3).fit(rg.tensor(X, **f64))
    found = normalise(rg.tensor(X, **f64)).numpy()
    expected = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-3)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(found[:, :2].std(axis=0), 1.0)
    np.testing.assert_allclose(found[:, 2], 0.0, atol=1e-12)
    # New data are measured by the training data, not by themselves.
    one = normalise(rg.tensor(X[:1] + 1.0, **f64)).numpy()
    shift = 1 / np.maximum(X.std(axis=0), 1e-3)
    np.testing.assert_allclose(one, found[:1] + shift, atol=1e-9)


def test_C9_images_are_normalised_per_colour_channel(
    numbers: np.random.Generator,
) -> None:
    """One mean and one deviation for all the reds, one for the greens, one for the
    blues; here under water, where red is almost absent."""
    scale = np.array([0.0, 0.2, 0.5]).reshape(3, 1, 1)
    X = scale * numbers.uniform(size=(20, 3, 4, 5))
    found = Normalize(eps=1e-2).fit(rg.tensor(X, **f64))(rg.tensor(X, **f64)).numpy()
    m = X.mean(axis=(0, 2, 3), keepdims=True)
    sigma = X.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(found, (X - m) / np.maximum(sigma, 1e-2), atol=1e-12)
    np.testing.assert_allclose(found.std(axis=(0, 2, 3)), [0.0, 1.0, 1.0], atol=1e-9)
