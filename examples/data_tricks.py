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
    """Held-out right, %, with both orders; the biases of the first; and in how many of
    the turns of its classes it is their own bias that has gained most at the end, %."""
    x, y, held_x, held_y = data
    orders = y.argsort(stable=True).tolist(), ClassBalancedSampler(y)
    models = [
        nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)) for _ in orders
    ]
    biases, _ = (train(m, x, y, o, epochs) for m, o in zip(models, orders, strict=True))
    turns = biases[-len(biases) // epochs :]
    turns = turns[np.linspace(0, len(turns) - 1, 11).astype(int)]
    follows = 100 * (np.diff(turns, axis=0).argmax(1) == range(10)).mean()
    return [100 * right(model(held_x), held_y) for model in models], biases, follows


def raw_or_normalised(data, make, epochs):
    x, y, held_x, held_y = data
    x, held_x, scores = make(x), make(held_x), []
    for inputs, held in ((x, held_x), standardize(x, held_x)):
        hidden = nn.Linear(inputs[0].numel(), 32), nn.Tanh(), nn.Linear(32, 10)
        model = nn.Sequential(nn.Flatten(), *hidden)
        train(model, inputs, y, rg.randperm(len(y)).tolist(), epochs)
        scores.append(100 * right(model(held), held_y))
    return scores


def run(report, seed, quick):
    data, epochs = digits(), 2 if quick else 6
    found, follows = {"order": [], "units": [], "channels": []}, []
    for _ in report.seeds(seed, 2 if quick else 5):
        scores, biases, share = sorted_or_mixed(data, epochs)
        found["order"].append(scores)
        follows.append(share)
        size = 10 ** (4 * rg.rand(64) - 2)  # columns in units from 0.01 to 100
        found["units"].append(
            raw_or_normalised(data, lambda x, s=size: (x + 3) * s, epochs)
        )
        bright = 100 + 100 * rg.rand(2, 1, 1)  # red and green, without a digit

        def colour(x, bright=bright):
            other = bright + 20 * rg.randn(len(x), 2, 8, 8)
            return rg.cat([other, 2 + 0.05 * x.reshape(-1, 1, 8, 8)], 1)

        found["channels"].append(raw_or_normalised(data, colour, epochs))
    claims = {
        "order": "sorted by class, the last bias follows the class of the day; little is learned",
        "units": "columns of very different size are learned once they are normalised",
        "channels": "a faint colour channel is learned once channels are normalised",
    }
    for name, claim in claims.items():
        damaged, mended = np.array(found[name]).T
        report.verdict(
            claim,
            min(mended) > max(damaged) + 20
            and (name != "order" or np.mean(follows) > 80),
            (name == "order")
            * f"its bias gains most in {spread(follows, 0)} % of the turns; "
            f"held-out right {spread(damaged)} % damaged, {spread(mended)} % mended",
        )
    return {"biases": biases, "found": {k: np.array(v).T for k, v in found.items()}}


def draw(figure, biases, found):
    left, right_ = figure.subplots(1, 2, width_ratios=[3, 2])
    epoch = biases[:180].T
    for digit, bias in enumerate(epoch):
        left.plot(bias, color={2: BLUE, 7: ORANGE}.get(digit, GREY), lw=1 + (digit in (2, 7)),
                  label={0: "the others", 2: "class 2", 7: "class 7"}.get(digit))  # fmt: skip
    left.set(xlabel="minibatch", title="The last biases, two epochs of sorted classes")
    left.set_ylim(-0.25, 0.55)
    left.legend(loc="upper right", ncols=3)
    for i, name in enumerate(["damaged", "mended"]):
        values = [v[i] for v in found.values()]
        right_.bar(np.arange(3) + 0.4 * i, [np.mean(v) for v in values], 0.38,
                   yerr=[np.std(v) for v in values], label=name)  # fmt: skip
    right_.set(
        xticks=np.arange(3) + 0.2, xticklabels=list(found), ylabel="held-out right, %"
    )
    right_.set(title="Each trick", ylim=(0, 120))
    right_.legend(loc="upper center", ncols=2)


if __name__ == "__main__":
    main(run, draw)
