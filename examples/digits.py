"""Digits: a small convolutional network reads handwriting.

The lecture's example (NYU 2.1, 2.2): classification of handwritten digits. Here the 1,797
digits of the UCI repository, 8×8 pixels by 13 writers; a random fifth of them is held out and
looked at once, at the end. The claim to check: at least 98.5 % of it right, as the mean of
several seeds, each with a split of its own.

Two convolutions with batch normalisation, pooling, dropout; AdamW with one cycle of the
learning rate; in training each image is moved by up to one pixel.
"""

import numpy as np

import retrograd as rg
from retrograd import nn
from retrograd.experiment import main, spread
from retrograd.nn import functional as F
from retrograd.utils.data import DataLoader, TensorDataset


def network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def moved(x):
    """Each minibatch by up to one pixel, with paper where nothing was."""
    down, right = rg.randint(0, 3, (2,)).tolist()
    return F.pad(x, (1, 1, 1, 1))[:, :, down : down + 8, right : right + 8]


def learn(x, y, epochs):
    model = network()
    batches = DataLoader(
        TensorDataset(x, y), batch_size=64, shuffle=True, drop_last=True
    )
    optimizer = rg.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = rg.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs * len(batches))
    for _ in range(epochs):
        for inputs, labels in batches:
            optimizer.zero_grad()
            F.cross_entropy(
                model(moved(inputs)), labels, label_smoothing=0.05
            ).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def run(report, seed, quick):
    images, labels = rg.datasets.digits()
    x, count = images / 16, len(labels) // 5
    scores, wrong = [], []
    for _ in report.seeds(seed, 1 if quick else 3):
        order = rg.randperm(len(labels))
        held, learned = order[:count], order[count:]
        model = learn(x[learned], labels[learned], 6 if quick else 12)
        with rg.no_grad():
            said = model(x[held]).argmax(1)
        right = said == labels[held]
        scores.append(100 * right.float().mean().item())
        wrong += [(x[i, 0].numpy(), labels[i].item(), said[k].item())
                  for k, i in enumerate(held.tolist()) if not right[k].item()]  # fmt: skip
    report.verdict(
        "a small convolutional network reads at least 98.5 % of the held-out digits",
        np.mean(scores) >= 98.5,
        f"{spread(scores, unit='%')} right on {count} held-out digits, {len(wrong)} wrong in all",
    )
    return {"scores": scores, "wrong": wrong}


def draw(figure, scores, wrong):
    shown = wrong[:12]
    figure.set_size_inches(9, 2.2)
    axes = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    for axis, (image, label, said) in zip(axes, shown, strict=False):
        axis.imshow(image, "gray_r")
        axis.set_title(f"{label}, read\nas {said}", fontsize=9)
    for axis in axes:
        axis.axis("off")
    figure.suptitle(
        f"What it got wrong, with {np.mean(scores):.1f} % right", fontsize=12
    )


if __name__ == "__main__":
    main(run, draw)
