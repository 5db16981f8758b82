"""TensorBoard's event files, by tensorboardX."""

from __future__ import annotations

import os
from typing import Any


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


def write(to: Any, row: dict[str, Any], layers: list[dict[str, Any]]) -> None:
    """The numbers of one step."""
    step = row["step"]
    for name in ("loss", "gradient"):
        if row[name] is not None:
            to.add_scalar(name, row[name], step)
    for i, lr in enumerate(row["lr"]):
        to.add_scalar(f"learning rate/{i}", lr, step)
    for x in layers:
        if x["ratio"] is not None:
            to.add_scalar(f"update to weight/{x['name']}", x["ratio"], step)
