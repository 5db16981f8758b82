"""Gradient-free: when the objective is flat, a staircase, or unknown.

The lecture's claims (NYU 2.1): where a function is flat or a staircase its gradient tells
nothing, and 0th-order methods, which only ask for values, must do; they are very inefficient
when there are many parameters, which is why deep learning is about gradients.

Measured: a bowl whose value is rounded down to stairs, and the number of digits that a linear
classifier gets wrong, a black box of 130 parameters; and on a smooth bowl the evaluations that
each method needs to come to a hundredth of the start, by the number of parameters.
"""

from importlib.util import find_spec

import numpy as np
from frame import curves, digits, main

import retrograd as rg
from retrograd.optim import SGD, zeroth

STAIRS = lambda w: (((w - 1) ** 2).mean() * 20).floor() / 20  # noqa: E731
METHODS = {  # made for a vector, with a rate
    "gradient descent": lambda w, lr: SGD([w], lr=0.1),
    "evolution strategy": lambda w, lr: zeroth.EvolutionStrategy([w], lr, 0.3, pairs=6),
    "SPSA": lambda w, lr: zeroth.SPSA([w], 5 * lr, c=0.3, stability=10),
    "CMA-ES": lambda w, lr: zeroth.CMAES([w], sigma=0.5),
}


def minimise(name, objective, size, budget, enough=-1.0, lr=0.1):
    """(evaluations, value) along the way, until the value or the budget is reached."""
    w = rg.zeros(size, requires_grad=True)
    found, optimizer = [(1, objective(w).item())], METHODS[name](w, lr)

    def value():
        loss = objective(w)
        if name == "gradient descent" and loss.requires_grad:
            loss.backward()
        return loss

    while found[-1][0] < budget and found[-1][1] > enough:
        w.grad = None
        optimizer.step(value)
        asked = getattr(optimizer, "evaluations", len(found))
        found.append((asked + 1, objective(w).item()))
    return np.array(found)


def cost_of_bowl(name, n):
    """Evaluations until ½‖w − 1‖² is a hundredth of what it was at the start."""
    rate = 6 / (12 + n)  # what the noise of an estimate in n dimensions allows
    found = minimise(name, lambda w: ((w - 1) ** 2).sum() / 2, n, 20000, n / 200, rate)
    return found[-1, 0]


def errors():
    """Digits of 0 to 9 that a linear classifier on 12 features gets wrong, %."""
    x, y, _, _ = digits()
    centred = x - x.mean(0)
    features = centred @ rg.linalg.svd(centred, full_matrices=False)[2][:12].T
    features = rg.cat([features / features.std(0), rg.ones(len(x), 1)], 1)
    said = lambda w: (features @ w.reshape(13, 10)).argmax(1)  # noqa: E731
    return lambda w: 100 * (said(w) != y).float().mean()


def run(report, seed, quick):
    if not find_spec("cma") and METHODS.pop("CMA-ES", None):
        report.say("without CMA-ES: pip install 'retrograd[zeroth]'\n")
    wrong, sizes = errors(), [2, 8, 32] if quick else [2, 8, 32, 128]
    few, many = (1000, 600) if quick else (2000, 6000)
    found, cost = {}, {}
    for name in report.progress(METHODS, "methods"):
        rg.manual_seed(seed)
        stair = minimise(name, STAIRS, 10, few, 0.0)
        found[name] = stair, minimise(name, wrong, 130, many)
        cost[name] = [cost_of_bowl(name, n) for n in sizes]
    (steady, flat), *others = [[v[:, 1] for v in pair] for pair in found.values()]
    stair, black = zip(*((a[-1], b[-1]) for a, b in others), strict=True)
    report.verdict(
        "on stairs and on a black box gradients tell nothing, values do",
        np.ptp(steady) == np.ptp(flat) == 0 and min(stair) <= 0.05 and min(black) < 60,
        f"gradient descent stays at {steady[-1]:.2f} and at {flat[-1]:.0f} % of digits wrong; the "
        f"others get to {', '.join(f'{v:.2f}' for v in stair)} and to "
        f"{', '.join(f'{v:.0f}' for v in black)} %",
    )
    (least, *_, most), *free = cost.values()
    report.verdict(
        "without gradients the price grows with the number of parameters, with them it does not",
        most <= 1.1 * least and min(row[-1] / row[0] for row in free) > 3,
        f"a smooth bowl of {sizes[-1]} parameters takes {most:.0f} gradients or "
        f"{', '.join(f'{row[-1]:,.0f}' for row in free)} values ({', '.join([*METHODS][1:])}); "
        f"with 2 parameters {least:.0f}, and {', '.join(f'{row[0]:,.0f}' for row in free)}",
    )
    return {"found": found, "sizes": sizes, "cost": cost}


def draw(figure, found, sizes, cost):
    *ways, right = figure.subplots(1, 3)
    titles = "Height on stairs, 10 parameters", "Digits wrong, %, 130 parameters"
    for k, (axis, title) in enumerate(zip(ways, titles, strict=True)):
        for pair in found.values():
            axis.plot(*pair[k].T, lw=1.5)
        axis.set(xlabel="evaluations", title=title)
    curves(right, sizes, cost, xscale="log", yscale="log", xlabel="parameters",
           ylabel="evaluations", title="A smooth bowl", legend="upper left")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
