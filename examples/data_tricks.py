"""Data tricks: shuffle, mix the classes, normalise.

The lecture's claims (NYU 2.2). With samples sorted by class the last bias only follows the
class of the day. Every minibatch should hold samples of every class. Every input should have
mean 0 and deviation 1, and images channel by channel: daylight has much red, the sea has
almost none.

Measured on digits: the last bias while training on sorted and on mixed samples; a table whose
columns have units of very different size; and digits as coloured images whose class shows
only in a faint blue channel. Each with the damage, and mended.
"""

import numpy as np
from frame import BLUE, GREY, ORANGE, digits, main, right, spread

import retrograd as rg
from retrograd import nn
from retrograd.utils import data as rd

TRICKS = {
    "order": "sorted by class little is learned, every class in every minibatch mends it",
    "units": "columns of very different size are learned once they are normalised",
    "channels": "a faint colour channel is learned once channels are normalised",
}


def network(inputs):
    hidden = nn.Linear(inputs, 32), nn.Tanh(), nn.Linear(32, 10)
    return nn.Sequential(nn.Flatten(), *hidden)


def colour(x, bright):
    """Images of a bright red and green without a digit, and a faint blue with it."""
    empty = bright + 20 * rg.randn(len(x), 2, 8, 8)
    return rg.cat([empty, 2 + 0.05 * x.reshape(-1, 1, 8, 8)], 1)


def train(model, x, y, order, epochs):
    """Train with the samples in an order; the last bias after each minibatch."""
    loader = rd.DataLoader(rd.TensorDataset(x, y), batch_size=16, sampler=order)
    optimizer, biases = rg.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
            biases.append(model[-1].bias.detach().numpy().copy())
    return np.array(biases)


def sorted_or_mixed(x, y, epochs):
    """A model for each order; the last biases of the first by minibatch; and in how many
    of the turns of the classes in its last epoch their own bias gains most, %."""
    models = network(64), network(64)
    biases = train(models[0], x, y, y.argsort(stable=True).tolist(), epochs)
    train(models[1], x, y, rd.ClassBalancedSampler(y), epochs)
    ends = np.linspace(-len(biases) // epochs, -1, 11).astype(int)
    follows = 100 * (np.diff(biases[ends], axis=0).argmax(1) == range(10)).mean()
    return models, biases, follows


def raw_or_normalised(x, held_x, y, held_y, epochs):
    scores = []
    for inputs, held in ((x, held_x), rd.standardize(x, held_x)):
        model = network(inputs[0].numel())
        train(model, inputs, y, rg.randperm(len(y)).tolist(), epochs)
        scores.append(100 * right(model(held), held_y))
    return scores


def run(report, seed, quick):
    (x, y, held_x, held_y), epochs = digits(), 2 if quick else 6
    found, follows = {name: [] for name in TRICKS}, []
    for _ in report.seeds(seed, 2 if quick else 5):
        models, biases, share = sorted_or_mixed(x, y, epochs)
        found["order"].append([100 * right(model(held_x), held_y) for model in models])
        follows.append(share)
        size, bright = 10 ** (4 * rg.rand(64) - 2), 100 + 100 * rg.rand(2, 1, 1)
        rows = [(v + 3) * size for v in (x, held_x)]  # in units from 0.01 to 100
        images = [colour(v, bright) for v in (x, held_x)]
        for name, inputs in (("units", rows), ("channels", images)):
            found[name].append(raw_or_normalised(*inputs, y, held_y, epochs))
    for name, claim in TRICKS.items():
        damaged, mended = np.array(found[name]).T
        scores = (
            f"held-out right {spread(damaged)} % damaged, {spread(mended)} % mended"
        )
        report.verdict(claim, min(mended) > max(damaged) + 20, scores)
    claim = "with sorted classes the last bias follows the class of the day"
    turns = f"the class shown gains most in {spread(follows, 0)} % of its turns"
    report.verdict(claim, min(follows) > 80, turns)
    return {"biases": biases, "found": {k: np.array(v).T for k, v in found.items()}}


def draw(figure, biases, found):
    left, right_ = figure.subplots(1, 2, width_ratios=[3, 2])
    left.plot(biases[:180], color=GREY, lw=1)
    left.plot(biases[:180, 2], color=BLUE, label="class 2")
    left.plot(biases[:180, 7], color=ORANGE, label="class 7")
    left.set(xlabel="minibatch", title="The last biases, two epochs of sorted classes")
    left.legend(loc="upper right", ncols=3)
    for i, name in enumerate(["damaged", "mended"]):
        values = [v[i] for v in found.values()]
        right_.bar(np.arange(3) + 0.4 * i, [np.mean(v) for v in values], 0.38,
                   yerr=[np.std(v) for v in values], label=name)  # fmt: skip
    right_.set(xticks=np.arange(3) + 0.2, xticklabels=list(found), ylim=(0, 120),
               ylabel="held-out right, %", title="Each trick")  # fmt: skip
    right_.legend(loc="upper center", ncols=2)


if __name__ == "__main__":
    main(run, draw)
