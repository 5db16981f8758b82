from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest


def test_values_alone_lead_down_stairs_and_cost_more(short_run: Any) -> None:
    ran = short_run("gradient_free")
    ran.holds()
    runs, ends = ran.numbers["runs"], ran.numbers["ends"]
    for stairs, black, cost in runs["gradient descent"]:
        assert (stairs[:, 1] == 1).all() and np.ptp(black[:, 1]) == 0
        assert cost[0] == cost[-1]
    for name in ("evolution strategy", "SPSA"):
        high, wrong, few, many = ends[name]
        assert max(high) <= 0.1 and max(wrong) < 60
        assert min(many / few) > 3


def test_a_pole_is_learned_from_returns(short_run: Any) -> None:
    ran = short_run("reinforce")
    histories = ran.numbers["histories"]
    assert (histories.max(1) > 3 * histories[:, 0]).all()
    if importlib.util.find_spec("gymnasium"):
        assert len(ran.numbers["steps"]) == 3 and min(ran.numbers["steps"]) > 60
    until = ran.module.episodes_until_solved(np.array([[20, 196, 10], [20, 30, 194.9]]))
    np.testing.assert_array_equal(until, [32, np.inf])


def test_an_actor_learns_from_its_critic(short_run: Any) -> None:
    ran = short_run("actor_critic")
    runs = ran.numbers["found"]["actor and critic"]
    assert np.median(runs.max(1)) > 2.5 * runs[:, 0].mean()


def test_what_play_returns_is_what_happened(program: Any) -> None:
    pole = program("pole")
    numbers = [np.random.default_rng(s) for s in (3, 4)]
    always = lambda states: np.ones(states.shape[:2])  # noqa: E731
    states, actions, returns, stood, lengths = pole.play(numbers, always, 5)
    shape = (2, pole.LONGEST * 5)
    assert actions.shape == returns.shape == stood.shape == shape
    assert (actions[stood == 1] == 1).all() and (returns[stood == 0] == 0).all()
    np.testing.assert_array_equal(stood.reshape(2, -1, 5).sum(1), lengths)
    # The first moment's return is the whole episode; the last one's a single step.
    first = returns.reshape(2, -1, 5)[:, 0]
    np.testing.assert_allclose(first, lengths / pole.LONGEST, rtol=1e-6)
    assert returns[stood == 1].min() == np.float32(1 / pole.LONGEST)
    # A learner's luck is its own: alone it lives the same.
    alone = pole.play([np.random.default_rng(4)], always, 5)
    np.testing.assert_array_equal(alone[0][0], states[1])


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
