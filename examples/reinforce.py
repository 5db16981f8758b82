"""REINFORCE: learning to keep a pole upright from nothing but how long it stood.

The lecture's claim (NYU 2.1): a robot learns to ride by trying; the objective, how long it
stays up, is a black box without a gradient, but the policy that acts is a network, and the
gradient of the expected return can be estimated: E[R ∇ log π(a|s)] (Williams 1992). It is
inefficient: many episodes are needed.

A pole on a cart (pole.py); a network of 32 units gives the probability of a push to the
right. Measured over seeds: the mean time upright, of 200 steps, and the episodes until the
mean of a batch is 195 ("solved"). Returns are brought to mean 0 and deviation 1 in each batch.
The seeds learn side by side, in one graph over their stacked weights, each as if alone.
"""

import numpy as np
from pole import judge, play

import retrograd as rg
from retrograd import nn
from retrograd.experiment import GREY, curves, main, side_by_side, spread
from retrograd.nn import functional as F

EPISODES, SOLVED = 16, 195  # in each batch; mean steps


def policy():
    return nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))


def right(actors):
    """The probability of a push to the right, as ``play`` asks for it."""

    def chance(states):
        with rg.no_grad():
            scores = actors(rg.from_numpy(states.astype(np.float32)))
            return scores.softmax(2)[..., 1].numpy()

    return chance


def learn(report, seeds, batches, discount=1.0):
    """The mean time upright in each batch of episodes [S, batches], and how to act at last."""
    numbers, history = [np.random.default_rng(s) for s in seeds], []
    actors, weights = side_by_side(policy, seeds)
    optimizer = rg.optim.Adam(weights, lr=0.02)
    for _ in report.progress(range(batches), "batches"):
        *happened, lengths = play(numbers, right(actors), EPISODES, discount)
        states, actions, returns, stood = happened
        history.append(lengths.mean(1))
        total = stood.sum(1, keepdims=True)
        centred = stood * (returns - returns.sum(1, keepdims=True) / total)
        deviation = np.sqrt((centred**2).sum(1, keepdims=True) / total)
        worth = centred / (deviation + 1e-8) / total
        x, a, worth = map(rg.from_numpy, (states, actions, worth))
        optimizer.zero_grad()
        losses = F.cross_entropy(actors(x).flatten(0, 1), a.flatten(), reduction="none")
        (losses * worth.flatten()).sum().backward()
        optimizer.step()
    return np.array(history).T, numbers, right(actors)


def episodes_until_solved(histories):
    """Episodes until the mean of a batch was 195; infinite where it never was."""
    done = histories >= SOLVED
    return np.where(done.any(1), EPISODES * (1 + done.argmax(1)), np.inf)


def run(report, seed, quick):
    seeds, batches = range(seed, seed + (3 if quick else 20)), 30 if quick else 50
    histories, *learned = learn(report, seeds, batches)
    solved = episodes_until_solved(histories)
    report.verdict(
        f"a policy learns to balance from returns alone, within {batches * EPISODES} episodes",
        np.isfinite(solved).all(),
        f"solved by {np.isfinite(solved).sum()} of {len(seeds)} seeds, after {np.median(solved):.0f} "
        f"episodes in the median, {solved.max():.0f} at most; upright {spread(histories[:, 0], 0)} "
        f"of 200 steps in the first batch, {spread(histories[:, -1], 0)} in the last")  # fmt: skip
    steps = judge(report, *learned, seed)
    return {"histories": histories, "solved": solved, "steps": steps}


def draw(figure, histories, solved, steps):
    axis = figure.subplots()
    episodes = EPISODES * np.arange(1, histories.shape[1] + 1)
    axis.plot(episodes, histories.T, color=GREY, lw=0.5)
    curves(axis, episodes, {"mean of the seeds (band: lowest to highest)": histories},
           xlabel="episodes", ylabel="steps upright, of 200", ylim=(0, 205),
           title="REINFORCE: a pole that learns to stand", legend="lower right")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
