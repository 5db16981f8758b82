"""A small GPT that learns a text character by character, and continues it."""

import math
from dataclasses import dataclass

import retrograd as torch
import retrograd.nn as nn
from retrograd.nn import functional as F

TEXT = (
    """
One fish swims in the sea, two fish swim with me.
Three birds sit in a tree, four birds fly with me.
"""
    * 3
)


@dataclass
class Config:
    vocabulary: int
    block: int = 16
    layers: int = 2
    heads: int = 2
    features: int = 16
    dropout: float = 0.0
    bias: bool = False


class LayerNorm(nn.Module):
    """With an optional bias."""

    def __init__(self, n, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))
        self.bias = nn.Parameter(torch.zeros(n)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        n = config.features
        self.heads, self.dropout = config.heads, config.dropout
        self.qkv = nn.Linear(n, 3 * n, bias=config.bias)
        self.project = nn.Linear(n, n, bias=config.bias)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x):
        batch, length, n = x.size()
        q, k, v = self.qkv(x).split(n, dim=2)
        q, k, v = (
            t.view(batch, length, self.heads, n // self.heads).transpose(1, 2)
            for t in (q, k, v)
        )
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(batch, length, n)
        return self.drop(self.project(y))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        n = config.features
        self.norm1 = LayerNorm(n, config.bias)
        self.attention = Attention(config)
        self.norm2 = LayerNorm(n, config.bias)
        self.mlp = nn.ModuleDict(
            {
                "up": nn.Linear(n, 4 * n, bias=config.bias),
                "gelu": nn.GELU(),
                "down": nn.Linear(4 * n, n, bias=config.bias),
            }
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        for part in self.mlp.values():
            y = part(y)
        return x + y


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.features)
        self.positions = nn.Embedding(config.block, config.features)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.norm = LayerNorm(config.features, config.bias)
        self.head = nn.Linear(config.features, config.vocabulary, bias=False)
        self.head.weight = self.tokens.weight  # tied
        self.apply(self.initialize)
        for name, p in self.named_parameters():
            if name.endswith(("project.weight", "down.weight")):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * config.layers))

    def initialize(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, index, targets=None):
        length = index.size(1)
        position = torch.arange(0, length, dtype=torch.long, device=index.device)
        x = self.drop(self.tokens(index) + self.positions(position))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if targets is None:
            return self.head(x[:, [-1], :]), None
        logits = self.head(x)
        loss = F.cross_entropy(
            logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1
        )
        return logits, loss

    def optimizer(self, rate):
        parameters = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.1},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))

    @torch.no_grad()
    def generate(self, index, n):
        for _ in range(n):
            cut = index[:, -self.config.block :]
            logits, _ = self(cut)
            logits = logits[:, -1, :]
            top, _ = torch.topk(logits, 5)
            logits[logits < top[:, [-1]]] = -float("inf")
            best = F.softmax(logits, dim=-1).argmax(-1, keepdim=True)
            index = torch.cat((index, best), dim=1)
        return index


CHARACTERS = sorted(set(TEXT))
NUMBER = {c: i for i, c in enumerate(CHARACTERS)}
DATA = torch.tensor([NUMBER[c] for c in TEXT], dtype=torch.long)


def batch(step, size, block):
    """Pieces of the text, and the same pieces one character on."""
    starts = [(37 * (step * size + k)) % (len(DATA) - block - 1) for k in range(size)]
    x = torch.stack([DATA[i : i + block] for i in starts])
    y = torch.stack([DATA[i + 1 : i + 1 + block] for i in starts])
    return x, y


def rate_at(step, steps, most=3e-2, warm=5):
    if step < warm:
        return most * (step + 1) / (warm + 1)
    return most * (
        0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
    )


def build():
    return GPT(Config(len(CHARACTERS)))


def train(model, steps=40, pieces=2):
    optimizer = model.optimizer(1e-3)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps)
        total = 0.0
        for piece in range(pieces):  # gradients add up
            x, y = batch(step * pieces + piece, 4, model.config.block)
            _, loss = model(x, y)
            loss = loss / pieces
            total += loss.item()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
    return losses


def result(model):
    """A number that says how well it knows the text, and a continuation."""
    model.eval()
    start = torch.tensor([[NUMBER[c] for c in "Two fish"[1:]]])
    text = "".join(CHARACTERS[i] for i in model.generate(start, 24)[0].tolist())
    with torch.no_grad():
        _, loss = model(*batch(1000, 8, model.config.block))
    return math.exp(-loss.item()), text


if __name__ == "__main__":
    model = build()
    losses = train(model)
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}: {result(model)[1]!r}")
