"""Classifies sequences with a Transformer encoder: does a word occur twice?"""

import math
import random

import retrograd as torch
import retrograd.nn as nn
import retrograd.nn.functional as F

VOCABULARY, LONGEST, PADDING = 12, 9, 0


def corpus(n, seed=0):
    """Padded sequences, and whether their first word comes again."""
    chance = random.Random(seed)
    rows, labels = [], []
    for k in range(n):
        length = chance.randint(4, LONGEST)
        row = [chance.randint(2, VOCABULARY - 1) for _ in range(length)]
        row = [row[0]] + [w if w != row[0] else 1 for w in row[1:]]
        if k % 2:
            row[chance.randint(1, length - 1)] = row[0]
        rows.append(row + [PADDING] * (LONGEST - length))
        labels.append(k % 2)
    return torch.tensor(rows), torch.tensor(labels)


class PositionalEncoding(nn.Module):
    def __init__(self, features, longest):
        super().__init__()
        position = torch.arange(longest).unsqueeze(1)
        rate = torch.exp(torch.arange(0, features, 2) * (-math.log(10000.0) / features))
        table = torch.zeros(longest, features)
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, features=16, heads=4, layers=2, classes=2):
        super().__init__()
        self.features = features
        self.embedding = nn.Embedding(VOCABULARY, features, padding_idx=PADDING)
        self.position = PositionalEncoding(features, LONGEST)
        layer = nn.TransformerEncoderLayer(
            features, heads, 32, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(features), enable_nested_tensor=False
        )
        self.head = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(), nn.Linear(features, classes)
        )
        self.reset_parameters()

    def reset_parameters(self):
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def forward(self, words):
        absent = words == PADDING
        x = self.embedding(words) * math.sqrt(self.features)
        x = self.encoder(self.position(x), src_key_padding_mask=absent)
        x = x.masked_fill(absent.unsqueeze(-1), 0.0)
        mean = x.sum(1) / (~absent).sum(1, keepdim=True)
        return self.head(mean)


def build():
    return Classifier()


def train(model, steps=40):
    words, labels = corpus(48)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 5, 1.0) * 0.98**step
    )
    losses = []
    model.train()
    for step in range(steps):
        chosen = slice(16 * (step % 3), 16 * (step % 3 + 1))
        loss = F.cross_entropy(
            model(words[chosen]), labels[chosen], label_smoothing=0.05
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def result(model):
    """The share of training sequences classified rightly, and all probabilities."""
    model.eval()
    words, labels = corpus(48)
    probability = model(words).softmax(-1)
    right = (probability.argmax(-1) == labels).double().mean().item()
    return right, probability.tolist()


if __name__ == "__main__":
    model = build()
    losses = train(model)
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}, right: {result(model)[0]:.0%}")
