"""TensorBoard's event files, by tensorboardX."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


def writer(folder: Any) -> Any:
    """A writer into a folder, which is made."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ImportError(
            "TensorBoard files need tensorboardX: pip install retrograd[tensorboard]"
        ) from None
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "no permission to write", str(folder))
        return SummaryWriter(str(folder))
    except OSError as error:
        raise OSError(f"cannot write {folder}: {error.strerror or error}") from None


def write(
    to: Any,
    row: dict[str, Any],
    layers: list[dict[str, Any]],
    activations: list[dict[str, Any]],
) -> None:
    """The numbers of one step; layers and activations, if it was looked at in full."""
    step = row["step"]
    scalars = {"loss": row["loss"], "gradient_norm": row["gradient"]}
    rates = row["lr"]
    for i, lr in enumerate(rates):
        scalars["learning_rate" + (f"/{i}" if len(rates) > 1 else "")] = lr
    for x in layers:
        scalars[f"update_to_weight/{x['name']}"] = x["ratio"]
        scalars[f"gradient_norms/{x['name']}"] = x.get("gradient")
        _histogram(to, f"gradients/{x['name']}", x.get("histogram"), step)
    for x in activations:
        for kind in ("dead", "saturated"):
            scalars[f"{kind}/{x['name']}"] = x.get(kind)
        _histogram(to, f"activations/{x['name']}", x["histogram"], step)
    for name, value in scalars.items():
        if value is not None:
            to.add_scalar(name.replace(" ", "_"), value, step)


def _histogram(to: Any, name: str, found: dict[str, Any] | None, step: int) -> None:
    if found is None:
        return
    low, high = found["edges"]
    counts = np.array(found["counts"], float)
    limits = np.linspace(low, high, len(counts) + 1)
    middles = (limits[1:] + limits[:-1]) / 2
    to.add_histogram_raw(
        name.replace(" ", "_"), low, high, int(counts.sum()),
        float(counts @ middles), float(counts @ middles**2),
        limits[1:].tolist(), counts.tolist(), global_step=step,
    )  # fmt: skip
