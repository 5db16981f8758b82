"""What is measured of one step: losses, layers, activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.op import Array

BINS = 24
#: a unit counts as saturated where it is this near to an end of its range
NEAR = 0.02
_ENDS = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0),
         "Hardtanh": (-1.0, 1.0), "Softsign": (-1.0, 1.0), "ReLU6": (0.0, 6.0)}  # fmt: skip
_DEAD = ("ReLU", "ReLU6", "Threshold", "Hardswish")


def numbers(tensor: Any) -> Array:
    """A copy of a tensor's numbers in float."""
    array = np.asarray(tensor.detach().numpy())
    return np.array(array, dtype=np.float32 if array.dtype.itemsize < 8 else None)


def norm(array: Array) -> float:
    flat = array.reshape(-1)
    return float(np.sqrt(np.dot(flat, flat)))


def histogram(array: Array) -> dict[str, Any] | None:
    flat = array.reshape(-1)
    if flat.size > 20_000:
        flat = flat[:: flat.size // 20_000 + 1]
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(flat, BINS, (low, high))
    return {"counts": counts.tolist(), "edges": [float(edges[0]), float(edges[-1])]}


def layer(name: str, before: Array, after: Array, grad: Array | None) -> dict[str, Any]:
    """Of one parameter: ‖∂ℓ/∂w‖, ‖Δw‖ / ‖w‖, and how the gradient is spread."""
    size = norm(before)
    out: dict[str, Any] = {
        "name": name,
        "shape": list(after.shape),
        "norm": size,
        "ratio": norm(after - before) / size if size else None,
    }
    if grad is not None:
        out["gradient"] = norm(grad)
        out["histogram"] = histogram(grad)
        out["bad"] = int(grad.size - np.count_nonzero(np.isfinite(grad)))
    return out


def activation(
    name: str, kind: str, array: Array, channels: bool = False
) -> dict[str, Any]:
    """Of one module's output: its histogram; units that are 0 for every row of the
    batch (``dead``); values at an end of the function's range (``saturated``), and units
    of which all values are (``stuck``). A unit is an index of the last axis, or a
    channel: of images, and of what *channels* says."""
    out: dict[str, Any] = {
        "name": name, "kind": kind, "shape": list(array.shape),
        "histogram": histogram(array), "mean": float(array.mean()),
        "std": float(array.std()),
    }  # fmt: skip
    if array.ndim < 2 or not array.size:
        return out
    by_channel = channels or array.ndim > 3
    axes = (0, *range(2, array.ndim)) if by_channel else tuple(range(array.ndim - 1))
    if kind in _DEAD:
        out["dead"] = float(np.mean((array == 0).all(axis=axes)))
    if kind in _ENDS:
        low, high = _ENDS[kind]
        near = NEAR * (high - low)
        full = (array < low + near) | (array > high - near)
        out["saturated"] = float(np.mean(full))
        out["stuck"] = float(np.mean(full.all(axis=axes)))
    return out
