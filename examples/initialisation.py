"""Initialisation: what goes out should vary as much as what comes in.

The lecture's claim (NYU 2.2): weights are drawn at random, neither too large nor too small,
so that the variance of a layer's output is about that of its input; Kaiming's rule, variance
inversely proportional to the number of inputs, works well for deep models.

Theory (He et al. 2015): through a ReLU layer the mean square changes by fan_in · Var(w) / 2:
1 under He's rule, ½ under Xavier's, ¼ with weights half as large as He's, 4 with twice.
That is the mean over all networks. Of a single one with n units the factor scatters with
variance 5/n a layer, the fourth moment of a normal number behind a ReLU, so that after L
layers its logarithm has a deviation of about √(5L/n) (Hanin and Nica 2018).
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import curves, main

DEPTH, WIDTH = 50, 128
HE = (2 / WIDTH) ** 0.5
RULES = {  # how to draw a square weight, and the theory's factor for each layer
    "He": (nn.init.kaiming_normal_, 1.0),
    "Xavier": (nn.init.xavier_normal_, 0.5),
    "half of He": (lambda w: nn.init.normal_(w, std=HE / 2), 0.25),
    "twice He": (lambda w: nn.init.normal_(w, std=2 * HE), 4.0),
}


def redraw(network, rule):
    for part in network:
        if isinstance(part, nn.Linear):
            rule(part.weight)
            nn.init.zeros_(part.bias)
    return network


def mean_squares(network, x):
    """The mean square after each ReLU, relative to the input's."""
    found = [x.pow(2).mean()]
    with rg.no_grad():
        for part in network:
            x = part(x)
            if isinstance(part, nn.ReLU):
                found.append(x.pow(2).mean())
    return rg.stack(found).numpy() / found[0].item()


def run(report, seed, quick):
    layers = [(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(DEPTH)]
    network = nn.Sequential(*[part for layer in layers for part in layer])
    squares = {rule: [] for rule in RULES}
    networks = 6 if quick else 40
    for _ in report.seeds(seed, networks):
        x = rg.randn(32, WIDTH)
        for name, (rule, _) in RULES.items():
            squares[name].append(mean_squares(redraw(network, rule), x))
    squares = {name: np.array(found) for name, found in squares.items()}
    report.say(f"{DEPTH} ReLU layers of {WIDTH} units, {networks} networks a rule:")
    factor = {k: (s[:, 1:] / s[:, :-1]).mean() for k, s in squares.items()}
    report.table(
        ["rule", "factor of a layer", "theory", "after 50 layers", "theory"],
        [(name, f"{factor[name]:.3f}", f"{theory:g}", f"{squares[name][:, -1].mean():.1e}",
          f"{theory**DEPTH:.1e}") for name, (_, theory) in RULES.items()],
    )  # fmt: skip
    worst = max(abs(factor[k] / theory - 1) for k, (_, theory) in RULES.items())
    report.verdict(
        "the variance follows the theory, layer for layer, under every rule",
        worst < 0.03,
        f"the mean factor of a layer is within {100 * worst:.1f} % of theory",
    )
    last = squares["He"][:, -1]
    report.verdict(
        "under He's rule the output varies as much as the input, even after 50 layers",
        1 / 3 < last.mean() < 3,
        f"{last.mean():.2f} of the input's mean square (mean of {networks} networks; single "
        f"ones {last.min():.2f} to {last.max():.2f})",
    )
    scatter, expected = np.log(last).std(ddof=1), (5 * DEPTH / WIDTH) ** 0.5
    report.verdict(
        "single networks scatter about it as their width says",
        abs(scatter / expected - 1) < 0.35,
        f"the logarithm has a deviation of {scatter:.2f}; √(5L/n) = {expected:.2f}",
    )
    return {"squares": squares, "factor": factor}


def draw(figure, squares, factor):
    axis = figure.subplots()
    curves(axis, range(DEPTH + 1), squares, yscale="log", xlabel="layer",
           ylabel="mean square, relative to the input", ylim=(1e-32, 1e32),
           title="Signals through fifty ReLU layers: measured, and in theory (dotted)")  # fmt: skip
    for _, theory in RULES.values():
        axis.plot(range(DEPTH + 1), theory ** np.arange(DEPTH + 1.0), "k:", lw=1)


if __name__ == "__main__":
    main(run, draw)
