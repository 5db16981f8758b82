"""Data that ship with the package, or are made by it."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from ..dispatch import constant
from .families import family_facts as family_facts
from .families import family_trees as family_trees


def digits() -> tuple[Any, Any]:
    """The 1,797 handwritten digits of the UCI repository (see DIGITS.md beside this file).

    Images float32 [1797, 1, 8, 8] with grey values 0 to 16, labels int64 [1797].
    E. Alpaydin, C. Kaynak 1998, doi:10.24432/C50P49, CC BY 4.0.

    >>> import retrograd as rg
    >>> images, labels = rg.datasets.digits()
    >>> images.shape, labels.shape
    (retrograd.Size([1797, 1, 8, 8]), retrograd.Size([1797]))
    """
    with resources.files(__package__).joinpath("digits.npz").open("rb") as f:
        data = np.load(f, allow_pickle=False)
        images = data["images"].astype(np.float32)[:, None]
        labels = data["labels"].astype(np.int64)
    return constant(images), constant(labels)


def digits_split(held: float = 0.2, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """The digits as rows of 64 numbers from −1 to 1, with a random share *held* apart:
    (inputs [N, 64], labels [N], held inputs, held labels).

    *seed* decides which ones, and nothing else does: whoever asks again, or asks for
    another number of them, holds out the same digits first.

    >>> import retrograd as rg
    >>> x, y, held_x, held_y = rg.datasets.digits_split()
    >>> x.shape, held_x.shape, x.min().item(), x.max().item()
    (retrograd.Size([1438, 64]), retrograd.Size([359, 64]), -1.0, 1.0)
    """
    if not 0 < held < 1:
        raise ValueError(f"the share held apart should be between 0 and 1, got {held}")
    images, labels = digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = images.numpy().reshape(-1, 64)[order] / 8 - 1, labels.numpy()[order]
    apart = max(1, int(held * len(y)))
    parts = x[apart:], y[apart:], x[:apart], y[:apart]
    inputs, targets, held_x, held_y = (constant(np.ascontiguousarray(a)) for a in parts)
    return inputs, targets, held_x, held_y
