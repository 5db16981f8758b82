"""Data-dependent graphs: the input decides which modules run, and how often.

The lecture's remark (NYU 2.2): a graph need not be fixed; the module may be chosen by the
length of the input, though this gets hard to manage as the number of loops grows.

Here plain Python does it. Inputs are expressions over 0, 1, 2 with plus and times, trees of
any shape; each node runs the module of its operator on its branches' results. Learned from
2 to 4 leaves is the value modulo 3; then come up to 16. Each tree of the training is timed:
a new shape is a new graph, which is recorded; one that comes back is known.
"""

import time

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import curves, main, spread


class Expression(nn.Module):
    """The recursive network: a vector for each digit, a module for each operator."""

    def __init__(self):
        super().__init__()
        self.digits, self.answer = nn.Embedding(3, 32), nn.Linear(32, 3)
        self.operators = nn.ModuleDict({name: nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh()) for name in "+·"})  # fmt: skip

    def read(self, tree, digits):
        if isinstance(tree, int):
            return digits[tree]
        return self.operators[tree[0]](rg.cat([self.read(b, digits) for b in tree[1:]]))

    def forward(self, tree, digits):
        return self.answer(self.read(tree, self.digits(rg.tensor(digits))))


def sample(numbers, leaves):
    """A tree of any shape over numbered leaves, their digits, and its value."""
    digits = numbers.integers(3, size=leaves).tolist()
    parts = list(enumerate(digits))
    while len(parts) > 1:
        k, operator = numbers.integers(len(parts) - 1), numbers.choice(["+", "·"])
        (left, a), (right, b) = parts[k : k + 2]
        value = (a + b if operator == "+" else a * b) % 3
        parts[k : k + 2] = [((str(operator), left, right), value)]
    return parts[0][0], digits, parts[0][1]


def train(numbers, most, times, updates=500, batch=8):
    """The network; *times* gets the milliseconds of each shape whenever it comes."""
    model, criterion = Expression(), nn.CrossEntropyLoss()
    optimizer = rg.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(updates):
        optimizer.zero_grad()
        for _ in range(batch):
            tree, digits, value = sample(numbers, numbers.integers(2, most + 1))
            began = time.process_time()
            loss = criterion(model(tree, digits), rg.tensor(value)) / batch
            loss.backward()
            loss.item()
            times.setdefault(tree, []).append(1000 * (time.process_time() - began))
        optimizer.step()
    return model


def run(report, seed, quick, sizes=(2, 3, 4, 6, 8, 12, 16)):
    most, right, met = 3 if quick else 4, [], []
    for s in report.seeds(seed, 1 if quick else 4):
        model = train(numbers := np.random.default_rng(s), most, times := {})
        met += times.values()
        new = [[sample(numbers, size) for _ in range(50)] for size in sizes]
        hits = [[model(t, d).argmax().item() == v for t, d, v in row] for row in new]
        right.append(100 * np.mean(hits, 1))
    small, large = np.array(right)[:, [most - 2, -1]].T
    report.verdict(
        "a network whose graph follows the input learns, and does larger trees than it saw",
        min(small) > 95 and min(large) > 85, f"right on new trees of {most} leaves {spread(small, 1, '%')}, "
        f"of 16, never seen, {spread(large, 1, '%')} (commonest value: {2 * np.bincount([v for *_, v in new[-1]]).max()} %)")  # fmt: skip
    rows = np.array([row[:12] for row in met if len(row) >= 12])
    new, *_, old = np.median(rows, 0)
    report.verdict(
        "a shape that has come back often costs less than half of what a new one costs", old < new / 2,
        f"forward and backward of a tree of up to {most} leaves take {new:.1f} ms of processor time when its "
        f"shape is new, {old:.2f} ms the twelfth time (medians; {len(rows)} of {len(met)} shapes came so often)")  # fmt: skip
    return {"sizes": sizes, "right": right, "rows": rows, "shapes": list(times)}


def draw(figure, sizes, right, rows, shapes):
    left, price = figure.subplots(1, 2)
    curves(left, sizes, {"recursive network": right}, xlabel="leaves of the tree", ylim=(0, 105),
           ylabel="right, %", title="Learned from the smallest, tried on all")  # fmt: skip
    curves(price, range(1, 13), {"median of the shapes": np.median(rows, 0)}, ylim=(0, None), title="Price of a tree",
           xlabel="how often its shape has come", ylabel="ms of processor time")  # fmt: skip


if __name__ == "__main__":
    main(run, draw)
