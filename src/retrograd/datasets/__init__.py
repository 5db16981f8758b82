"""Data that ship with the package, or are made by it."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from ..dispatch import constant
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
