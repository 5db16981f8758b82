"""Dropout: no unit that all the others depend on.

The lecture's claim (NYU 2.2, after Hinton et al. 2012): dropout sets half of a layer's inputs
to zero at random, which regularises and forces the network to spread what it knows over all
units instead of leaning on a few.

Measured on digits learned from 200 examples by 256 hidden units: right on new digits, by the
whole network, and by what is left when a random half of its hidden units is removed.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import BLUE, ORANGE, accuracy, clearly_above, main, spread
from retrograd.nn import functional as F


def train(p, data, seed, few=200, steps=150):
    """Per cent right with dropout *p*, learned from a few digits: of the whole network,
    and with a random half of its hidden units removed."""
    rg.manual_seed(seed)
    x, y, held_x, held_y = data
    rows = rg.randperm(len(y))[:few]
    hidden = [nn.Linear(64, 256), nn.ReLU(), nn.Dropout(p)]
    model = nn.Sequential(*hidden, nn.Linear(256, 10))
    optimizer = rg.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    whole = accuracy(model.eval()(held_x), held_y)
    model[2] = nn.Dropout(0.5)
    return 100 * whole, 100 * accuracy(model(held_x), held_y)


def run(report, seed, quick):
    data, seeds = rg.datasets.digits_split(), range(seed, seed + (3 if quick else 10))
    score = {p: np.array([train(p, data, s) for s in seeds]).T for p in (0.0, 0.5)}
    gain = score[0.5] - score[0.0]
    for i, claim in enumerate(["a network with dropout is right more often on new digits",
                               "a network with dropout leans less on single units"]):  # fmt: skip
        without, given = (spread(score[p][i], unit="%") for p in score)
        report.verdict(
            claim,
            clearly_above(gain[i]),
            f"{'half of its units removed, ' * i}{without} right without, {given} with "
            f"dropout; gain by seed {spread(gain[i])}",
        )
    return {"score": score}


def draw(figure, score):
    figure.set_size_inches(6, 3.8)
    pairs = figure.subplots()
    for i, (colour, name) in enumerate(
        [(ORANGE, "whole network"), (BLUE, "half removed")]
    ):
        lines = pairs.plot([0, 1], [score[0.0][i], score[0.5][i]], "o-", color=colour)
        lines[0].set_label(name)
    pairs.set(
        xticks=[0, 1], xticklabels=["none", "p = ½"], xlim=(-0.3, 1.3), xlabel="dropout"
    )
    pairs.set(ylabel="held-out digits right, %", title="Dropout, seed by seed")
    pairs.legend()


if __name__ == "__main__":
    main(run, draw)
