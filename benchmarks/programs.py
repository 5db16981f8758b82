"""The programs that are measured: what a user of either library writes.

Each makes a model, an optimizer and some batches with *lib*, and gives the step and the
batches; nothing is arranged for one library or the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Step = Callable[..., Any]


class Work(NamedTuple):
    """``step(*batch)`` trains once and gives the loss."""

    step: Step
    batches: list[tuple[Any, ...]]
    model: Any


class Program(NamedTuple):
    name: str
    build: Callable[..., Work]  # build(lib, wrap): wrap(model) is what is called
    steps: int  # in a block that is timed
    flops: float  # of the products and convolutions of a step
    layers: list[int] = []  # for JAX: a perceptron of those sizes
    batch: int = 0
    optimizer: str = ""
    loss: str = ""


def same_weights(lib: Any, model: Any) -> None:
    numbers = np.random.default_rng(0)
    with lib.no_grad():
        for p in model.parameters():
            if p.ndim < 2:
                continue  # as made: zeros, ones, or small
            bound = 1 / np.sqrt(np.prod(p.shape[1:]))
            p.copy_(lib.tensor(numbers.uniform(-bound, bound, tuple(p.shape))))
        for p in model.parameters():
            if p.ndim < 2 and float(abs(p).max()) != 1.0:
                p.zero_()


def batches_of(
    lib: Any, batch: int, shape: tuple[int, ...], classes: int
) -> list[tuple[Any, Any]]:
    """Four batches of inputs and labels."""
    numbers = np.random.default_rng(1)
    return [
        (
            lib.tensor(numbers.standard_normal((batch, *shape)), dtype=lib.float32),
            lib.tensor((np.arange(batch) * (7 + i) % classes).tolist()),
        )
        for i in range(4)
    ]


def optimizer_of(lib: Any, kind: str, model: Any) -> Any:
    if kind == "Adam":
        return lib.optim.Adam(model.parameters(), lr=1e-4)
    if kind == "AdamW":
        return lib.optim.AdamW(model.parameters(), lr=3e-4)
    if kind == "plain SGD":
        return lib.optim.SGD(model.parameters(), lr=1e-5)
    return lib.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)


def trained(
    lib: Any, model: Any, criterion: Any, kind: str, batches: list[Any], wrap: Any
) -> Work:
    optimizer = optimizer_of(lib, kind, model)
    called = wrap(model)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(called(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Work(step, batches, model)


def perceptron(
    name: str, sizes: list[int], batch: int, kind: str, loss: str, steps: int
) -> Program:
    """ReLU layers; least squares or cross-entropy."""

    def build(lib: Any, wrap: Any) -> Work:
        nn = lib.nn
        parts: list[Any] = []
        for n, m in itertools.pairwise(sizes):
            parts += [nn.Linear(n, m), nn.ReLU()]
        model = nn.Sequential(*parts[:-1])
        same_weights(lib, model)
        batches = batches_of(lib, batch, (sizes[0],), sizes[-1])
        if loss == "CE":
            return trained(lib, model, nn.CrossEntropyLoss(), kind, batches, wrap)
        numbers = np.random.default_rng(2)
        batches = [
            (x, lib.tensor(numbers.normal(size=(batch, sizes[-1])), dtype=lib.float32))
            for x, _ in batches
        ]
        return trained(lib, model, nn.MSELoss(), kind, batches, wrap)

    flops = 2 * batch * sum(3 * n * m for n, m in itertools.pairwise(sizes))
    flops -= 2 * batch * sizes[0] * sizes[1]  # nobody asks for the input's gradient
    return Program(name, build, steps, flops, sizes, batch, kind, loss)


def lenet(lib: Any, wrap: Any) -> Work:
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip
    same_weights(lib, model)
    batches = batches_of(lib, 64, (1, 28, 28), 10)
    return trained(lib, model, nn.CrossEntropyLoss(), "SGD", batches, wrap)


def genres(lib: Any, wrap: Any) -> Work:
    nn = lib.nn
    parts, before = [], 1
    for channels in (16, 32, 64, 64):
        parts += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels),
                  nn.ReLU(), nn.MaxPool2d(2)]  # fmt: skip
        before = channels
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 10)]
    model = nn.Sequential(*parts)
    same_weights(lib, model)
    batches = batches_of(lib, 16, (1, 64, 128), 10)
    return trained(lib, model, nn.CrossEntropyLoss(), "Adam", batches, wrap)


def gpt(lib: Any, wrap: Any) -> Work:
    """Four layers, 128 wide, four heads, 64 letters of context."""
    nn, F = lib.nn, lib.nn.functional
    letters, context, width, heads, batch = 65, 64, 128, 4, 12

    class Attention(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            b, t, d = x.shape
            parts = self.qkv(x).split(width, dim=2)
            q, k, v = (p.view(b, t, heads, d // heads).transpose(1, 2) for p in parts)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).contiguous().view(b, t, d))

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = Attention()
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.letter = nn.Embedding(letters, width)
            self.place = nn.Embedding(context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(4)))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, letters, bias=False)
            self.register_buffer("places", lib.arange(context))

        def forward(self, text: Any) -> Any:
            x = self.letter(text) + self.place(self.places)
            return self.head(self.norm(self.blocks(x))).view(-1, letters)

    model = GPT()
    same_weights(lib, model)
    numbers = np.random.default_rng(1)
    batches = [
        (
            lib.tensor(numbers.integers(0, letters, (batch, context))),
            lib.tensor(numbers.integers(0, letters, batch * context)),
        )
        for _ in range(4)
    ]
    return trained(lib, model, F.cross_entropy, "AdamW", batches, wrap)


PROGRAMS = [
    perceptron("slides' net 10-40-40-5, batch 10, SGD momentum, MSE",
               [10, 40, 40, 5], 10, "SGD", "MSE", 200),
    perceptron("tour 784-256-10, batch 16, SGD momentum, MSE",
               [784, 256, 10], 16, "SGD", "MSE", 100),
    perceptron("digits 64-128-64-10, batch 32, Adam, CE",
               [64, 128, 64, 10], 32, "Adam", "CE", 100),
    perceptron("784-512-256-10, batch 128, Adam, CE",
               [784, 512, 256, 10], 128, "Adam", "CE", 20),
    Program("LeNet-5, 1×28×28, batch 64, SGD momentum", lenet, 20, 9.9e7),
    Program("genre CNN 1-16-32-64-64, 64×128, batch 16, dropout, Adam", genres, 4, 3.3e9),
    Program("GPT, 4 layers, 128 wide, 4 heads, context 64, batch 12, AdamW", gpt, 4, 4.0e9),
    perceptron("1024-1024-1024-1024-10, batch 512, SGD momentum, CE",
               [1024, 1024, 1024, 1024, 10], 512, "SGD", "CE", 4),
    perceptron("100 hidden layers of 64, batch 32, SGD momentum, CE",
               [64] * 101 + [10], 32, "SGD", "CE", 20),
]  # fmt: skip
