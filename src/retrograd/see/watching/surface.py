"""The loss around the way that the parameters went, in the plane of its two principal
directions."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ...ops.op import Array
from ...trace import Const
from ..capture import Capture

POINTS, SECONDS = 15, 4.0
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

    def plane(self) -> tuple[Array, Array, Array] | None:
        """The last place, two orthonormal directions (2×P), and the way in them (T×2):
        the principal components of the places, by the eigenvectors of their products."""
        if len(self.places) < 3:
            return None
        here = self.places[-1]
        moves = np.stack(self.places).astype(np.float64) - here
        centered = moves - moves.mean(axis=0)
        _, vectors = np.linalg.eigh(centered @ centered.T)
        first = centered.T @ vectors[:, -1:-3:-1]
        directions, _ = np.linalg.qr(first)
        if not np.isfinite(directions).all():
            return None
        return here, directions.T, moves @ directions


def loss_along(capture: Capture, parameters: list[Any], way: Way) -> dict[str, Any] | None:  # fmt: skip
    """The loss of one batch on a grid around the way."""
    found = way.plane()
    if found is None:
        return None
    here, directions, places = found
    args: list[Any] = []
    for p in parameters:
        args.append(next((a for a, x in capture.leaves.items() if x.tensor is p), None))
    axes = []
    for k in (0, 1):
        low, high = float(places[:, k].min()), float(places[:, k].max())
        middle, half = (low + high) / 2, max((high - low) * 0.65, 1e-6)
        axes.append(np.linspace(middle - half, middle + half, POINTS))
    widest = max(a[-1] - a[0] for a in axes)
    for k in (0, 1):  # not flat
        if axes[k][-1] - axes[k][0] < 0.3 * widest:
            middle = (axes[k][0] + axes[k][-1]) / 2
            axes[k] = np.linspace(middle - 0.15 * widest, middle + 0.15 * widest, POINTS)  # fmt: skip
    rows: list[list[float | None]] = [[None] * POINTS for _ in range(POINTS)]
    end, done = time.monotonic() + SECONDS, 0
    # from coarse to fine, so that a slow network has a picture too
    order = [(i, j) for s in (2, 1) for i in range(0, POINTS, s) for j in range(0, POINTS, s)]  # fmt: skip
    for i, j in order:
        if rows[i][j] is None and time.monotonic() < end:
            place = here + axes[0][j] * directions[0] + axes[1][i] * directions[1]
            rows[i][j] = _loss_at(capture, args, parameters, place)
            done += 1
    return {
        "x": axes[0].tolist(), "y": axes[1].tolist(), "loss": rows,
        "way": places.tolist(), "steps": way.steps, "points": done,
    }  # fmt: skip


def _loss_at(
    capture: Capture, args: list[Any], parameters: list[Any], place: Array
) -> float:
    values: dict[Any, Any] = {
        a: x.array for a, x in capture.leaves.items() if x.array is not None
    }
    at = 0
    for arg, p in zip(args, parameters, strict=True):
        size = p.numel()
        if arg is not None:
            part = place[at : at + size].reshape(tuple(p.shape))
            values[arg] = part.astype(arg.spec.dtype.np)
        at += size
    with np.errstate(all="ignore"):
        for state in capture.nodes:
            ins = [k.value if type(k) is Const else values[k] for k in state.inputs]
            op: Any = state.op
            values[state] = op.forward(*ins, **state.attrs)
    return float(np.asarray(values[capture.root]).reshape(-1)[0])
