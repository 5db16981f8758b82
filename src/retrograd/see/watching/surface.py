"""A plane through the places where the parameters were, and the loss in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.op import Array
from .sample import array_of

POINTS = 15
#: numbers that are remembered of the way, in all
NUMBERS = 20_000_000


class Way:
    """Where the parameters were; when it gets long, every second place is forgotten."""

    def __init__(self) -> None:
        self.places: list[Array] = []
        self.steps: list[int] = []
        self.every, self._count = 1, 0

    def add(self, step: int, params: list[Array]) -> None:
        self._count += 1
        if self._count % self.every:
            return
        self.places.append(np.concatenate([p.reshape(-1) for p in params]))
        self.steps.append(step)
        most = max(8, min(160, NUMBERS // max(1, self.places[0].size)))
        if len(self.places) > most:
            self.places, self.steps = self.places[::2], self.steps[::2]
            self.every *= 2


def flat(parameters: list[Any]) -> Array:
    """All numbers of the parameters, one after the other."""
    return np.concatenate([np.reshape(array_of(p), -1) for p in parameters])  # type: ignore[arg-type]


def set_flat(parameters: list[Any], place: Array) -> None:
    """Put the numbers back; the parameters are nobody else's."""
    at = 0
    for p in parameters:
        array = array_of(p)
        assert array is not None
        array[...] = place[at : at + array.size].reshape(array.shape)
        at += array.size


def plane(places: list[Array]) -> tuple[Array, Array, float] | None:
    """The last place, two orthonormal directions (2×P), and the share of the places'
    variance that lies in them: principal components, by the eigenvectors of products."""
    if len(places) < 3:
        return None
    here = places[-1].astype(np.float64)
    moves = np.stack(places).astype(np.float64) - here
    centered = moves - moves.mean(axis=0)
    if not np.isfinite(centered).all():
        return None
    sizes, vectors = np.linalg.eigh(centered @ centered.T)
    directions, _ = np.linalg.qr(centered.T @ vectors[:, -1:-3:-1])
    if directions.shape[1] < 2 or not sizes[-1] > 0:
        return None
    return here, directions.T, float(sizes[-2:].sum() / sizes.sum())


def framed(places: Array) -> list[Array]:
    """The two axes of a grid around places in the plane, not too flat."""
    axes = []
    for k in (0, 1):
        low, high = float(places[:, k].min()), float(places[:, k].max())
        middle, half = (low + high) / 2, max((high - low) * 0.65, 1e-6)
        axes.append(np.linspace(middle - half, middle + half, POINTS))
    widest = max(a[-1] - a[0] for a in axes)
    for k in (0, 1):
        if axes[k][-1] - axes[k][0] < 0.3 * widest:
            middle = (axes[k][0] + axes[k][-1]) / 2
            axes[k] = np.linspace(middle - 0.15 * widest, middle + 0.15 * widest, POINTS)  # fmt: skip
    return axes


def surface(
    loss: Callable[[int, int], float], seconds: float
) -> list[list[float | None]]:
    """The loss on the grid: from coarse to fine, so that a slow network has a picture
    too."""
    rows: list[list[float | None]] = [[None] * POINTS for _ in range(POINTS)]
    end = time.monotonic() + seconds
    order = [(i, j) for s in (2, 1) for i in range(0, POINTS, s) for j in range(0, POINTS, s)]  # fmt: skip
    for n, (i, j) in enumerate(order):
        if rows[i][j] is None and (not n or time.monotonic() < end):
            rows[i][j] = loss(i, j)
    return rows
