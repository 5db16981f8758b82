"""Symmetry in 1986: two hidden units, and the weights that they find.

Rumelhart, Hinton and Williams (Nature 323) let a network with two hidden units learn whether
six bits are symmetric about their middle. Their rule: the gradient of ½ Σ (y − d)² over all
64 inputs, Δw(t) = −ε ∂E/∂w + α Δw(t − 1), with ε = 0.1, α = 0.9 and first weights uniform in
±0.3; it took them 1,425 sweeps. Their point: for each hidden unit the weights from mirrored
inputs are equal with opposite signs, and in the ratio 1 : 2 : 4, so that any asymmetric
input turns it on and no two patterns cancel. Measured over seeds: sweeps until all 64 outputs
are within 0.5 of what they should be; signs and ratios of the weights after the last sweep.
"""

from itertools import product

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import BLUE, ORANGE, main, side_by_side

PAPER = 1425
X = np.array(list(product([0.0, 1.0], repeat=6)), np.float32)
SYMMETRIC = (X[:, :3] == X[:, :2:-1]).all(1)


def network():
    model = nn.Sequential(nn.Linear(6, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid())
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.3, 0.3)
    return model


def learn(report, seeds, sweeps):
    """By seed: E and whether all 64 are right, by sweep [S, sweeps]; the weights of the
    hidden units [S, 2, 6]. All seeds learn in one graph."""
    networks, weights = side_by_side(network, seeds)
    optimizer = rg.optim.SGD(weights, lr=0.1, momentum=0.9)
    x, d = rg.tensor(X).expand(len(seeds), 64, 6), rg.tensor(SYMMETRIC[:, None])
    errors, right = [], []
    for _ in report.progress(range(sweeps), "sweeps"):
        optimizer.zero_grad()
        misses = networks(x) - d.float()
        error = 0.5 * (misses**2).sum((1, 2))
        error.sum().backward()
        optimizer.step()
        errors.append(error.detach().numpy())
        right.append((misses.detach().abs().amax((1, 2)) < 0.5).numpy())
    return np.array(errors).T, np.array(right).T, weights[0].detach().numpy()


def structure(weights):
    """How far mirrored weights are from opposite, relative; the ratios to a unit's least."""
    left, mirrored = weights[..., :3], weights[..., :2:-1]
    opposite = np.abs(left + mirrored).max((1, 2)) / np.abs(left).max((1, 2))
    sizes = np.sort(np.abs(left - mirrored) / 2, axis=2)
    return opposite, sizes / sizes[..., :1]


def run(report, seed, quick):
    sweeps, seeds = 3000 if quick else 5000, range(seed, seed + (8 if quick else 20))
    errors, right, weights = learn(report, seeds, sweeps)
    times, solutions = right.argmax(1)[right.any(1)] + 1, weights[right.any(1)]
    opposite, ratios = structure(solutions)
    report.verdict(
        "backpropagation finds a solution with only two hidden units, in about 1,425 sweeps",
        len(times) > len(seeds) / 2 and PAPER / 3 < np.median(times) < 3 * PAPER,
        f"{len(times)} of {len(seeds)} seeds in {sweeps:,} sweeps; median {np.median(times):.0f} sweeps, from "
        f"{times.min()} to {times.max()}; the paper's one run took {PAPER}")  # fmt: skip
    worst, typical = np.median(opposite), np.median(ratios, 0).mean(0)
    off = np.abs(ratios / [1, 2, 4] - 1).max((1, 2))
    report.verdict(
        "weights of mirrored inputs are opposite, and stand as 1 : 2 : 4",
        worst < 0.1 and np.abs(typical / [1, 2, 4] - 1).max() < 0.25,
        f"mirrored weights are opposite to {100 * worst:.1f} % of the largest; ratios 1 : {typical[1]:.2f} : "
        f"{typical[2]:.2f} in the median; {(off < 0.1).sum()} of {len(times)} solutions have 1 : 2 : 4 to "
        "10 % in both units")  # fmt: skip
    solutions = solutions[off.argsort()]  # the most regular one first
    return {"errors": errors, "right": right, "solutions": solutions}


def draw(figure, errors, right, solutions):
    left, bars = figure.subplots(1, 2, width_ratios=[3, 2])
    for curve, found in zip(errors, right.any(1), strict=True):
        left.plot(curve, lw=0.8, color=BLUE if found else ORANGE)
    left.axvline(PAPER, color="k", ls=":", lw=1)
    left.text(PAPER * 1.03, 4.2, "the paper's 1,425 sweeps", fontsize=9)
    left.set(xlabel="sweep through all 64 inputs", ylabel="E", title="Seed by seed")
    for unit, colour in enumerate((BLUE, ORANGE)):
        places, name = np.arange(1, 7) + 0.36 * unit - 0.18, f"hidden unit {unit + 1}"
        bars.bar(places, solutions[0, unit], 0.34, color=colour, label=name)
    bars.set(xlabel="input", title="The weights of one solution")
    bars.margins(y=0.2)
    bars.legend(fontsize=9, ncols=2, loc="upper center")


if __name__ == "__main__":
    main(run, draw)
