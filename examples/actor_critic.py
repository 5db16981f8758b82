"""Actor and critic: a second network stands in for the unknown cost.

The lecture's claim (NYU 2.1): a popular way out of the black box is a critic, a trainable
module that learns to predict the reward. It is differentiable, so that one can backpropagate
through it into the network that acts.

The pole of pole.py again. The critic Q(s, a) learns from what happened how long the pole will
stand after each of the two pushes, discounted (1 − 0.98ᵏ of k steps), as the far future says
little of one push; the actor climbs Σ_a π(a|s) Q(s, a), a differentiable stand-in for the
return, and does not need the action that was taken. Beside it REINFORCE, which has the
returns alone: the same actor, discount (chosen on the seeds shown, looked at on seeds 1000 to
1019: with 0.9 four of 20 fail in both, from 0.95 to 0.99 little differs), seeds, episodes, rate.
"""

import numpy as np
from pole import judge, play
from reinforce import EPISODES, episodes_until_solved, policy, right
from reinforce import learn as reinforce

import retrograd as rg
from retrograd import nn
from retrograd.experiment import clearly_above, curves, main, side_by_side, spread

DISCOUNT, FITS = 0.98, 20


def judgement():
    return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
                         nn.Linear(64, 2))  # fmt: skip


def some(numbers, happened, count):
    """Of what happened to each learner some moments, chosen by its own generator."""
    *parts, stood = happened
    rows = [
        g.choice(np.flatnonzero(s), count) for g, s in zip(numbers, stood, strict=True)
    ]
    each = np.arange(len(rows))[:, None]
    return [rg.from_numpy(part[each, rows]) for part in parts]


def learn(report, seeds, batches, discount):
    """The mean time upright in each batch of episodes [S, batches], and how to act at last."""
    numbers, history = [np.random.default_rng(s) for s in seeds], []
    (actors, acts), (critics, says) = (
        side_by_side(make, seeds) for make in (policy, judgement)
    )
    acting, judging = rg.optim.Adam(acts, lr=0.02), rg.optim.Adam(says, lr=0.005)
    for _ in report.progress(range(batches), "batches"):
        *happened, lengths = play(numbers, right(actors), EPISODES, discount)
        history.append(lengths.mean(1))
        for _ in range(FITS):  # the critics: regression on some of what happened
            x, a, returns = some(numbers, happened, 256)
            judging.zero_grad()
            said = critics(x).gather(2, a[..., None])[..., 0]
            ((said - returns) ** 2).mean(1).sum().backward()
            judging.step()
        x, *_ = some(numbers, happened, 1024)
        acting.zero_grad()
        worth = critics(x).detach()
        worth = worth - worth.mean(2, keepdim=True)
        worth = worth / (worth.flatten(1).std(1)[:, None, None] + 1e-8)
        (-(actors(x).softmax(2) * worth).sum(2).mean(1).sum()).backward()
        acting.step()
    return np.array(history).T, numbers, right(actors)


def run(report, seed, quick):
    seeds, batches = range(seed, seed + (3 if quick else 20)), 30 if quick else 50
    ours, *learned = learn(report, seeds, batches, DISCOUNT)
    theirs, *_ = reinforce(report, seeds, batches, DISCOUNT)
    fast, slow = episodes_until_solved(ours), episodes_until_solved(theirs)
    report.verdict(
        f"an actor that only climbs what its critic says balances within {batches * EPISODES} episodes",
        np.isfinite(fast).all(),
        f"solved (195) by {np.isfinite(fast).sum()} of {len(seeds)} seeds, {np.isfinite(slow).sum()} with "
        f"REINFORCE; upright {spread(ours[:, -1], 0)} and {spread(theirs[:, -1], 0)} of 200 "
        "steps in the last batch")  # fmt: skip
    gain = np.subtract(*np.minimum([slow, fast], batches * EPISODES))
    report.verdict(
        "the critic makes it need fewer episodes than the returns alone",
        clearly_above(gain),
        f"median {np.median(fast):.0f} episodes to solve it, {np.median(slow):.0f} for REINFORCE; fewer "
        f"by {spread(gain, 0)}, seed by seed")  # fmt: skip
    steps = judge(report, *learned, seed)
    found = {"actor and critic": ours, "REINFORCE": theirs}
    return {"found": found, "solved": (fast, slow), "steps": steps}


def draw(figure, found, solved, steps):
    axis = figure.subplots()
    batches = found["REINFORCE"].shape[1]
    curves(axis, EPISODES * np.arange(1, batches + 1), found, xlabel="episodes",
           ylabel="steps upright, of 200", ylim=(0, 205), legend="lower right",
           title="A critic as stand-in for the cost (band: lowest to highest seed)")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
