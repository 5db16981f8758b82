"""Poles on carts, many at once: the world of the reinforcement examples, in NumPy.

The equations and the limits of Barto, Sutton and Anderson 1983, as in Gymnasium's
CartPole-v1 (a test compares the two), which judges what was learned where it is installed.
Learners see states and whether a pole still stands; nothing here has a derivative.
"""

from importlib.util import find_spec

import numpy as np
from frame import spread

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
LIMITS = np.array([2.4, 12 * np.pi / 180])
LONGEST = 200


def step(states, actions):
    """States [N, 4] (place, speed, angle, its speed) after pushing left (0) or right (1)."""
    _, speed, angle, turning = states.T
    sin, cos = np.sin(angle), np.cos(angle)
    mass = CART + POLE
    push = (
        np.where(actions == 1, FORCE, -FORCE) + POLE * HALF_LENGTH * turning**2 * sin
    ) / mass
    swing = (GRAVITY * sin - cos * push) / (
        HALF_LENGTH * (4 / 3 - POLE * cos**2 / mass)
    )
    pull = push - POLE * HALF_LENGTH * swing * cos / mass
    rates = np.stack([speed, pull, turning, swing], 1)
    return states + SECONDS * rates


def stands(states):
    return (np.abs(states[:, [0, 2]]) <= LIMITS).all(1)


def play(numbers, choose, episodes):
    """Let ``choose(states)`` act in some episodes at once. Flat lists of what happened:
    states [K, 4], actions [K], returns to go [K] (steps still to stand), and the lengths."""
    states = numbers.uniform(-0.05, 0.05, (episodes, 4))
    alive, seen, done = np.ones(episodes, bool), [], []
    for _ in range(LONGEST):
        actions = choose(states.astype(np.float32))
        seen.append((states, actions, alive))
        states = np.where(alive[:, None], step(states, actions), states)
        alive = alive & stands(states)
        done.append(alive)
        if not alive.any():
            break
    moments, acts, stood = (np.stack(part) for part in zip(*seen, strict=True))
    lengths = stood.sum(0)
    to_go = lengths - np.arange(len(stood))[:, None]
    return (
        moments[stood].astype(np.float32),
        acts[stood],
        to_go[stood].astype(np.float32),
        lengths,
    )


def in_gymnasium(choose, seed):
    """Steps that ``choose(states)`` stands in an episode of Gymnasium's CartPole-v1."""
    import gymnasium

    world = gymnasium.make("CartPole-v1", max_episode_steps=LONGEST)
    state, _ = world.reset(seed=seed)
    steps, over = 0, False
    while not over:
        state, _, fallen, out_of_time, _ = world.step(int(choose(state[None])[0]))
        steps, over = steps + 1, fallen or out_of_time
    world.close()
    return steps


def judge(report, policies, seed):
    """What Gymnasium says to learned ways to choose, where it is installed."""
    if not find_spec("gymnasium"):
        report.say("not judged by Gymnasium's CartPole-v1: pip install gymnasium")
        return []
    steps = [in_gymnasium(choose, seed + k) for k, choose in enumerate(policies)]
    report.say(f"in Gymnasium's CartPole-v1 the learned policies stand {spread(steps, 0)} "
               f"of {LONGEST} steps, {steps.count(LONGEST)} of them to the end")  # fmt: skip
    return steps
