"""A language model on batches from random places of a text; generation with a cache."""

import math
from typing import Any

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

LENGTH, WIDTH, HEADS = 8, 16, 2
TEXT = "to be or not to be that is the question " * 3
LETTERS = sorted(set(TEXT))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.all, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        mask = rg.tril(rg.ones(LENGTH, LENGTH)).view(1, 1, LENGTH, LENGTH)
        self.register_buffer("mask", mask)

    def forward(self, x: Any, cache: Any) -> Any:
        b, t, c = x.size()
        q, k, v = (
            part.view(b, t, HEADS, c // HEADS).transpose(1, 2)
            for part in self.all(x).split(WIDTH, dim=2)
        )
        if cache is not None:
            if self in cache:
                k, v = (
                    rg.cat(both, 2) for both in zip(cache[self], (k, v), strict=True)
                )
            cache[self] = k, v
        s = k.size(2)
        att = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        hidden = self.mask[:, :, s - t : s, :s] == 0
        att = F.softmax(att.masked_fill(hidden, float("-inf")), dim=-1)
        return self.out((att @ v).transpose(1, 2).contiguous().view(b, t, c))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(len(LETTERS), WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.norm, self.attention = nn.LayerNorm(WIDTH), Attention()
        self.head = nn.Linear(WIDTH, len(LETTERS), bias=False)
        self.tokens.weight = self.head.weight

    def forward(self, x: Any, cache: Any = None, start: int = 0) -> Any:
        places = rg.arange(start, start + x.size(1), dtype=rg.long)
        h = self.tokens(x) + self.places(places)
        return self.head(h + self.attention(self.norm(h), cache))


def build() -> Any:
    return Model()


def run(net: Any) -> list[float]:
    data = rg.tensor([LETTERS.index(c) for c in TEXT], dtype=rg.long)
    decayed = [p for p in net.parameters() if p.dim() >= 2]
    others = [p for p in net.parameters() if p.dim() < 2]
    optimizer = rg.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others}],
        betas=(0.9, 0.95),
    )
    found = []
    for turn in range(10):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * 0.5 * (1 + math.cos(math.pi * turn / 10))
        ix = rg.arange(4) * (7 + turn) % (len(data) - LENGTH)
        x = rg.stack([data[i : i + LENGTH] for i in ix])
        y = rg.stack([data[i + 1 : i + 1 + LENGTH] for i in ix])
        logits = net(x)
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        found += [loss.item(), norm.item()]
    with rg.no_grad():
        cache: dict[Any, Any] = {}
        token = text = data[:2].view(1, 2)
        for _ in range(5):
            logits = net(token, cache, text.size(1) - token.size(1))[:, -1, :]
            whole = net(text)[:, -1]
            found.append((logits - whole).abs().max().item())
            least, _ = rg.topk(logits, 3)
            logits[logits < least[:, [-1]]] = -float("inf")
            token = logits.argmax(-1, keepdim=True)
            text = rg.cat((text, token), dim=1)
    return found + text.flatten().tolist()
