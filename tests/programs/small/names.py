"""A model of characters by hand: counts, batch normalisation, updates of ``.data``."""

import itertools
from typing import Any

import retrograd as rg
import retrograd.nn.functional as F

WORDS = "emma olivia ava isabella sophia charlotte mia amelia harper evelyn".split()
LETTERS = sorted(set("".join(WORDS)))
PLACE = {s: i + 1 for i, s in enumerate(LETTERS)} | {".": 0}
COUNT = len(PLACE)


def build() -> Any:
    return rg.nn.ParameterDict({
        "C": rg.randn((COUNT, 4)), "W1": rg.randn((12, 16)) * 0.4,
        "W2": rg.randn((16, COUNT)) * 0.1, "b2": rg.zeros(COUNT),
        "gain": rg.ones((1, 16)), "bias": rg.zeros((1, 16)),
    })  # fmt: skip


def samples() -> tuple[Any, Any]:
    inputs, targets = [], []
    for word in WORDS:
        context = [0] * 3
        for letter in word + ".":
            inputs.append(context)
            targets.append(PLACE[letter])
            context = [*context[1:], PLACE[letter]]
    return rg.tensor(inputs), rg.tensor(targets)


def pairs() -> Any:
    counts = rg.zeros((COUNT, COUNT), dtype=rg.int32)
    for word in WORDS:
        letters = [".", *word, "."]
        for a, b in itertools.pairwise(letters):
            counts[PLACE[a], PLACE[b]] += 1
    chances = (counts + 1).double()
    chances /= chances.sum(1, keepdims=True)
    return chances


def run(net: Any) -> list[float]:
    p = pairs()
    likelihood = 0.0
    for a, b in zip(".emma", "emma.", strict=True):
        likelihood += rg.log(p[PLACE[a], PLACE[b]])
    found = [likelihood.item(), p.std(axis=0).sum().item()]
    x, y = samples()
    mean, spread = rg.zeros((1, 16)), rg.ones((1, 16))
    for turn in range(12):
        ix = (rg.arange(16) * (turn + 3)) % x.shape[0]
        emb = net["C"][x[ix]]
        before = emb.view(emb.shape[0], -1) @ net["W1"]
        mu, sd = before.mean(0, keepdim=True), before.std(0, keepdim=True)
        h = rg.tanh(net["gain"] * (before - mu) / sd + net["bias"])
        h.retain_grad()
        with rg.no_grad():
            mean = 0.9 * mean + 0.1 * mu
            spread = 0.9 * spread + 0.1 * sd
        logits = h @ net["W2"]
        logits += net["b2"]
        loss = F.cross_entropy(logits, y[ix])
        for w in net.values():
            w.grad = None
        loss.backward()
        rate = 0.5 if turn < 6 else 0.05
        for w in net.values():
            w.data += -rate * w.grad
        with rg.no_grad():
            ratios = [
                ((rate * w.grad).std() / w.data.std()).item() for w in net.values()
            ]
        found += [loss.item(), h.grad.abs().max().item(), *ratios[:3]]
    with rg.no_grad():
        before = net["C"][x].view(len(x), -1) @ net["W1"]
        h = rg.tanh(net["gain"] * (before - mean) / spread + net["bias"])
        found.append(F.cross_entropy(h @ net["W2"] + net["b2"], y).item())
    return found
