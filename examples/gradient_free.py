"""Gradient-free: when the objective is flat, a staircase, or unknown.

The lecture's claims (NYU 2.1): where a function is flat or a staircase its gradient tells
nothing, and 0th-order methods, which only ask for values, must do; they are very inefficient
when there are many parameters, which is why deep learning is about gradients.

Measured: a bowl whose value is rounded down to stairs, and the number of digits that a linear
classifier gets wrong, a black box of 130 parameters; and on a smooth bowl the evaluations that
each method needs to come to a hundredth of the start, by the number of parameters.
"""

import numpy as np
from frame import curves, digits, main

import retrograd as rg
from retrograd.optim import SGD, zeroth

METHODS = {  # made for a vector, with a rate
    "gradient descent": lambda w, lr: SGD([w], lr=0.1),
    "evolution strategy": lambda w, lr: zeroth.EvolutionStrategy([w], lr, 0.3, pairs=6),
    "SPSA": lambda w, lr: zeroth.SPSA([w], 5 * lr, c=0.3, stability=10),
    "CMA-ES": lambda w, lr: zeroth.CMAES([w], sigma=0.5),
}


def minimise(name, objective, size, budget, enough=-1.0, lr=0.1):
    """(evaluations, value) along the way, until the value or the budget is reached."""
    w = rg.zeros(size, requires_grad=True)
    found = [(1, objective(w).item())]
    optimizer = METHODS[name](w, lr)
    while found[-1][0] < budget and found[-1][1] > enough:
        if isinstance(optimizer, SGD):
            optimizer.zero_grad()
            loss = objective(w)
            if loss.requires_grad:
                loss.backward()
                optimizer.step()
        else:
            optimizer.step(lambda: objective(w))
        with rg.no_grad():
            asked = getattr(optimizer, "evaluations", len(found))
            found.append((asked + 1, objective(w).item()))
    return np.array(found)


def bowl(size):
    target = rg.ones(size)
    return lambda w: ((w - target) ** 2).mean()


def cost_of_bowl(name, n):
    """Evaluations until ½‖w − w*‖² is a hundredth of what it was at the start."""
    mean = bowl(n)
    rate = 6 / (12 + n)  # what the noise of an estimate in n dimensions allows
    return minimise(name, lambda w: mean(w) * n / 2, n, 20000, n / 200, rate)[-1, 0]


def stairs(size):
    smooth = bowl(size)
    return lambda w: (smooth(w) * 20).floor() / 20


def errors():
    """Digits of 0 to 9 that a linear classifier on 12 features gets wrong, %."""
    x, y, _, _ = digits()
    centred = x - x.mean(0)
    features = centred @ rg.linalg.svd(centred, full_matrices=False)[2][:12].T
    features = rg.cat([features / features.std(0), rg.ones(len(x), 1)], 1)
    return lambda w: (
        100 * ((features @ w.reshape(13, 10)).argmax(1) != y).float().mean()
    )


def run(report, seed, quick):
    try:
        import cma  # noqa: F401
    except ImportError:
        METHODS.pop("CMA-ES", None)
        report.say("without CMA-ES: pip install 'retrograd[zeroth]'\n")
    wrong, budget = errors(), 600 if quick else 6000
    found = {}
    for name in report.progress(METHODS, "methods"):
        rg.manual_seed(seed)
        found[name] = (minimise(name, stairs(10), 10, 1000 if quick else 2000, 0.0),
                       minimise(name, wrong, 130, budget))  # fmt: skip
    others = [v for k, v in found.items() if k != "gradient descent"]
    stuck, start = found["gradient descent"], found["gradient descent"][0][0, 1]
    report.verdict(
        "on stairs and on a black box gradients tell nothing, values do",
        stuck[0][-1, 1] == start and min(a[-1, 1] for a, _ in others) <= 0.05
        and stuck[1][-1, 1] == stuck[1][0, 1] and min(b[-1, 1] for _, b in others) < 60,
        f"gradient descent stays at {start:.2f} and at {stuck[1][-1, 1]:.0f} % of digits wrong; "
        f"the others get to {', '.join(f'{a[-1, 1]:.2f}' for a, _ in others)} and to "
        f"{', '.join(f'{b[-1, 1]:.0f}' for _, b in others)} %",
    )  # fmt: skip
    sizes = [2, 8, 32] if quick else [2, 8, 32, 128]
    cost = {}
    for name in METHODS:
        rg.manual_seed(seed)
        cost[name] = [cost_of_bowl(name, n) for n in sizes]
    most, free = sizes[-1], {k: v for k, v in cost.items() if k != "gradient descent"}
    growth = {k: v[-1] / v[0] for k, v in cost.items()}
    report.verdict(
        "without gradients the price grows with the number of parameters, with them it does not",
        cost["gradient descent"][-1] <= 1.1 * cost["gradient descent"][0]
        and min(growth[k] for k in free) > 3,
        f"a smooth bowl of {most} parameters takes {cost['gradient descent'][-1]:.0f} gradients or "
        + ", ".join(f"{v[-1]:,.0f} values ({k})" for k, v in free.items())
        + f"; with 2 parameters {cost['gradient descent'][0]:.0f}, and "
        + ", ".join(f"{v[0]:,.0f}" for v in free.values()),
    )  # fmt: skip
    return {"found": found, "sizes": sizes, "cost": cost}


def draw(figure, found, sizes, cost):
    left, middle, right = figure.subplots(1, 3)
    for name, (stair, black) in found.items():
        left.plot(*stair.T, label=name, lw=1.5)
        middle.plot(*black.T, label=name, lw=1.5)
    left.set(xlabel="evaluations", ylabel="height", title="Stairs, 10 parameters")
    middle.set(xlabel="evaluations", ylabel="digits wrong, %", title="A black box, 130")
    curves(right, sizes, cost, xscale="log", yscale="log", xlabel="parameters",
           ylabel="evaluations", title="A smooth bowl", legend="upper left")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
