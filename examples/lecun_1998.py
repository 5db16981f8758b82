"""Efficient BackProp: the tricks of 1998, each on and off.

The lecture points to LeCun, Bottou, Orr, Müller 1998 for "more tricks". Four of them, on the
digits with one hidden layer and stochastic gradient descent, eight samples at a time: inputs
with mean 0 and deviation 1 (§4.3); the sigmoid 1.7159 tanh(⅔x), beside the logistic one (§4.4);
rates in proportion to 1/√fan_in (§4.7); and for each weight η/(h + μ), with h the running
diagonal of the Gauss-Newton matrix, from random signs (§9.1). Measured: right on held-out
digits; each set of tricks has the best of three rates, so that none wins by what suits it.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import BLUE, SKY, clearly_above, main, side_by_side, spread
from retrograd.optim import gauss_newton_diagonal
from retrograd.utils.data import standardize

TRICKS = ("inputs", "tanh", "fan-in rates", "curvature")
RATES = {True: (0.003, 0.01, 0.03), False: (0.1, 0.3, 1.0)}  # with curvature, without


class Network(nn.Sequential):
    def __init__(self, tricks):
        super().__init__(nn.Linear(64, 40), nn.Linear(40, 10))
        for layer in self:  # §4.6: deviation 1/√fan_in
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)
        scaled = lambda s: 1.7159 * (2 / 3 * s).tanh()  # noqa: E731
        self.activation = scaled if "tanh" in tricks else rg.sigmoid

    def forward(self, x):
        return self[1](self.activation(self[0](x)))


def train(tricks, rate, epochs, seeds):
    """Held-out right, %, of each seed's network after each epoch [S, epochs], in one graph."""
    (networks, weights), S = side_by_side(lambda: Network(tricks), seeds), len(seeds)
    x, y, held_x, held_y = rg.datasets.digits_split()
    positive = (x + 1) / 2, (held_x + 1) / 2  # from 0 to 1
    x, held_x = standardize(x, held_x) if "inputs" in tricks else positive
    fan_ins = (64, 64, 40, 40) if "fan-in rates" in tricks else (16,) * 4
    h, mu = (
        [rg.zeros(*w.shape) for w in weights],
        0.02 if "curvature" in tricks else 1.0,
    )
    scores, criterion = [], nn.CrossEntropyLoss(reduction="sum")
    for _ in range(epochs):
        order = rg.stack([rg.randperm(len(y)) for _ in seeds])
        for i, rows in enumerate(order.split(8, 1)):
            losses = criterion(networks(x[rows]).flatten(0, 1), y[rows].flatten())
            slopes = rg.autograd.grad(losses / rows.shape[1], weights)
            if "curvature" in tricks and i % 10 == 0:
                some = networks(x[rg.randint(0, len(x), (S, 64))])
                new = gauss_newton_diagonal(some, weights)
                h = [0.95 * a + 0.05 * b for a, b in zip(h, new, strict=True)]
            with rg.no_grad():
                for w, g, d, n in zip(weights, slopes, h, fan_ins, strict=True):
                    w -= 4 * rate / n**0.5 / (d + mu) * g
        said = networks(held_x.expand(S, *held_x.shape)).argmax(2)
        scores.append(100 * (said == held_y).float().mean(1).numpy())
    return np.stack(scores, 1)


def run(report, seed, quick):
    epochs, seeds = 1 if quick else 2, range(seed, seed + (2 if quick else 10))
    sets = {"all four": TRICKS, **{t: [t] for t in TRICKS}, "none": []}
    sets |= {f"all but {t}": [u for u in TRICKS if u != t] for t in TRICKS}
    found, names = {}, ["all four", "inputs", "none"] if quick else sets
    for name in report.progress(names, "settings"):
        rates = RATES["curvature" in sets[name]]
        tried = [(rate, train(sets[name], rate, epochs, seeds)) for rate in rates]
        found[name] = max(tried, key=lambda pair: pair[1][:, 0].mean())
    report.table(["tricks", "best rate", "right after 1 epoch", f"after {epochs}"], [
        (name, rate, spread(right[:, 0], 1, "%"), spread(right[:, -1], 1, "%"))
        for name, (rate, right) in found.items()])  # fmt: skip
    gains = {k: right[:, 0] - found["none"][1][:, 0] for k, (_, right) in found.items()}
    report.verdict("the tricks of 1998 together make the first pass over the data count",
        clearly_above(gains["all four"], 5), f"after one pass {spread(gains['all four'])} per cent more "
        "of the held-out digits right with all four than with none, each at its best rate")  # fmt: skip
    alone = {t: gains[t] for t in TRICKS if t in gains}
    report.verdict("each of them helps by itself", all(map(clearly_above, alone.values())),
        f"per cent more right with one alone: {', '.join(f'{t} {spread(gain)}' for t, gain in alone.items())}")  # fmt: skip
    return {"found": found, "gains": gains}


def draw(figure, found, gains):
    axis = figure.subplots()
    for i, (_, runs) in enumerate(found.values()):
        axis.barh(i, runs[:, -1].mean(), 0.75, color=SKY)
        axis.barh(i, runs[:, 0].mean(), 0.75, color=BLUE)
        axis.plot(runs[:, 0], [i] * len(runs), "|k", markersize=12)
    axis.set(yticks=range(len(found)), yticklabels=list(found), xlim=(50, 100), ylim=(len(found) - 0.5, -0.5),
             xlabel="held-out digits right, %, after one epoch (dark; | a seed) and the last",
             title="The tricks of 1998, on and off, each set at the best of three rates")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
