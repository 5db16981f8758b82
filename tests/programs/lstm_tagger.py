"""Tags the words of sentences with a bidirectional LSTM over packed batches."""

import random

import retrograd as torch
import retrograd.nn as nn
import retrograd.nn.functional as F
from retrograd.nn.utils.rnn import (
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
)

WORDS = {
    "DET": ["the", "a", "every", "this"],
    "ADJ": ["old", "green", "quick", "tired"],
    "NOUN": ["dog", "river", "teacher", "idea", "run", "walk"],
    "VERB": ["sees", "likes", "finds", "run", "walk"],
    "ADV": ["slowly", "today", "often"],
}
TAGS = ["<pad>", *WORDS]
PADDING = 0


def sentence(chance):
    """Words and tags of one sentence; some words can be nouns or verbs."""
    tags = ["DET"]
    tags += ["ADJ"] * chance.randint(0, 2)
    tags += ["NOUN", "VERB"]
    if chance.random() < 0.6:
        tags += ["DET", "NOUN"]
    if chance.random() < 0.4:
        tags += ["ADV"]
    return [chance.choice(WORDS[tag]) for tag in tags], tags


def corpus(n, seed=0):
    chance = random.Random(seed)
    vocabulary = sorted({word for words in WORDS.values() for word in words})
    number = {word: i + 1 for i, word in enumerate(vocabulary)}
    data = []
    for _ in range(n):
        words, tags = sentence(chance)
        data.append(
            (
                torch.tensor([number[w] for w in words]),
                torch.tensor([TAGS.index(t) for t in tags]),
            )
        )
    return data, len(vocabulary) + 1


class Tagger(nn.Module):
    def __init__(self, words, tags, features=8, hidden=6):
        super().__init__()
        self.embedding = nn.Embedding(words, features, padding_idx=PADDING)
        self.lstm = nn.LSTM(
            features, hidden, num_layers=2, batch_first=True, bidirectional=True
        )
        self.out = nn.Linear(2 * hidden, tags)

    def forward(self, words, lengths):
        x = self.embedding(words)
        packed = pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        hidden, _ = self.lstm(packed)
        hidden, _ = pad_packed_sequence(hidden, batch_first=True)
        return self.out(torch.tanh(hidden))


def batches(data, size):
    for start in range(0, len(data), size):
        words, tags = zip(*data[start : start + size], strict=True)
        lengths = torch.tensor([len(w) for w in words])
        yield (
            pad_sequence(words, batch_first=True, padding_value=PADDING),
            pad_sequence(tags, batch_first=True, padding_value=PADDING),
            lengths,
        )


def build():
    return Tagger(corpus(1)[1], len(TAGS))


def train(model, steps=30):
    data, _ = corpus(16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    while len(losses) < steps:
        for words, tags, lengths in batches(data, 8):
            optimizer.zero_grad()
            scores = model(words, lengths)
            loss = F.cross_entropy(
                scores.flatten(0, 1), tags.flatten(), ignore_index=PADDING
            )
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
    return losses


@torch.no_grad()
def result(model):
    """How many words of other sentences are tagged rightly, and the tags."""
    model.eval()
    words, tags, lengths = next(batches(corpus(12, seed=1)[0], 12))
    found = model(words, lengths).argmax(-1)
    known = tags != PADDING
    right = (found == tags)[known].double().mean().item()
    return right, (found * known).tolist()


if __name__ == "__main__":
    model = build()
    losses = train(model)
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}, right: {result(model)[0]:.0%}")
