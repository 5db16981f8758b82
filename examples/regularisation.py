"""Regularisation: short weight vectors, and few weights.

The lecture's claims (NYU 2.2): L2 multiplies every weight by a constant below one at each
update, w ← (1 − 2ηα) w − η ∂C/∂w; with L1, weights that are of no use shrink to 0.

Measured on a linear problem with 34 of 40 inputs irrelevant, with 60 samples. L1 is a
proximal step of the optimizer; beside it the subgradient of α‖w‖₁ in the loss, which jumps
about zero. Penalties are chosen on validation data.
"""

import numpy as np

import retrograd as rg
from retrograd.experiment import BLUE, GREY, curves, main, spread

INPUTS, USEFUL = 40, 6
TRUTH = [2.0, -1.5, 1.0, -1.0, 0.7, -0.7] + [0.0] * (INPUTS - USEFUL)
PENALTIES = [0.03, 0.1, 0.3]
optim = rg.optim
METHODS = {  # an optimizer for a penalty's strength; what the loss gets besides
    "L2": (lambda w, a: optim.SGD(w, lr=0.05, weight_decay=2 * a), 0.0),
    "L1, subgradient": (lambda w, a: optim.SGD(w, lr=0.05), 1.0),
    "L1, proximal": (lambda w, a: optim.ProximalSGD(w, lr=0.05, l1=a), 0.0),
}


def samples(truth, count):
    x = rg.randn(count, INPUTS)
    return x, x @ truth + rg.randn(count)


def fit(x, y, make, penalty, share, steps=300):
    w = rg.zeros(INPUTS, requires_grad=True)
    optimizer = make([w], penalty)
    for _ in range(steps):
        optimizer.zero_grad()
        misfit = 0.5 * ((x @ w - y) ** 2).mean()
        (misfit + share * penalty * w.abs().sum()).backward()
        optimizer.step()
    return w.detach()


def l2_step():
    """One step with weight_decay = 2α beside w ← (1 − 2ηα) w − η ∂C/∂w."""
    w, g, rate, alpha = rg.randn(5, requires_grad=True), rg.randn(5), 0.1, 0.3
    expected = (1 - 2 * rate * alpha) * w.detach() - rate * g
    w.grad = g
    optim.SGD([w], lr=rate, weight_decay=2 * alpha).step()
    return (w - expected).abs().max().item()


def run(report, seed, quick):
    zeros, weights = {m: [] for m in METHODS}, {m: [] for m in METHODS}
    for _ in report.seeds(seed, 2 if quick else 10):
        truth = rg.tensor(TRUTH)
        train, check = samples(truth, 60), samples(truth, 200)
        for name, (make, share) in METHODS.items():
            tried = [fit(*train, make, a, share) for a in PENALTIES]
            w = min(tried, key=lambda w: (check[0] @ w - check[1]).norm().item())
            zeros[name].append((w[USEFUL:] == 0).sum().item())
            weights[name].append(w.numpy())
    kept = (np.array(weights["L1, proximal"])[:, :USEFUL] != 0).mean()
    l2, jumping, exact = map(spread, zeros.values())
    report.verdict(
        "with L1 useless weights become exactly 0, with L2 they only become small",
        np.mean(zeros["L1, proximal"]) > 15 and max(zeros["L2"]) == 0 and kept > 0.9,
        f"of {INPUTS - USEFUL} useless weights {exact} are 0 with the proximal step, {jumping} "
        f"with the subgradient of the same penalty, {l2} with L2; useful ones kept: {kept:.0%}",
    )
    error = l2_step()
    report.verdict(
        "an L2 update multiplies the weights by 1 − 2ηα", error < 1e-6,
        f"SGD's weight_decay = 2α agrees with the formula to {error:.0e}",
    )  # fmt: skip
    return {"weights": weights, "zeros": zeros, "kept": kept}


def draw(figure, weights, zeros, kept):
    left, sizes = figure.subplots(1, 2, width_ratios=[3, 2])
    places, found = np.arange(INPUTS), {m: w[0] for m, w in weights.items()}
    for name, colour, shift in (("L2", GREY, -0.15), ("L1, proximal", BLUE, 0.15)):
        left.vlines(places + shift, 0, found[name], colors=colour)
        left.plot(
            places + shift, found[name], "o", color=colour, label=name, markersize=4
        )
    left.plot(places[:USEFUL], TRUTH[:USEFUL], "_k", markersize=14, label="truth")
    left.axvline(USEFUL - 0.5, color="k", ls=":", lw=1)
    left.set(
        xlabel="input (useful ones left of the line)",
        title="The weights found, one seed",
    )
    left.legend()
    small = {m: np.sort(np.abs(w[USEFUL:]))[::-1] + 1e-9 for m, w in found.items()}
    curves(sizes, range(INPUTS - USEFUL), small, yscale="log", ylabel="|w| + 10⁻⁹",
           xlabel="rank", title="The 34 useless weights by size")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
