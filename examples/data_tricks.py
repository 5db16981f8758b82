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
from retrograd.nn import functional as F
from retrograd.utils.data import (
    ClassBalancedSampler,
    DataLoader,
    TensorDataset,
    standardize,
)

BATCH = 16


def network():
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


def train(model, x, y, order, epochs, lr=0.1):
    """Train with the samples in an order; the last bias after each minibatch."""
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, sampler=order)
    optimizer = rg.optim.SGD(model.parameters(), lr=lr)
    biases = []
    for _ in range(epochs):
        for inputs, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
            biases.append(model[-1].bias.detach().numpy().copy())
    return np.array(biases)


def sorted_or_mixed(data, epochs):
    """Held-out right, %, the biases, and in how many of the turns of a class (as sorted)
    it is this class's bias that has gained most at the end of the turn, %."""
    x, y, held_x, held_y = data
    by_class = y.argsort(stable=True).tolist()
    orders = {
        "sorted by class": by_class,
        "every class in each batch": ClassBalancedSampler(y),
    }
    found = {}
    for name, order in orders.items():
        model = network()
        biases = train(model, x, y, order, epochs)
        turns = biases[-len(biases) // epochs :].reshape(-1, 10)  # of the last epoch
        marks = np.linspace(0, len(turns) - 1, 11).astype(int)
        follows = (np.diff(turns[marks], axis=0).argmax(1) == range(10)).mean()
        found[name] = 100 * right(model(held_x), held_y), biases, 100 * follows
    return found


def normalised_or_not(data, make, epochs):
    """Held-out right, %, on inputs that *make* spoils, as they are and standardised."""
    x, y, held_x, held_y = data
    x, held_x = make(x), make(held_x)
    ways = {"raw": (x, held_x), "normalised": standardize(x, held_x)}
    scores = {}
    for name, (inputs, held) in ways.items():
        model = nn.Sequential(nn.Flatten(), nn.Linear(inputs[0].numel(), 32), nn.Tanh(),
                              nn.Linear(32, 10))  # fmt: skip
        train(model, inputs, y, rg.randperm(len(y)).tolist(), epochs)
        scores[name] = 100 * right(model(held), held_y)
    return scores


def run(report, seed, quick):
    data, epochs, seeds = digits(), 2 if quick else 6, 2 if quick else 5
    orders, units, colours = [], [], []
    for _ in report.seeds(seed, seeds):
        orders.append(sorted_or_mixed(data, epochs))
        sizes = 10 ** (4 * rg.rand(64) - 2)  # columns in units from 0.01 to 100
        units.append(normalised_or_not(data, lambda x, s=sizes: (x + 3) * s, epochs))
        tint = rg.rand(2, 1, 1) * 100 + 100  # bright red and green, without a digit
        colours.append(normalised_or_not(data, lambda x, t=tint: rg.cat(
            [(t + 20 * rg.randn(len(x), 2, 8, 8)), 2 + 0.05 * x.reshape(-1, 1, 8, 8)], 1), epochs))  # fmt: skip
    names = list(orders[0])
    score = {k: [run[k][0] for run in orders] for k in names}
    follows = {k: [run[k][2] for run in orders] for k in names}
    report.verdict(
        "sorted by class, the last bias follows the class of the day and nothing is learned",
        np.mean(follows[names[0]]) > 80
        and min(score[names[1]]) > 2 * max(score[names[0]]),
        f"in {spread(follows[names[0]], 0)} % of the turns the bias that gains most is that of the "
        f"class shown; held-out right {spread(score[names[0]])} % sorted, {spread(score[names[1]])} % "
        "with every class in each minibatch",
    )
    claims = {"columns of very different size are learned once they are normalised": units,
              "a faint colour channel is learned once channels are normalised": colours}  # fmt: skip
    for claim, runs in claims.items():
        raw, mended = ([r[k] for r in runs] for k in ("raw", "normalised"))
        report.verdict(claim, min(mended) > max(raw) + 20,
                       f"held-out right {spread(raw)} % raw, {spread(mended)} % normalised")  # fmt: skip
    bars = {"order": score.values()}
    for name, runs in (("units", units), ("channels", colours)):
        bars[name] = [[r[k] for r in runs] for k in ("raw", "normalised")]
    biases = [orders[0][k][1] for k in names]
    return {"biases": biases, "bars": {k: list(v) for k, v in bars.items()}}


def draw(figure, biases, bars):
    left, right_ = figure.subplots(1, 2, width_ratios=[3, 2])
    epoch = biases[0][:180].T
    for digit, bias in enumerate(epoch):
        left.plot(bias, color={2: BLUE, 7: ORANGE}.get(digit, GREY), lw=1 + (digit in (2, 7)),
                  label={0: "the others", 2: "class 2", 7: "class 7"}.get(digit))  # fmt: skip
    left.set(xlabel="minibatch", title="The last biases, two epochs of sorted classes")
    left.set(ylabel="bias", ylim=(-0.25, 0.55))
    left.legend(loc="upper right", ncols=3)
    for i, name in enumerate(["damaged", "mended"]):
        values = [v[i] for v in bars.values()]
        right_.bar(np.arange(3) + 0.4 * i, [np.mean(v) for v in values], 0.38,
                   yerr=[np.std(v) for v in values], label=name)  # fmt: skip
    right_.set(
        xticks=np.arange(3) + 0.2, xticklabels=list(bars), ylabel="held-out right, %"
    )
    right_.set_title("Each trick")
    right_.set_ylim(0, 120)
    right_.legend(loc="upper center", ncols=2)


if __name__ == "__main__":
    main(run, draw)
