"""Gradient descents: all samples, one sample, or a few at a time.

The lecture's claim (NYU 2.1, 2.2): samples are redundant, so there is no need to look at all
of them for each step. Stochastic gradient descent, with one sample or a minibatch, walks a
noisy path but gets to a loss with far less work than descent on the full batch.

Measured: samples looked at until the loss is within 5 % of its lowest, fitting a line to 64
points that are each seen 64 times; every method with a rate near its best.
"""

import numpy as np

import retrograd as rg
from retrograd.experiment import main, routes, spread, walk

COPIES, POINTS = 64, 64
METHODS = {
    "full batch": (COPIES * POINTS, 0.4),
    "minibatch of 16": (16, 0.1),
    "one sample": (1, 0.02),
}
START = [-1.0, 2.5]


def descents():
    """Paths to the neighbourhood of the lowest loss, and the loss by samples looked at."""
    t = rg.randn(POINTS)
    x = rg.stack([t, rg.ones(POINTS)], 1).repeat(COPIES, 1)
    y = (1.5 * t + 0.5 + 0.5 * rg.randn(POINTS)).repeat(COPIES)
    X, Y = x.numpy()[:POINTS], y.numpy()[:POINTS]

    def whole(w):
        return ((X @ w - Y) ** 2).mean()

    lowest = whole(np.linalg.lstsq(X, Y)[0])
    paths = {}
    for name, (size, rate) in METHODS.items():
        w = rg.tensor(START, requires_grad=True)
        order = rg.randperm(len(y))

        def loss(step, w=w, size=size, order=order):
            rows = order[step * size % len(y) :][:size]
            return ((x[rows] @ w - y[rows]) ** 2).mean()

        near = lambda w: whole(w) < 1.05 * lowest  # noqa: E731
        paths[name] = walk(rg.optim.SGD([w], lr=rate), w, loss, near, 4000)
    excess = {
        name: [whole(w) / lowest - 1 for w in path] for name, path in paths.items()
    }
    return paths, excess, (X, Y)


def run(report, seed, quick):
    looked = {name: [] for name in METHODS}
    for _ in report.seeds(seed, 3 if quick else 10):
        paths, excess, points = descents()
        for name, (size, _) in METHODS.items():
            looked[name].append((len(paths[name]) - 1) * size)
    report.table(
        ["method", "samples looked at", "updates"],
        [(name, spread(looked[name], 0), spread(np.array(looked[name]) / size, 0))
         for name, (size, _) in METHODS.items()],
    )  # fmt: skip
    full, few, one = (np.mean(v) for v in looked.values())
    report.verdict(
        "with redundant samples, one or a few at a time cost far less than all",
        full > 10 * few and full > 10 * one,
        f"{full:,.0f} samples looked at with the full batch, {few:,.0f} in minibatches of 16, "
        f"{one:,.0f} one by one (means of {len(looked['one sample'])} seeds)",
    )
    return {"paths": paths, "excess": excess, "points": points, "looked": looked}


def draw(figure, paths, excess, points, looked):
    left, right = figure.subplots(1, 2)
    X, Y = points
    routes(
        left,
        lambda w: ((X @ w - Y[:, None]) ** 2).mean(0),
        paths,
        (-1.6, 2.6),
        (-1, 2.9),
    )
    left.set(title="Paths over the loss, one seed", xlabel="slope", ylabel="offset")
    for name, (size, _) in METHODS.items():
        work = np.arange(len(excess[name])) * size + 1
        right.loglog(work, np.maximum(excess[name], 1e-3), ".-", label=name)
    right.axhline(0.05, color="k", ls=":", lw=1)
    right.set(
        xlabel="samples looked at (+ 1)", ylabel="loss above its lowest, relative"
    )
    right.set_title("What it costs to get within 5 %")
    right.legend(fontsize=9)


if __name__ == "__main__":
    main(run, draw)
