"""Data tricks: shuffle, mix the classes, normalise.

The lecture's claims (NYU 2.2). With samples sorted by class the last bias only follows the
class of the day: every minibatch should hold every class. Every input should have mean 0 and
deviation 1, images channel by channel: daylight has much red, the sea has almost none.

Measured on digits: learned sorted and mixed; as a table whose columns have units of very
different size; as images with the digit in a faint blue channel. Each damaged, and mended.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import BLUE, GREY, ORANGE, accuracy, main, spread
from retrograd.utils import data as rd

TRICKS = {
    "order": "sorted by class little is learned, every class in every minibatch mends it",
    "units": "columns of very different size are learned once they are normalised",
    "channels": "a faint colour channel is learned once channels are normalised",
}


def colour(x, bright):
    """Images of a bright red and green without a digit, and a faint blue with it."""
    empty = bright + 20 * rg.randn(len(x), 2, 8, 8)
    return rg.cat([empty, 2 + 0.05 * x.reshape(-1, 1, 8, 8)], 1)


def train(x, held_x, order, y, held_y, epochs):
    """Per cent of the held-out right, learned in an order; the last bias by minibatch."""
    last = nn.Linear(32, 10)
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 32), nn.Tanh(), last)
    loader = rd.DataLoader(rd.TensorDataset(x, y), batch_size=16, sampler=order)
    optimizer, biases = rg.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
            biases.append(last.bias.detach().numpy().copy())
    return 100 * accuracy(model(held_x), held_y), np.array(biases)


def follows(biases, y, epochs):
    """Per cent of the turns of sorted classes in which the bias of the one shown gains most."""
    ends = y.bincount().cumsum(0).numpy() // 16
    after = biases.reshape(epochs, -1, 10)[1:]
    gains = after[:, ends - 1] - after[:, [0, *ends[:-1]]]
    return 100 * (gains.argmax(2) == range(10)).mean()


def run(report, seed, quick):
    (x, y, held_x, held_y), epochs = rg.datasets.digits_split(), 2 if quick else 6
    scores, biases, turns = {name: [] for name in TRICKS}, {}, []
    for _ in report.seeds(seed, 2 if quick else 5):
        in_turn, mixed = y.argsort(stable=True).tolist(), rd.ClassBalancedSampler(y)
        size, bright = 10 ** (4 * rg.rand(64) - 2), 100 + 100 * rg.rand(2, 1, 1)
        raw = {"units": [(v + 3) * size for v in (x, held_x)],  # from 0.01 to 100
               "channels": [colour(v, bright) for v in (x, held_x)]}  # fmt: skip
        ways = {k: [(*v, mixed), (*rd.standardize(*v), mixed)] for k, v in raw.items()}
        ways["order"] = [(x, held_x, in_turn), (x, held_x, mixed)]
        for name, pair in ways.items():
            (bad, biases[name]), (good, _) = (
                train(*way, y, held_y, epochs) for way in pair
            )
            scores[name].append((bad, good))
        turns.append(follows(biases["order"], y, epochs))
    found = {name: np.array(pairs).T for name, pairs in scores.items()}
    for name, (damaged, mended) in found.items():
        scores = [spread(share, 1, "%") for share in (damaged, mended)]
        report.verdict(TRICKS[name], min(mended) > max(damaged) + 20,
                       f"held-out right {scores[0]} damaged, {scores[1]} mended")  # fmt: skip
    report.verdict(
        "with sorted classes the last bias follows the class of the day", min(turns) > 80,
        f"the class shown gains most in {spread(turns, 0, '%')} of its turns (chance 10 %)")  # fmt: skip
    return {"biases": biases["order"], "found": found}


def draw(figure, biases, found):
    left, right_ = figure.subplots(1, 2, width_ratios=[3, 2])
    left.plot(biases[:180], color=GREY, lw=1)
    left.plot(biases[:180, 2], color=BLUE, label="class 2")
    left.plot(biases[:180, 7], color=ORANGE, label="class 7")
    left.set(xlabel="minibatch", title="The last biases, two epochs of sorted classes")
    left.legend(loc="upper right", ncols=3)
    for i, name in enumerate(["damaged", "mended"]):
        high, off = zip(
            *((v[i].mean(), v[i].std(ddof=1)) for v in found.values()), strict=True
        )
        right_.bar(np.arange(3) + 0.4 * i, high, 0.38, yerr=off, label=name)
    right_.set(xticks=np.arange(3) + 0.2, xticklabels=list(found), ylim=(0, 120),
               ylabel="held-out right, %", title="Each trick")  # fmt: skip
    right_.legend(loc="upper center", ncols=2)


if __name__ == "__main__":
    main(run, draw)
