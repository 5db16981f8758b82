"""Gradient-free: when the objective is flat, a staircase, or unknown.

The lecture's claims (NYU 2.1): where a function is flat or a staircase its gradient tells
nothing, and 0th-order methods, which only ask for values, must do; they are very inefficient
when there are many parameters, which is why deep learning is about gradients.

Measured over seeds: a bowl whose value is rounded down to stairs, and the digits that a linear
classifier gets wrong, a black box of 130 parameters; and on a smooth bowl the evaluations
that each method needs to come to a hundredth of the start, by the number of parameters.
"""

from importlib.util import find_spec

import numpy as np

import retrograd as rg
from retrograd.experiment import curves, descent, main, spread
from retrograd.optim import SGD, zeroth

STAIRS = lambda w: (((w - 1) ** 2).mean() * 20).floor() / 20  # noqa: E731
METHODS = {  # made for a vector, with a rate
    "gradient descent": lambda w, lr: SGD([w], lr=0.1),
    "evolution strategy": lambda w, lr: zeroth.EvolutionStrategy([w], lr, 0.3, pairs=6),
    "SPSA": lambda w, lr: zeroth.SPSA([w], 5 * lr, c=0.3, stability=10),
    "CMA-ES": lambda w, lr: zeroth.CMAES([w], sigma=0.5),
}


def minimise(name, objective, size, budget, enough=-1.0, lr=0.1):
    w = rg.zeros(size, requires_grad=True)
    return descent(METHODS[name](w, lr), w, objective, budget, enough)


def cost_of_bowl(name, n):
    """Evaluations until ½‖w − 1‖² is a hundredth of what it was at the start."""
    rate = 6 / (12 + n)  # what the noise of an estimate in n dimensions allows
    found = minimise(name, lambda w: ((w - 1) ** 2).sum() / 2, n, 20000, n / 200, rate)
    return found[-1, 0]


def errors():
    """The per cent of digits that a linear classifier on 12 features gets wrong, in NumPy."""
    x, y = (part.numpy() for part in rg.datasets.digits_split()[:2])
    features = np.linalg.svd(x - x.mean(0), full_matrices=False)[0][:, :12]
    features = np.hstack([features / features.std(0), np.ones((len(x), 1))])
    said = lambda w: (features @ w.detach().numpy().reshape(13, 10)).argmax(1)  # noqa: E731
    return lambda w: 100 * (said(w) != y).mean()


def run(report, seed, quick):
    if not find_spec("cma") and METHODS.pop("CMA-ES", None):
        report.say("without CMA-ES: pip install 'retrograd[zeroth]'\n")
    wrong, many, runs = errors(), 600 if quick else 2000, {name: [] for name in METHODS}
    sizes = [2, 8, 32] if quick else [2, 8, 32, 128]
    for _ in report.seeds(seed, 2 if quick else 3):
        for name, found in runs.items():
            ways = (
                minimise(name, STAIRS, 10, 1000, 0.0),
                minimise(name, wrong, 130, many),
            )
            found.append((*ways, [cost_of_bowl(name, n) for n in sizes]))
    ends = {name: np.array([(a[-1, 1], b[-1, 1], c[0], c[-1]) for a, b, c in found]).T
            for name, found in runs.items()}  # fmt: skip
    report.table(["method", "height on stairs", "digits wrong, %", "evaluations, 2 parameters", f"{sizes[-1]}"], [
        (name, *map(spread, end, (2, 0, 0, 0))) for name, end in ends.items()])  # fmt: skip
    stuck, *free = ends.values()
    still = max(
        np.ptp(way[:, 1]) for found in runs["gradient descent"] for way in found[:2]
    )
    high, bad = (max(end[k].max() for end in free) for k in (0, 1))
    report.verdict(
        "on stairs and on a black box gradients tell nothing, values do",
        still == 0 and high <= 0.05 and bad < 60,
        f"gradient descent moves by {still:g}, from {stuck[0].mean():.2f} and {stuck[1].mean():.0f} % of digits wrong; "
        f"every other method and seed gets to {high:.2f} and to {bad:.0f} % or lower")  # fmt: skip
    dearer = [end[3].mean() / end[2].mean() for end in ends.values()]
    report.verdict(
        "without gradients the price grows with the number of parameters, with them it does not",
        dearer[0] < 1.1 and min(dearer[1:]) > 3, f"a smooth bowl of {sizes[-1]} parameters costs {dearer[0]:.1f} times "
        f"as much as one of 2 with gradients, {', '.join(f'{d:.0f}' for d in dearer[1:])} times without")  # fmt: skip
    return {"runs": runs, "sizes": sizes, "ends": ends}


def draw(figure, runs, sizes, ends):
    *ways, right = figure.subplots(1, 3)
    titles = "Height on stairs, 10 parameters", "Digits wrong, %, 130 parameters"
    for k, (axis, title) in enumerate(zip(ways, titles, strict=True)):
        for colour, found in enumerate(runs.values()):
            for path in found:
                axis.plot(*path[k].T, f"C{colour}", lw=1)
        axis.set(xlabel="evaluations", title=title)
    cost = {name: [c for *_, c in found] for name, found in runs.items()}
    curves(right, sizes, cost, xscale="log", yscale="log", xlabel="parameters",
           ylabel="evaluations", title="A smooth bowl", legend="upper left")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
