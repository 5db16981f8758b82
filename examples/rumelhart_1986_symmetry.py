"""Symmetry in 1986: two hidden units, and the weights that they find.

Rumelhart, Hinton and Williams (Nature 323) let a network with two hidden units learn whether
six bits are symmetric about their middle. Their rule: the gradient of ½ Σ (y − d)² over all
64 inputs, Δw(t) = −ε ∂E/∂w + α Δw(t − 1), with ε = 0.1, α = 0.9 and first weights uniform in
±0.3; it took them 1,425 sweeps. Their point: for each hidden unit the weights from mirrored
inputs are equal with opposite signs, and in the ratio 1 : 2 : 4, so that any asymmetric
input turns it on and no two patterns cancel.

Measured over seeds: sweeps until all 64 outputs are within 0.5 of what they should be; the
signs and the ratios of the weights after the last sweep.
"""

from itertools import product

import numpy as np
from frame import BLUE, ORANGE, main

import retrograd as rg
from retrograd import nn

PAPER = 1425
X = np.array(list(product([0.0, 1.0], repeat=6)))
SYMMETRIC = (X[:, :3] == X[:, :2:-1]).all(1)


def learn(sweeps):
    """The network, E by sweep, and the first sweep with all 64 right (or None)."""
    model = nn.Sequential(nn.Linear(6, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid())
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.3, 0.3)
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = rg.tensor(X, dtype=rg.float32)
    d = rg.tensor(SYMMETRIC[:, None], dtype=rg.float32)
    errors, solved = [], None
    for sweep in range(1, sweeps + 1):
        optimizer.zero_grad()
        y = model(x)
        error = 0.5 * ((y - d) ** 2).sum()
        error.backward()
        worst = (y - d).abs().max()
        optimizer.step()
        errors.append(error.item())
        if solved is None and worst.item() < 0.5:
            solved = sweep
    return model, errors, solved


def structure(model):
    """How far mirrored weights are from opposite, relative; and the ratios to the least."""
    weights = model[0].weight.detach().numpy()
    left, mirrored = weights[:, :3], weights[:, :2:-1]
    opposite = np.abs(left + mirrored).max(1) / np.abs(left).max(1)
    sizes = np.sort(np.abs(left - mirrored) / 2, axis=1)
    return opposite.max(), sizes / sizes[:, :1]


def run(report, seed, quick):
    sweeps = 3000 if quick else 5000
    runs = []
    for _ in report.seeds(seed, 3 if quick else 20):
        model, errors, solved = learn(sweeps)
        runs.append((solved, errors, *structure(model), model))
    solved = [r for r in runs if r[0] is not None]
    times = np.array([r[0] for r in solved])
    opposite = np.median([r[2] for r in solved])
    ratios = np.median([r[3] for r in solved], 0).mean(0)
    report.verdict(
        "backpropagation finds a solution with only two hidden units, in about 1,425 sweeps",
        len(solved) > len(runs) / 2 and PAPER / 3 < np.median(times) < 3 * PAPER,
        f"{len(solved)} of {len(runs)} seeds in {sweeps:,} sweeps; median {np.median(times):.0f} sweeps, from "
        f"{times.min()} to {times.max()}; the paper's one run took {PAPER}",
    )
    exact = sum(np.abs(r[3] / [1, 2, 4] - 1).max() < 0.1 for r in solved)
    report.verdict(
        "weights of mirrored inputs are opposite, and stand as 1 : 2 : 4",
        opposite < 0.1 and np.abs(ratios / [1, 2, 4] - 1).max() < 0.25,
        f"mirrored weights are opposite to {100 * opposite:.1f} % of the largest; ratios "
        f"1 : {ratios[1]:.2f} : {ratios[2]:.2f} in the median; {exact} of {len(solved)} solutions have 1 : 2 : 4 to 10 % in both units",
    )
    return {"runs": runs}


def draw(figure, runs):
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    sweeps = np.arange(1, len(runs[0][1]) + 1)
    for solved, errors, *_ in runs:
        left.plot(sweeps, errors, lw=0.8, color=BLUE if solved else ORANGE)
    left.axvline(PAPER, color="k", ls=":", lw=1)
    left.text(PAPER * 1.03, 4.2, "the paper's 1,425 sweeps", fontsize=9)
    left.set(xlabel="sweep through all 64 inputs", ylabel="E", title="Seed by seed")
    best = min(runs, key=lambda r: (r[0] is None, np.abs(r[3] / [1, 2, 4] - 1).max()))
    weights = best[4][0].weight.detach().numpy()
    for unit, colour in enumerate((BLUE, ORANGE)):
        places, name = np.arange(1, 7) + 0.36 * unit - 0.18, f"hidden unit {unit + 1}"
        right.bar(places, weights[unit], 0.34, color=colour, label=name)
    high = 1.3 * np.abs(weights).max()
    right.set(xlabel="input", title="The weights of one solution", ylim=(-high, high))
    right.legend(fontsize=9, ncols=2, loc="upper center")


if __name__ == "__main__":
    main(run, draw)
