"""A trained network in one file: weights, and beside them, as JSON, the architecture,
the normalisation, the classes and how the training went."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import retrograd as rg

from ..io import FileError, load_safetensors, save_safetensors
from . import inputs as encoding
from . import model

if TYPE_CHECKING:
    from .fit import Run

_KEY = "retrograd.model"
_FORMAT = 1


def save_model(run: Run, path: Path) -> None:
    """Write the best weights of a run and what is needed to use them, atomically."""
    about = {
        "format": _FORMAT,
        "retrograd": rg.__version__,
        "task": run.data.task,
        "target": run.data.target,
        "classes": run.data.classes,
        "offset": run.offset,
        "scale": run.scale,
        "inputs": run.data.inputs.to_json(),
        "architecture": run.architecture,
        "data": run.data.name,
        "settings": run.settings.to_json(),
        "best": run.best,
        "test": run.score,
    }
    save_safetensors(run.weights, path, {_KEY: json.dumps(about, ensure_ascii=False)})


@dataclass
class Model:
    """A trained network with what comes before and after it."""

    network: Any
    inputs: encoding.TableInputs | encoding.ImageInputs
    task: str
    target: str
    classes: list[str]
    offset: float
    scale: float
    about: dict[str, Any]

    def outputs(self, x: Any) -> Any:
        """The network's outputs for raw inputs, as an array."""
        from .fit import outputs_of

        return outputs_of(self.network, self.inputs.normalised(x))


def load_model(path: Path) -> Model:
    """The network in a run folder, or in its model file. Raises FileError for what is
    missing, damaged, or no network of ``retrograd train``."""
    if path.is_dir():
        path = path / "model.safetensors"
    weights, metadata = load_safetensors(path)
    if _KEY not in metadata:
        raise FileError(f"{path} was not written by retrograd train")
    try:
        about = json.loads(metadata[_KEY])
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']!r}, not {_FORMAT}")
        made = _read(about)
        outputs = len(made.classes) or 1
        model.check(about["architecture"], weights, made.inputs.shape, outputs)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError,
            OverflowError) as error:  # fmt: skip
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(
            f"{path} does not describe a network as it should: {why}"
        ) from None
    made.network = model.build(about["architecture"])
    made.network.load_state_dict(weights)
    made.network.eval()
    return made


def _read(about: dict[str, Any]) -> Model:
    classes = [str(c) for c in about["classes"]]
    offset, scale = float(about["offset"]), float(about["scale"])
    if about["task"] not in ("classification", "regression"):
        raise ValueError(f"task {about['task']!r}")
    if bool(classes) != (about["task"] == "classification"):
        raise ValueError("classes and task do not agree")
    if not (math.isfinite(offset) and math.isfinite(scale)):
        raise ValueError("the scale of the target is not finite")
    read = encoding.from_json(about["inputs"])
    return Model(None, read, about["task"], str(about["target"]), classes, offset, scale,
                 about)  # fmt: skip


__all__ = ["Model", "load_model", "save_model"]
