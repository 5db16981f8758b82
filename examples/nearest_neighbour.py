"""Nearest neighbour: a parametrised model whose output is an argmin.

The lecture's model (NYU 2.1): ȳ = argmin_k ‖x − w_k‖², the number of the row of W that is
nearest to the input; here each row is a prototype of one class of digits.

Its trouble: the argmin is a staircase of its parameters, flat almost everywhere: the number
of errors has no gradient. The surrogate: a softmax over negative distances, p(k) ∝
exp(−β‖x − w_k‖²), whose argmax is the same argmin and whose cross-entropy has a gradient.
Measured: the slopes of both by finite differences; digits right with 3 prototypes a class.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import main, spread

PER_CLASS = 3


class Nearest(nn.Module):
    """Prototypes W [K, N], three of class 0, three of 1, …; x [B, N] to the nearest's class."""

    def __init__(self, x, y):
        super().__init__()
        chosen = [rg.nonzero(y == c).flatten()[:PER_CLASS] for c in range(10)]
        self.prototypes = nn.Parameter(x[rg.cat(chosen)].clone())
        self.sharpness = nn.Parameter(rg.tensor(-2.0))  # ln β

    def forward(self, x):
        return rg.cdist(x, self.prototypes).argmin(1) // PER_CLASS

    def right(self, x, y):
        return (self(x) == y).float().mean().item()

    def loss(self, x, y):
        """−log of the class's share of the softmax over −β‖x − w_k‖²."""
        scores = -self.sharpness.exp() * rg.cdist(x, self.prototypes) ** 2
        by_class = scores.reshape(-1, 10, PER_CLASS).logsumexp(2)
        return nn.functional.cross_entropy(by_class, y)


def slopes(model, x, y, step=1e-4, directions=20):
    """Along random directions: differences of accuracy and surrogate; its gradient."""
    model.loss(x, y).backward()
    W, start, found = model.prototypes, model.prototypes.detach().clone(), []
    for _ in range(directions):
        d, ends = rg.randn(*W.shape), []
        for sign in (1, -1):
            W.data.copy_(start + sign * step * d)
            ends.append([model.right(x, y), model.loss(x, y).item()])
        found.append([*np.subtract(*ends) / (2 * step), (W.grad * d).sum().item()])
    W.data.copy_(start)
    return found


def run(report, seed, quick):
    (x, y, held_x, held_y), scores, found = rg.datasets.digits_split(), [], []
    for _ in report.seeds(seed, 2 if quick else 5):
        order = rg.randperm(len(y))
        model = Nearest(x[order], y[order])
        found += slopes(model, x[:100], y[:100])
        first = model.prototypes.detach().clone()
        before = model.right(held_x, held_y)
        optimizer = rg.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(150 if quick else 600):
            rows = rg.randint(0, len(y), (128,))
            optimizer.zero_grad()
            model.loss(x[rows], y[rows]).backward()
            optimizer.step()
        scores.append((before, model.right(held_x, held_y)))
    counted, differences, slope = np.array(found).T
    agree = np.abs(differences - slope).max() / np.abs(slope).max()
    report.verdict(
        "the argmin hands back no gradient, its softmax surrogate does",
        (counted == 0).mean() >= 0.8 and agree < 0.02 and np.abs(slope).min() > 0,
        f"a small step changes the count of errors in {(counted != 0).mean():.0%} of {len(found)} directions; "
        f"the surrogate's gradient agrees with its differences to {100 * agree:.1f} %")  # fmt: skip
    before, after = 100 * np.array(scores).T
    report.verdict(
        "prototypes learned through the surrogate classify by the argmin itself",
        min(after) > 93 and min(np.subtract(after, before)) > 5,
        f"held-out digits right {spread(before, 1, '%')} with random samples as prototypes, "
        f"{spread(after, 1, '%')} with learned ones")  # fmt: skip
    return {"first": first, "last": model.prototypes.detach(), "scores": scores}


def draw(figure, first, last, scores):
    figure.set_size_inches(9, 2)
    titles = "Before: three samples of each class", "After: the prototypes learned"
    for axis, rows in zip(figure.subplots(1, 2), (first, last), strict=True):
        tiles = rows.numpy().reshape(10, PER_CLASS, 8, 8).clip(-1.5, 1.5)
        framed = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)))
        axis.imshow(framed.transpose(1, 2, 0, 3).reshape(PER_CLASS * 10, 100), "gray_r")
        axis.set(xticks=[], yticks=[], title=titles[rows is last])


if __name__ == "__main__":
    main(run, draw)
