"""Saturation: a flat function has no gradient to hand back.

The lecture's claim (NYU 2.2): softmax and the sigmoid are flat where they are sure, so the
gradient vanishes there and learning stops; log-softmax is not flat, and ReLU works better
than the sigmoid in networks of many layers.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import accuracy, curves, main, spread
from retrograd.nn import functional as F

DEPTH, WIDTH = 12, 64
LOSSES = {  # of two scores, the first of the right class
    "log_softmax": lambda z: -z.log_softmax(0)[0],
    "log(softmax)": lambda z: -z.softmax(0).log()[0],
    "softmax, squared error": lambda z: 2 * (1 - z.softmax(0)[0]) ** 2,
}


def slope(loss, gap):
    """|∂ℓ/∂z| where the right class is *gap* behind in the scores z."""
    z = rg.tensor([0.0, float(gap)], requires_grad=True)
    loss(z).backward()
    return z.grad.abs().max().item()


def stack(activation, initialise):
    layers = []
    for _ in range(DEPTH):
        layers += [nn.Linear(WIDTH, WIDTH), activation()]
        initialise(layers[-2].weight)
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10))


def train(model, x, y, held_x, held_y, steps):
    """Gradient norms by layer before and after; per cent of held-out digits right."""
    optimizer = rg.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    norms = []
    for step in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        if step in (0, steps - 1):
            norms.append([model[2 * k].weight.grad.norm().item() for k in range(DEPTH)])
        optimizer.step()
    return *norms, 100 * accuracy(model(held_x), held_y)


def run(report, seed, quick):
    gaps = list(range(0, 121, 5))
    slopes = {name: [slope(loss, g) for g in gaps] for name, loss in LOSSES.items()}
    rows = list(zip(gaps, *slopes.values(), strict=True))
    report.table(["|∂ℓ/∂z| at a gap of", *slopes], rows[::4])
    good, plain, square = slopes.values()
    report.verdict(
        "softmax has no gradient where it is sure and wrong; log-softmax keeps it",
        min(good) >= 0.5 and square[4] < 1e-6 and np.isnan(plain[-1]),
        f"20 behind, softmax with squared error hands back {square[4]:.0e}; a log after "
        f"softmax is NaN at last (float32); log_softmax never below {min(good):g}\n",
    )
    data, steps = rg.datasets.digits_split(), 150 if quick else 250
    kinds = {
        "sigmoid": (nn.Sigmoid, nn.init.xavier_normal_),
        "ReLU": (nn.ReLU, nn.init.kaiming_normal_),
    }
    found = {kind: [] for kind in kinds}
    for _ in report.seeds(seed, 1 if quick else 3):
        for kind, how in kinds.items():
            found[kind].append(train(stack(*how), *data, steps))
    norms = {f"{k}, {when}": [run[i] for run in runs] for k, runs in found.items()
             for i, when in enumerate(["at the start", f"after {steps} steps"])}  # fmt: skip
    score = [spread((r[2] for r in runs), unit="%") for runs in found.values()]
    shrink = {
        k: np.mean([b[-1] / b[0] for b, _, _ in runs]) for k, runs in found.items()
    }
    report.verdict(
        "the gradient vanishes on its way back through many sigmoids, not through ReLUs",
        shrink["sigmoid"] > 1e4 and shrink["ReLU"] < 10,
        f"from layer {DEPTH} to layer 1 it shrinks {shrink['sigmoid']:,.0f}-fold with "
        f"sigmoids, {shrink['ReLU']:.1f}-fold with ReLU; held-out digits right after "
        f"{steps} full-batch steps {score[0]} and {score[1]}",
    )
    return {"gaps": gaps, "slopes": slopes, "norms": norms}


def draw(figure, gaps, slopes, norms):
    left, stacks = figure.subplots(1, 2)
    curves(left, gaps, slopes, title="Sure, and wrong: is there a gradient?",
           xlabel="how far the right class is behind", ylabel="|∂ℓ/∂z|",
           yscale="log", ylim=(1e-12, 9), xlim=(-3, 123))  # fmt: skip
    curves(stacks, range(1, DEPTH + 1), norms, ylabel="‖∂ℓ/∂W‖", yscale="log",
           xlabel="layer (1 is next to the input)", legend=(0.02, 0.5),
           title="The way back through twelve layers")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
