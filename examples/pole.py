"""Poles on carts, many at once: the world of the reinforcement examples, in NumPy.

The equations and the limits of Barto, Sutton and Anderson 1983, as in Gymnasium's
CartPole-v1 (a test compares the two), which judges what was learned where it is installed.
Learners see states and whether a pole still stands; nothing here has a derivative. All
learners act in the same moment, each with a generator of random numbers of its own.
"""

from importlib.util import find_spec

import numpy as np

from retrograd.experiment import spread

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
LIMITS = np.array([2.4, 12 * np.pi / 180])
LONGEST = 200


def step(states, actions):
    """States [..., 4] (place, speed, angle, its speed) after pushing left (0) or right (1)."""
    _, speed, angle, turning = np.moveaxis(states, -1, 0)
    sin, cos, mass = np.sin(angle), np.cos(angle), CART + POLE
    push = FORCE * (2.0 * actions - 1) + POLE * HALF_LENGTH * turning**2 * sin
    swing = GRAVITY * sin - cos * push / mass
    swing /= HALF_LENGTH * (4 / 3 - POLE * cos**2 / mass)
    pull = (push - POLE * HALF_LENGTH * swing * cos) / mass
    return states + SECONDS * np.stack([speed, pull, turning, swing], -1)


def stands(states):
    return (np.abs(states[..., [0, 2]]) <= LIMITS).all(-1)


def play(numbers, right, episodes, discount=1.0):
    """Let each of S learners, with its generator of *numbers*, play some episodes at once.

    ``right(states [S, E, 4])`` are their probabilities [S, E] of a push to the right. What
    happened, by learner, in moments of all its episodes: states [S, K, 4], actions [S, K],
    returns [S, K], whether the pole stood (1 or 0) [S, K]; and how long each stood [S, E].
    A return is from 0 to 1: of k steps still to stand k/200, or 1 − γᵏ with a discount γ.
    """
    states = np.stack([g.uniform(-0.05, 0.05, (episodes, 4)) for g in numbers])
    luck = np.stack([g.random((LONGEST, episodes)) for g in numbers], 1)
    alive, shape = np.ones(states.shape[:2], bool), luck.shape
    seen, acts, stood = np.zeros((*shape, 4)), np.zeros(shape, int), np.zeros(shape)
    for t in range(LONGEST):
        seen[t], stood[t], acts[t] = states, alive, luck[t] < right(states)
        states = np.where(alive[..., None], step(states, acts[t]), states)
        alive = alive & stands(states)
        if not alive.any():
            break
    lengths = stood.sum(0)
    to_go = (lengths - np.arange(LONGEST)[:, None, None]) * stood
    returns = to_go / LONGEST if discount == 1 else 1 - discount**to_go
    parts = [np.moveaxis(a, 0, 1) for a in (seen, acts, returns, stood)]
    flat = (a.reshape(len(numbers), LONGEST * episodes, *a.shape[3:]) for a in parts)
    return *(a if a.dtype == int else a.astype(np.float32) for a in flat), lengths


def judge(report, numbers, right, seed):
    """Steps that the learners stand in Gymnasium's CartPole-v1, where it is installed."""
    if not find_spec("gymnasium"):
        report.say("not judged by Gymnasium's CartPole-v1: pip install gymnasium")
        return []
    import gymnasium

    worlds = [gymnasium.make("CartPole-v1").unwrapped for _ in numbers]
    states = np.stack([w.reset(seed=seed + k)[0] for k, w in enumerate(worlds)])
    steps, standing = np.zeros(len(worlds), int), np.ones(len(worlds), bool)
    for _ in range(LONGEST):
        luck = np.array([g.random() for g in numbers])
        actions = luck < right(states[:, None])[:, 0]
        for k in np.flatnonzero(standing):
            states[k], _, fallen, *_ = worlds[k].step(int(actions[k]))
            steps[k], standing[k] = steps[k] + 1, not fallen
    report.say(f"in Gymnasium's CartPole-v1 the learned policies stand {spread(steps, 0)} "
               f"of {LONGEST} steps, {(steps == LONGEST).sum()} of them to the end")  # fmt: skip
    return steps
