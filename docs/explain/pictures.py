"""The pictures of explain.md: ``python docs/explain/pictures.py`` writes them here."""

from pathlib import Path

import retrograd as rg
from retrograd import nn
from retrograd.see.runner import loss_of
from retrograd.see.story import Story

HERE = Path(__file__).parent


def story_of(program):
    from retrograd.see.capture import Capture

    loss, names = loss_of(program)
    return Story(Capture(loss).reverse().evaluate(), names)


def convolutional():
    rg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 10),
    )
    x, y = rg.rand(32, 1, 8, 8), rg.randint(0, 10, (32,))
    pred = model(x)
    loss = nn.functional.cross_entropy(pred, y)
    return rg.draw(loss, direction="up")


def transformer():
    rg.manual_seed(0)
    model = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    x = rg.ones(2, 5, 16)
    return rg.draw(model, x)


def recurrent():
    W = rg.tensor([[0.5, -0.2], [0.1, 0.3]], requires_grad=True)
    U = rg.tensor([[1.0], [-1.0]], requires_grad=True)
    x1, x2, x3 = rg.tensor([[1.0]]), rg.tensor([[0.5]]), rg.tensor([[-1.0]])
    h = rg.zeros(2, 1)
    for x in (x1, x2, x3):
        h = rg.tanh(W @ h + U @ x)
    loss = h.sum()
    return rg.draw(loss)


def main():
    for name in ("toy", "mlp"):
        story_of(name).draw(derivative=True).save(HERE / f"{name}.svg")
    for make in (convolutional, transformer, recurrent):
        make().save(HERE / f"{make.__name__}.svg")


if __name__ == "__main__":
    main()
