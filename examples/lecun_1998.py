"""Efficient BackProp: the tricks of 1998, each on and off.

The lecture points to LeCun, Bottou, Orr, Müller 1998 for "more tricks". Four of them, on the
digits with one hidden layer and stochastic gradient descent, a sample or a few at a time:
inputs with mean 0 and deviation 1 (§4.3); the sigmoid 1.7159 tanh(⅔x), which maps ±1 to ±1
(§4.4), beside the logistic one; a rate for each layer in proportion to 1/√fan_in (§4.7);
and rates for each weight, η/(h + μ), with h the running diagonal of the Hessian (§9.1,
stochastic diagonal Levenberg-Marquardt; here the Gauss-Newton diagonal, estimated with
random signs and one more backward pass now and then).

Measured: right on held-out digits after few epochs; all tricks, all but one, none. Each
network gets the best of three global rates, so that no trick wins by a rate that suits it.
"""

import numpy as np
from frame import BLUE, SKY, digits, main, right, spread

import retrograd as rg
from retrograd import nn
from retrograd.utils.data import DataLoader, TensorDataset, standardize

TRICKS = ("inputs", "tanh", "fan-in rates", "curvature")
RATES = {True: (0.003, 0.01, 0.03), False: (0.1, 0.3, 1.0)}  # with curvature, without


class ScaledTanh(nn.Module):
    def forward(self, x):
        return 1.7159 * (2 / 3 * x).tanh()


def network(tricks):
    activation = ScaledTanh() if "tanh" in tricks else nn.Sigmoid()
    model = nn.Sequential(nn.Linear(64, 40), activation, nn.Linear(40, 10))
    for layer in (model[0], model[2]):  # §4.6: deviation 1/√fan_in
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    return model


def curvature(model, x):
    """The diagonal of the Gauss-Newton matrix, by random signs: E (Jᵀ L v)² with LLᵀ the
    Hessian of the loss in the scores, diag(p) − p pᵀ."""
    scores = model(x)
    p = scores.detach().softmax(1)
    v = (rg.rand(*p.shape) < 0.5).float() * 2 - 1
    root = p.sqrt() * v - p * (p.sqrt() * v).sum(1, keepdim=True)
    loss = (scores * root).sum() / len(x) ** 0.5
    return [g**2 for g in rg.autograd.grad(loss, list(model.parameters()))]


def train(tricks, rate, data, epochs, seed, memory=0.95, mu=0.02):
    """Held-out right, %, after each epoch."""
    rg.manual_seed(seed)
    (x, y, held_x, held_y), model = data, network(tricks)
    x, held_x = (x + 1) / 2, (held_x + 1) / 2  # from 0 to 1: all positive
    if "inputs" in tricks:
        x, held_x = standardize(x, held_x)
    # A group for each weight, so that each may have a rate of its own.
    groups = [{"params": [w], "lr": rate} for w in model.parameters()]
    if "fan-in rates" in tricks:
        for group, fan_in in zip(groups, (64, 64, 40, 40), strict=True):
            group["lr"] *= 4 / fan_in**0.5
    optimizer = rg.optim.SGD(groups)
    h, scores = [rg.zeros(*w.shape) for w in model.parameters()], []
    batches = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    for _ in range(epochs):
        for i, (inputs, labels) in enumerate(batches):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            if "curvature" in tricks:
                if i % 10 == 0:
                    new = curvature(model, x[rg.randint(0, len(x), (64,))])
                    h = [a.lerp(b, 1 - memory) for a, b in zip(h, new, strict=True)]
                for w, diagonal in zip(model.parameters(), h, strict=True):
                    w.grad = w.grad / (diagonal + mu)
            optimizer.step()
        scores.append(100 * right(model(held_x), held_y))
    return scores


def run(report, seed, quick):
    data, epochs = digits(), 1 if quick else 2
    sets = {"all four": TRICKS, **{f"all but {t}": [u for u in TRICKS if u != t] for t in TRICKS},
            **{f"only {t}": [t] for t in TRICKS}, "none": []}  # fmt: skip
    if quick:
        sets = {k: sets[k] for k in ("all four", "only inputs", "none")}
    found, seeds = {}, range(seed, seed + (1 if quick else 2))
    for name, tricks in report.progress(sets.items(), "settings"):
        tried = {
            rate: np.array([train(tricks, rate, data, epochs, s) for s in seeds])
            for rate in RATES["curvature" in tricks][:: 2 if quick else 1]
        }
        best = max(tried, key=lambda rate: tried[rate][:, 0].mean())
        found[name] = best, tried[best]
    report.table(
        ["tricks", "best rate", "right after 1 epoch, %", f"after {epochs}, %"],
        [(k, r, spread(runs[:, 0]), spread(runs[:, -1])) for k, (r, runs) in found.items()],
    )  # fmt: skip
    first = {k: runs[:, 0].mean() for k, (_, runs) in found.items()}
    report.verdict(
        "the tricks of 1998 together make the first pass over the data count",
        first["all four"] > first["none"] + 5,
        f"after one pass {first['all four']:.1f} % of held-out digits right with all four, "
        f"{first['none']:.1f} % with none, each at its best rate",
    )
    alone = {t: first[f"only {t}"] for t in TRICKS if f"only {t}" in first}
    report.verdict(
        "each of them helps by itself",
        all(score > first["none"] + 1 for score in alone.values()),
        ", ".join(f"{t} {s:.1f} %" for t, s in alone.items())
        + f"; none {first['none']:.1f} %",
    )
    return {"found": found}


def draw(figure, found):
    axis = figure.subplots()
    for i, (_, runs) in enumerate(found.values()):
        axis.barh(i, runs[:, -1].mean(), 0.75, color=SKY)
        axis.barh(i, runs[:, 0].mean(), 0.75, color=BLUE)
        axis.plot(runs[:, 0], [i] * len(runs), "|k", markersize=12)
    axis.set(yticks=range(len(found)), yticklabels=list(found), xlim=(50, 100))
    axis.set(xlabel="held-out digits right, %, after one epoch (dark; | a seed) and the last",
             title="The tricks of 1998, on and off, each set at the best of three rates")  # fmt: skip
    axis.invert_yaxis()


if __name__ == "__main__":
    main(run, draw)
