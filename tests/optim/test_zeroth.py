"""Optimizers that only ask for values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim.zeroth import CMAES, SPSA, EvolutionStrategy

TARGET = np.array([1.0, -2.0, 0.5])


def bowl(w: Any) -> Any:
    return lambda: ((w - rg.tensor(TARGET, dtype=w.dtype)) ** 2).sum()


def stairs(w: Any) -> Any:
    """A bowl whose value is rounded up to steps of ½: no gradient anywhere."""
    return lambda: ((w - rg.tensor(TARGET, dtype=w.dtype)) ** 2).sum().mul(2).ceil() / 2


CASES = [
    (lambda w: EvolutionStrategy([w], lr=0.1, sigma=0.2, pairs=6), 200),
    (lambda w: EvolutionStrategy([w], lr=0.05, sigma=0.3, pairs=6, ranks=True), 300),
    (lambda w: SPSA([w], lr=0.3, c=0.3), 600),
]


@pytest.mark.parametrize(("make", "steps"), CASES)
@pytest.mark.parametrize("objective", [bowl, stairs])
def test_they_find_the_bottom_without_a_gradient(
    make: Any, steps: int, objective: Any
) -> None:
    rg.manual_seed(0)
    w = rg.zeros(3, dtype=rg.float64, requires_grad=True)
    optimizer = make(w)
    for _ in range(steps):
        optimizer.step(objective(w))
    np.testing.assert_allclose(
        w.tolist(), TARGET, atol=0.7 if objective is stairs else 0.3
    )
    assert w.grad is None


def test_cma_es_finds_the_bottom_of_an_ill_conditioned_bowl() -> None:
    pytest.importorskip("cma", reason="CMA-ES needs the extra [zeroth]")
    w = rg.zeros(3, dtype=rg.float64)
    scale = rg.tensor([1.0, 30.0, 1000.0], dtype=rg.float64)
    optimizer = CMAES([w], sigma=0.5, seed=1)
    for _ in range(120):
        optimizer.step(
            lambda: (scale * (w - rg.tensor(TARGET, dtype=rg.float64)) ** 2).sum()
        )
    np.testing.assert_allclose(w.tolist(), TARGET, atol=1e-3)
    np.testing.assert_allclose(optimizer.best, TARGET, atol=1e-3)


def test_the_antithetic_estimate_is_exact_for_a_line_and_unbiased_for_a_cube() -> None:
    rg.manual_seed(3)
    w = rg.tensor([0.7, -0.3], dtype=rg.float64)
    slope = rg.tensor([2.0, -5.0], dtype=rg.float64)
    optimizer = EvolutionStrategy([w], sigma=0.5, pairs=4000)
    linear, _ = optimizer.gradient(lambda: (slope * w).sum() + 7)
    np.testing.assert_allclose(linear, slope.tolist(), rtol=0.1)
    # E F(w + σε) for w³ is w³ + 3σ²w: its gradient is 3w² + 3σ².
    cube, _ = optimizer.gradient(lambda: (w**3).sum())
    np.testing.assert_allclose(cube, 3 * np.array([0.49, 0.09]) + 0.75, rtol=0.25)
    assert w.tolist() == [0.7, -0.3] and optimizer.evaluations == 16000


def test_the_antithetic_pair_cancels_what_is_even() -> None:
    rg.manual_seed(0)
    w = rg.zeros(4)
    optimizer = EvolutionStrategy([w], lr=1.0, sigma=0.5, pairs=3)
    optimizer.step(lambda: (w**2).sum() + 100)
    assert w.abs().max().item() < 1e-4


def test_several_parameters_modules_and_plain_numbers() -> None:
    rg.manual_seed(0)
    model = rg.nn.Linear(3, 2)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = SPSA(model.parameters(), lr=0.1)
    value = optimizer.step(lambda: model.weight.abs().sum().item() + 1.0)
    assert value > 1.0 and optimizer.evaluations == 2
    for p, old in zip(model.parameters(), before, strict=True):
        assert p.shape == old.shape and p.requires_grad
    assert (model.weight != before[0]).any().item()


def test_the_same_seed_gives_the_same_run() -> None:
    ends = []
    for _ in range(2):
        rg.manual_seed(5)
        w = rg.zeros(3)
        optimizer = EvolutionStrategy([w], lr=0.1)
        for _ in range(5):
            optimizer.step(bowl(w))
        ends.append(w.tolist())
    # The first run is interpreted, the next may be compiled: the last bits may differ.
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: EvolutionStrategy([]), "empty parameter list"),
        (lambda: EvolutionStrategy([rg.zeros(2)], sigma=0), "Invalid sigma"),
        (lambda: EvolutionStrategy([rg.zeros(2)], pairs=0), "number of pairs"),
        (lambda: EvolutionStrategy([rg.zeros(2)], lr=-1), "Invalid learning rate"),
        (lambda: SPSA([rg.zeros(2)], c=0), "Invalid c"),
        (lambda: SPSA([rg.zeros(2, dtype=rg.int64)]), "floating point"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()
    with pytest.raises(TypeError):
        SPSA(rg.zeros(2))
