"""Predictions of a trained network, as rows of a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import audio, metrics
from .errors import DataError
from .inputs import AudioInputs, ImageInputs
from .saved import load_model


def predict(
    run: str, data: str, warn: Callable[[str], None] = lambda text: None
) -> Iterator[list[Any]]:
    """A header, then one row per row of *data*: the class and the probability of each
    class, or the value. Raises DataError or FileError."""
    path = Path(data)
    model = load_model(Path(run))
    if not path.exists():
        raise DataError(f"{data} does not exist")
    if path.is_dir() and not isinstance(model.inputs, ImageInputs):
        raise DataError(f"{data} is a folder, but the network was trained on a table")
    x, names = model.inputs.read(path, model.target, warn)
    out = model.outputs(x)
    images = isinstance(model.inputs, ImageInputs)
    label = ["image"] if images else []
    if isinstance(model.inputs, AudioInputs):
        out, _ = audio.vote(out, model.inputs.songs)
        label = ["song"]
    if model.task == "regression":
        yield [*label, model.target]
        values = out[:, 0].astype(float) * model.scale + model.offset
        for name, value in zip(names, values, strict=True):
            yield [*([name] if images else []), f"{value:.7g}"]
        return
    yield [*label, model.target, *(f"p({c})" for c in model.classes)]
    for name, p in zip(names, metrics.softmax(out), strict=True):
        chosen = model.classes[int(p.argmax())]
        yield [*([name] if images else []), chosen, *(f"{v:.6f}" for v in p)]
