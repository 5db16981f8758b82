"""Actor and critic: a second network stands in for the unknown cost.

The lecture's claim (NYU 2.1): a popular way out of the black box is a critic, a trainable
module that learns to predict the reward. It is differentiable, so that one can backpropagate
through it into the network that acts.

The pole of pole.py again. The critic Q(s, a) learns from what happened how long the pole will
stand after each of the two pushes; the actor climbs Σ_a π(a|s) Q(s, a), a differentiable
stand-in for the return, and does not need the action that was taken. Beside it REINFORCE, which
has the returns alone: the same actor, seeds, episodes and rate.
"""

import numpy as np
from frame import curves, main, spread
from pole import LONGEST, judge, play
from reinforce import EPISODES, policy, sampled
from reinforce import learn as reinforce

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F


def learn(seed, batches, fits=20):
    """The mean time upright in each batch of episodes, and how to act at the end."""
    numbers, actor = np.random.default_rng(seed), policy()
    critic = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
                           nn.Linear(64, 2))  # fmt: skip
    acting = rg.optim.Adam(actor.parameters(), lr=0.02)
    judging = rg.optim.Adam(critic.parameters(), lr=0.005)
    history = []
    for _ in range(batches):
        states, actions, to_go, lengths = play(
            numbers, sampled(actor, numbers), EPISODES
        )
        history.append(lengths.mean())
        for _ in range(fits):  # the critic: regression on some of what happened
            rows = numbers.integers(len(states), size=256)
            x, a, r = (
                rg.from_numpy(v[rows]) for v in (states, actions, to_go / LONGEST)
            )
            judging.zero_grad()
            F.mse_loss(critic(x).gather(1, a[:, None])[:, 0], r).backward()
            judging.step()
        rows = numbers.integers(len(states), size=1024)
        x = rg.from_numpy(states[rows])
        acting.zero_grad()
        worth = critic(x).detach()
        worth = worth - worth.mean(1, keepdim=True)
        (-(actor(x).softmax(1) * worth / (worth.std() + 1e-6)).sum(1).mean()).backward()
        acting.step()
    return history, sampled(actor, numbers)


def run(report, seed, quick):
    batches, seeds = 30 if quick else 50, 2 if quick else 10
    found, solved = {}, {}
    for name, method in (("actor and critic", learn), ("REINFORCE", reinforce)):
        learned = [method(s, batches) for s in report.seeds(seed, seeds)]
        runs = np.array([history for history, _ in learned])
        if method is learn:
            steps = judge(report, [choose for _, choose in learned], seed)
        done = runs >= 195
        solved[name] = np.where(done.any(1), EPISODES * (1 + done.argmax(1)), np.inf)
        found[name] = runs
    ours, theirs = solved.values()
    ends = [spread(runs[:, -5:].mean(1), 0) for runs in found.values()]
    report.verdict(
        "an actor that only climbs what its critic says learns to balance",
        np.median(found["actor and critic"].max(1)) > (60 if quick else 195),
        f"upright {ends[0]} of 200 steps at the end; solved (195) by {np.isfinite(ours).sum()} of "
        f"{seeds} seeds, in the median after {np.median(ours):.0f} episodes",
    )
    report.verdict(
        "the critic makes it need fewer episodes than the returns alone",
        np.median(ours) < np.median(theirs),
        f"median {np.median(ours):.0f} episodes to solve it, {np.median(theirs):.0f} for REINFORCE "
        f"(upright {ends[1]} at the end)",
    )
    return {"found": found, "solved": solved, "steps": steps}


def draw(figure, found, solved, steps):
    axis = figure.subplots()
    batches = next(iter(found.values())).shape[1]
    curves(axis, EPISODES * np.arange(1, batches + 1), found, xlabel="episodes",
           ylabel="steps upright, of 200", ylim=(0, 205), legend="lower right",
           title="A critic as stand-in for the cost (band: lowest to highest seed)")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
