"""Nearest neighbour: a parametrised model whose output is an argmin.

The lecture's model (NYU 2.1): ȳ = argmin_k ‖x − w_k‖², the number of the row of W that is
nearest to the input; here each row is a prototype of one class of digits.

Its trouble: the argmin is a staircase of its parameters, flat almost everywhere: the number of
errors has no gradient. The surrogate: a softmax over negative distances, p(k) ∝
exp(−β‖x − w_k‖²), whose argmax is the same argmin and whose cross-entropy has a gradient.
Measured: the slopes of both by finite differences; digits right with 3 prototypes a class.
"""

import numpy as np
from frame import digits, main, spread

import retrograd as rg
from retrograd import nn

PER_CLASS = 3


class Nearest(nn.Module):
    """Prototypes W [K, N], each with a class; takes x [B, N] to the nearest one's class."""

    def __init__(self, x, y):
        super().__init__()
        chosen = [rg.nonzero(y == c).flatten()[:PER_CLASS] for c in range(10)]
        self.prototypes = nn.Parameter(x[rg.cat(chosen)].clone())
        self.sharpness = nn.Parameter(rg.tensor(-2.0))  # ln β
        self.register_buffer("classes", rg.arange(10).repeat_interleave(PER_CLASS))

    def forward(self, x):
        return self.classes[rg.cdist(x, self.prototypes).argmin(1)]

    def loss(self, x, y):
        """−log of the class's share of the softmax over −β‖x − w_k‖²."""
        scores = -self.sharpness.exp() * rg.cdist(x, self.prototypes) ** 2
        by_class = scores.reshape(-1, 10, PER_CLASS).logsumexp(2)
        return nn.functional.cross_entropy(by_class, y)


def accuracy(model, x, y):
    return (model(x) == y).float().mean().item()


def slopes(model, x, y, step=1e-4, directions=20):
    """Along random directions: differences of accuracy and surrogate; its gradient."""
    model.loss(x, y).backward()
    W, start, found = model.prototypes, model.prototypes.detach().clone(), []
    for _ in range(directions):
        d, ends = rg.randn(*W.shape), []
        for sign in (1, -1):
            W.data.copy_(start + sign * step * d)
            ends.append([accuracy(model, x, y), model.loss(x, y).item()])
        found.append([*np.subtract(*ends) / (2 * step), (W.grad * d).sum().item()])
    W.data.copy_(start)
    return np.array(found)


def train(model, x, y, steps):
    optimizer = rg.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        rows = rg.randint(0, len(y), (128,))
        optimizer.zero_grad()
        model.loss(x[rows], y[rows]).backward()
        optimizer.step()


def run(report, seed, quick):
    (x, y, held_x, held_y), scores = digits(), []
    for _ in report.seeds(seed, 2 if quick else 5):
        order = rg.randperm(len(y))
        model = Nearest(x[order], y[order])
        found = slopes(model, x[:100], y[:100])
        first = model.prototypes.detach().clone()
        before = 100 * accuracy(model, held_x, held_y)
        train(model, x, y, 150 if quick else 600)
        scores.append((before, 100 * accuracy(model, held_x, held_y)))
    counted, differences, slope = found.T
    agree = np.abs(differences - slope).max() / np.abs(slope).max()
    report.verdict(
        "the argmin hands back no gradient, its softmax surrogate does",
        (counted == 0).mean() >= 0.8 and agree < 0.02 and np.abs(slope).min() > 0,
        f"a small step changes the count of errors in {(counted != 0).mean():.0%} of 20 directions; the "
        f"surrogate's gradient agrees with its differences to {100 * agree:.1f} %",
    )
    before, after = np.array(scores).T
    report.verdict(
        "prototypes learned through the surrogate classify by the argmin itself",
        min(after) > 93 and min(np.subtract(after, before)) > 5,
        f"held-out digits right {spread(before)} % with random samples as prototypes, "
        f"{spread(after)} % with learned ones",
    )
    return {"first": first, "last": model.prototypes.detach(), "scores": scores}


def draw(figure, first, last, scores):
    figure.set_size_inches(9, 2)
    axes = figure.subplots(1, 2)
    for axis, rows in zip(axes, (first, last), strict=True):
        tiles = rows.numpy().reshape(10, PER_CLASS, 8, 8).clip(-1.5, 1.5)
        framed = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)))
        axis.imshow(framed.transpose(1, 2, 0, 3).reshape(PER_CLASS * 10, 100), "gray_r")
        axis.axis("off")
    axes[0].set_title("Before: three samples of each class")
    axes[1].set_title("After: the prototypes learned")


if __name__ == "__main__":
    main(run, draw)
