"""Predictions of a trained network for new data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import retrograd as rg
from retrograd.io import FileError, load_safetensors

from . import model as networks
from .data import DataError, encode, load_images, read_rows


def load(run: str) -> tuple[Any, dict[str, Any]]:
    """The network of a run folder (or of a model file), and what was saved beside it."""
    path = Path(run)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.exists():
        raise DataError(
            f"{run} has no model.safetensors: is it a folder that train left?"
        )
    state, metadata = load_safetensors(path)
    try:
        about = json.loads(metadata["retrograd.model"])
        size = networks.parameter_bytes(about["architecture"])
        if size > 4 * path.stat().st_size + (1 << 20):
            raise FileError(
                f"{path}: the architecture asks for {size} bytes of weights"
            )
        model = networks.build(about["architecture"])
        model.load_state_dict(state)
        float(about["offset"]), float(about["scale"])
        [str(c) for c in about["classes"]]
    except FileError:
        raise
    except (
        KeyError,
        ValueError,
        TypeError,
        RuntimeError,
        AttributeError,
        RecursionError,
    ) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(f"{path} is no model of retrograd train: {first}") from None
    return model.eval(), about


def inputs_of(data: str, about: dict[str, Any]) -> tuple[Any, list[str]]:
    """The inputs in a file or folder, encoded as in training, and a name for each."""
    p = Path(data)
    if not p.exists():
        raise DataError(f"{data}: no such file or folder")
    if p.is_dir() or p.suffix.lower() in (
        ".png",
        ".jpg",
        ".jpeg",
        ".bmp",
        ".gif",
        ".webp",
    ):
        if not about["image"]:
            raise DataError(f"{data}: the model was trained on a table, not on images")
        files = [p] if p.is_file() else sorted(
            f for f in p.rglob("*") if f.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
        )  # fmt: skip
        if not files:
            raise DataError(f"{data} has no images")
        return load_images(files, about["image"])[0], [str(f) for f in files]
    if p.suffix == ".npz":
        try:
            with np.load(p, allow_pickle=False) as f:
                name = next(
                    (k for k in ("X", "x", "data", "images", "inputs") if k in f.files),
                    None,
                )
                if name is None:
                    raise DataError(f"{p} has no array X, x, data, images or inputs")
                x = f[name].astype(np.float32)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"{p} is no readable .npz archive: {error}") from None
        if x.ndim == 3:
            x = x[:, None]
        wanted = list(about["architecture"]["input_shape"])
        if list(x.shape[1:]) != wanted:
            raise DataError(
                f"{p}: rows of shape {list(x.shape[1:])}, the model takes {wanted}"
            )
        if not np.isfinite(x).all():
            raise DataError(f"{p}: NaN or infinite values")
        return x, [str(i + 1) for i in range(len(x))]
    if not about["columns"]:
        raise DataError(
            f"{data}: the model was not trained on a table with named columns"
        )
    header, rows = read_rows(p)
    return encode(p, about["columns"], header, rows), [
        str(i + 1) for i in range(len(rows))
    ]


def predict(run: str, data: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the predictions."""
    model, about = load(run)
    x, names = inputs_of(data, about)
    with rg.no_grad():
        out = np.concatenate(
            [model(rg.tensor(x[i : i + 512])).numpy() for i in range(0, len(x), 512)]
        )
    if about["task"] == "regression":
        values = out[:, 0] * float(about["scale"]) + float(about["offset"])
        return ["row", about["target"]], [
            [n, f"{v:.6g}"] for n, v in zip(names, values, strict=True)
        ]
    e = np.exp(out - out.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    classes = about["classes"]
    header = ["row", about["target"], *(f"p({c})" for c in classes)]
    return header, [
        [n, classes[int(r.argmax())], *(f"{v:.4f}" for v in r)]
        for n, r in zip(names, p, strict=True)
    ]
