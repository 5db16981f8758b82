"""Data-dependent graphs: the input decides which modules run, and how often.

The lecture's remark (NYU 2.2): a graph need not be fixed; the module may be chosen by the
length of the input, though this gets hard to manage as the number of loops grows.

Here plain Python does it. The inputs are expressions over 0, 1, 2 with plus and times, trees
of any shape; each node runs the module of its operator on the results of its two branches,
so depth and modules differ from sample to sample. Learned from trees of 2 to 4 leaves is the
value modulo 3; then come trees of up to 16 leaves. Timed is each tree of the training: one
whose shape is new is recorded, one that comes back is run, and from the third time compiled.
"""

import time

import numpy as np
from frame import curves, main, spread

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

WIDTH = 32


class Expression(nn.Module):
    """The recursive network: a vector for each digit, a module for each operator."""

    def __init__(self):
        super().__init__()
        self.numbers = nn.Embedding(3, WIDTH)
        self.operators = nn.ModuleDict()
        for name in ("+", "·"):
            hidden = nn.Linear(2 * WIDTH, 64), nn.ReLU(), nn.Linear(64, WIDTH)
            self.operators[name] = nn.Sequential(*hidden, nn.Tanh())
        self.answer = nn.Linear(WIDTH, 3)

    def vector(self, tree, leaves):
        if isinstance(tree, int):
            return leaves[tree]
        operator, *branches = tree
        below = [self.vector(branch, leaves) for branch in branches]
        return self.operators[operator](rg.cat(below))

    def forward(self, tree, digits):
        return self.answer(self.vector(tree, self.numbers(rg.tensor(digits))))


def random_tree(numbers, first, leaves):
    """A tree over the leaves numbered from *first*."""
    if leaves == 1:
        return first
    left = int(numbers.integers(1, leaves))
    branches = (first, left), (first + left, leaves - left)
    return ["+·"[numbers.integers(2)], *(random_tree(numbers, *b) for b in branches)]


def value(tree, digits):
    if isinstance(tree, int):
        return digits[tree]
    a, b = (value(branch, digits) for branch in tree[1:])
    return (a + b if tree[0] == "+" else a * b) % 3


def sample(numbers, leaves):
    return random_tree(numbers, 0, leaves), numbers.integers(3, size=leaves).tolist()


def train(numbers, updates, batch=8):
    """The network, and milliseconds of each tree: (its shape's first time, again)."""
    model, seen, times = Expression(), set(), ([], [])
    optimizer = rg.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(updates):
        optimizer.zero_grad()
        for _ in range(batch):
            tree, digits = sample(numbers, int(numbers.integers(2, 5)))
            began = time.perf_counter()
            scores = model(tree, digits).unsqueeze(0)
            loss = F.cross_entropy(scores, rg.tensor([value(tree, digits)])) / batch
            loss.backward()
            loss.item()
            times[str(tree) in seen].append(1000 * (time.perf_counter() - began))
            seen.add(str(tree))
        optimizer.step()
    return model, times


def judge(model, numbers, leaves, count):
    """Per cent right on new trees of a size."""
    trees = [sample(numbers, leaves) for _ in range(count)]
    with rg.no_grad():
        return 100 * np.mean([model(*t).argmax().item() == value(*t) for t in trees])


def run(report, seed, quick):
    sizes, right = [2, 4, 6, 8, 12, 16], []
    for s in report.seeds(seed, 1 if quick else 2):
        numbers = np.random.default_rng(s)
        model, times = train(numbers, 200 if quick else 350)
        right.append([judge(model, numbers, n, 20 if quick else 60) for n in sizes])
    by_size = dict(zip(sizes, np.array(right).T, strict=True))
    report.table(["leaves", "right, %"], [(n, spread(v)) for n, v in by_size.items()])
    report.verdict(
        "a network whose graph follows the input learns, and does larger trees than it saw",
        by_size[4].mean() > 95 and by_size[16].mean() > 85,
        f"right on new trees of 4 leaves {spread(by_size[4])} %, of 16 leaves, never seen, "
        f"{spread(by_size[16])} % (chance: 33 to 60)",
    )
    first, again = (np.median(t) for t in times)
    report.verdict(
        "a graph that follows the input stays cheap: a shape that comes back costs little",
        again < first / 3,
        f"forward and backward of a tree {first:.1f} ms the first time its shape is met "
        f"({len(times[0])} shapes), {again:.2f} ms from then on (medians)",
    )
    return {"sizes": sizes, "right": np.array(right), "times": times}


def draw(figure, sizes, right, times):
    left, price = figure.subplots(1, 2)
    curves(left, sizes, {"recursive network": right}, xlabel="leaves of the tree",
           ylabel="right, %", ylim=(0, 105), title="Trained on 2 to 4 leaves (grey)")  # fmt: skip
    left.axvspan(2, 4, color="k", alpha=0.1, lw=0)
    bins = np.geomspace(0.1, max(map(max, times)), 40)
    price.hist(times, bins, label=["first time of a shape", "again"])
    price.set(xscale="log", yscale="log", xlabel="ms for forward and backward of a tree",
              ylabel="trees", title="New, interpreted, compiled, and then cheap")  # fmt: skip
    price.legend()


if __name__ == "__main__":
    main(run, draw)
