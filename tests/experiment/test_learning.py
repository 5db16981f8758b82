"""Learners of experiments: their way, and many side by side in one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.experiment import accuracy, descent, side_by_side, walk


def test_accuracy_is_the_share_of_rows_that_are_right() -> None:
    scores = rg.tensor([[1.0, 2.0, 0.0], [5.0, 1.0, 1.0], [0.0, 0.0, 9.0], [1.0, 0, 0]])
    assert accuracy(scores, rg.tensor([1, 0, 2, 2])) == 0.75


@pytest.mark.parametrize("optimizer", [rg.optim.SGD, rg.optim.Adam])
def test_side_by_side_each_learns_as_if_alone(optimizer: Any) -> None:
    def make() -> Any:
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    rg.manual_seed(0)
    x, y = rg.randn(3, 6, 3), rg.randn(3, 6, 2)
    networks, weights = side_by_side(make, [4, 5, 6])
    together = optimizer(weights, lr=0.05)
    for _ in range(5):
        together.zero_grad()
        ((networks(x) - y) ** 2).mean((1, 2)).sum().backward()
        together.step()
    for k, seed in enumerate([4, 5, 6]):
        rg.manual_seed(seed)
        alone = make()
        single = optimizer(alone.parameters(), lr=0.05)
        for _ in range(5):
            single.zero_grad()
            ((alone(x[k]) - y[k]) ** 2).mean().backward()
            single.step()
        for ours, theirs in zip(weights, alone.parameters(), strict=True):
            np.testing.assert_allclose(
                ours[k].detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-6
            )


def test_walk_ends_where_it_is_told_or_when_steps_run_out() -> None:
    w = rg.tensor([1.0], requires_grad=True)
    steps: list[int] = []

    def loss(step: int) -> Any:
        steps.append(step)
        return (w**2).sum()

    found = walk(rg.optim.SGD([w], lr=0.25), w, loss, lambda place: place[0] < 0.2, 9)
    np.testing.assert_allclose(found[:, 0], [1, 0.5, 0.25, 0.125])
    assert steps == [0, 1, 2]
    more = walk(rg.optim.SGD([w], lr=0.25), w, loss, lambda place: False, 2)
    assert len(more) == 3


def test_descent_counts_what_the_optimizer_asks() -> None:
    w = rg.tensor([2.0, 2.0])
    found = descent(rg.optim.zeroth.SPSA([w], 0.1), w, lambda w: (w**2).sum(), 20, -1.0)
    np.testing.assert_array_equal(found[:, 0], np.arange(1, 22, 2))
    w = rg.tensor([2.0], requires_grad=True)  # a number has no gradient: nothing moves
    still = descent(rg.optim.SGD([w], lr=1.0), w, lambda w: 3.0, 4, -1.0)
    np.testing.assert_array_equal(still, [[1, 3], [2, 3], [3, 3], [4, 3]])
