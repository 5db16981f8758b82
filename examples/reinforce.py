"""REINFORCE: learning to keep a pole upright from nothing but how long it stood.

The lecture's claim (NYU 2.1): a robot learns to ride by trying; the objective, how long it
stays up, is a black box without a gradient, but the policy that acts is a network, and the
gradient of the expected return can be estimated: E[R ∇ log π(a|s)] (Williams 1992). It is
inefficient: many episodes are needed.

A pole on a cart (pole.py); a network of 32 units gives the probability of a push to the
right. Measured over seeds: the mean time upright, of 200 steps, and the episodes until the
mean of a batch is 195 ("solved"). Returns are brought to mean 0 and deviation 1 in each batch.
"""

import numpy as np
from frame import curves, main, spread
from pole import judge, play

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

EPISODES = 16  # in each batch


def policy():
    return nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))


def sampled(model, numbers):
    """Acts by the probabilities of the network."""

    def choose(states):
        with rg.no_grad():
            right = model(rg.from_numpy(states)).softmax(1)[:, 1].numpy()
        return (numbers.random(len(states)) < right).astype(np.int64)

    return choose


def learn(seed, batches):
    """The mean time upright in each batch of episodes, and how to act at the end."""
    numbers, model = np.random.default_rng(seed), policy()
    optimizer = rg.optim.Adam(model.parameters(), lr=0.02)
    history = []
    for _ in range(batches):
        states, actions, to_go, lengths = play(
            numbers, sampled(model, numbers), EPISODES
        )
        history.append(lengths.mean())
        weights = (to_go - to_go.mean()) / (to_go.std() + 1e-6)
        optimizer.zero_grad()
        losses = F.cross_entropy(
            model(rg.from_numpy(states)), rg.from_numpy(actions), reduction="none"
        )
        (losses * rg.from_numpy(weights)).mean().backward()
        optimizer.step()
    return history, sampled(model, numbers)


def run(report, seed, quick):
    batches = 30 if quick else 50
    learned = [learn(s, batches) for s in report.seeds(seed, 2 if quick else 20)]
    histories = np.array([history for history, _ in learned])
    done = [np.flatnonzero(history >= 195) for history in histories]
    solved = [EPISODES * (1 + first[0]) for first in done if len(first)]
    best = histories.max(1)
    report.verdict(
        "a policy learns to balance by gradient estimation from returns alone",
        np.median(best) > 4 * histories[:, 0].mean(),
        f"mean time upright from {histories[:, 0].mean():.0f} to {spread(histories[:, -1], 0)} of "
        f"200 steps after {batches * EPISODES} episodes; solved (195) by {len(solved)} of "
        f"{len(histories)} seeds" + (f", after {np.median(solved):.0f} episodes in the median" if solved else ""),
    )  # fmt: skip
    steps = judge(report, [choose for _, choose in learned], seed)
    return {"histories": histories, "solved": solved, "steps": steps}


def draw(figure, histories, solved, steps):
    axis = figure.subplots()
    episodes = EPISODES * np.arange(1, histories.shape[1] + 1)
    axis.plot(episodes, histories.T, color="#888888", lw=0.5)
    curves(axis, episodes, {"mean of the seeds (band: lowest to highest)": histories},
           xlabel="episodes", ylabel="steps upright, of 200", ylim=(0, 205),
           title="REINFORCE: a pole that learns to stand", legend="lower right")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
