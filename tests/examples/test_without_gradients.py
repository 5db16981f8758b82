from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest


def test_values_alone_lead_down_stairs_and_cost_more(short_run: Any) -> None:
    ran = short_run("gradient_free")
    stuck, black = ran.numbers["found"]["gradient descent"]
    assert stuck[-1, 1] == stuck[0, 1] and black[-1, 1] == black[0, 1]
    for name in ("evolution strategy", "SPSA"):
        stairs, black = ran.numbers["found"][name]
        assert stairs[-1, 1] <= 0.1 and black[-1, 1] < 60
    cost = ran.numbers["cost"]
    assert cost["gradient descent"][0] == cost["gradient descent"][-1]


def test_a_pole_is_learned_from_returns(short_run: Any) -> None:
    ran = short_run("reinforce")
    histories = ran.numbers["histories"]
    assert (histories.max(1) > 3 * histories[:, 0]).all()
    if importlib.util.find_spec("gymnasium"):
        assert len(ran.numbers["steps"]) == 2 and min(ran.numbers["steps"]) > 60


def test_an_actor_learns_from_its_critic(short_run: Any) -> None:
    ran = short_run("actor_critic")
    runs = ran.numbers["found"]["actor and critic"]
    assert np.median(runs.max(1)) > 2.5 * runs[:, 0].mean()


def test_the_poles_move_as_gymnasiums(program: Any) -> None:
    gymnasium = pytest.importorskip("gymnasium", reason="compares with Gymnasium")
    pole = program("pole")
    world = gymnasium.make("CartPole-v1").unwrapped
    state, _ = world.reset(seed=1)
    numbers, ours = np.random.default_rng(0), np.asarray(state, np.float64)[None]
    world.state = ours[0]
    for _ in range(60):
        action = int(numbers.integers(2))
        theirs, _, ended, *_ = world.step(action)
        ours = pole.step(ours, np.array([action]))
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-4, atol=1e-5)
        assert pole.stands(ours)[0] == (not ended)
        if ended:
            break
