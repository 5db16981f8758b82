"""Saving and loading: safetensors, written so that a kill leaves the old file or the new.

Nothing is ever unpickled. A file from a stranger is checked before it is believed: the
header's size against the file, offsets against the data, shapes against the bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..dispatch import constant
from ..trace import Handle


class FileError(ValueError):
    """A file that cannot be read as what it should be; says which and why."""


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Put *data* at *path*: whole, or not at all."""
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent or ".")
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        if os.path.exists(name):
            os.unlink(name)
        raise
    folder = os.open(target.parent or ".", os.O_RDONLY)
    try:
        os.fsync(folder)  # so that the new name survives a crash too
    finally:
        os.close(folder)


def save_safetensors(
    tensors: dict[str, Any], path: str | os.PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Write named tensors, and text beside them, to a .safetensors file."""
    from safetensors.numpy import save

    arrays = {}
    for name, t in tensors.items():
        if not isinstance(t, Handle):
            raise TypeError(f"{name!r} is {type(t).__name__}: only tensors can be saved")
        arrays[name] = np.ascontiguousarray(t.detach().numpy())  # type: ignore[attr-defined]
    write_atomically(path, save(arrays, metadata))


def load_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors and the text of a .safetensors file; :class:`FileError` if it is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from None
    if len(data) < 8:
        raise FileError(f"{path} is truncated or no safetensors file ({len(data)} bytes)")
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8 or size > 100_000_000:
        raise FileError(
            f"{path} is truncated or no safetensors file: its header claims {size} bytes, "
            f"the file has {len(data)}"
        )
    try:
        arrays = load(data)
        header = json.loads(data[8 : 8 + size])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileError(f"{path} is truncated or no safetensors file: {error}") from None
    metadata = header.get("__metadata__", {})
    return {k: constant(np.array(v)) for k, v in arrays.items()}, metadata


def _flatten(obj: Any, prefix: str, tensors: dict[str, Any]) -> Any:
    if isinstance(obj, Handle):
        name = prefix or "tensor"
        tensors[name] = obj
        return {"tensor": name}
    if isinstance(obj, dict):
        items = [[k, _flatten(v, f"{prefix}.{k}" if prefix else str(k), tensors)] for k, v in obj.items()]
        for k, _ in items:
            if not isinstance(k, (str, int)):
                raise TypeError(f"keys of what is saved are names or integers, not {k!r}")
        return {"dict": items}
    if isinstance(obj, (list, tuple)):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_flatten(v, f"{prefix}.{i}" if prefix else str(i), tensors) for i, v in enumerate(obj)]}
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return {"value": obj}
    raise TypeError(
        f"cannot save {type(obj).__name__} (at {prefix or 'the top'}): there are tensors, "
        "numbers, strings, lists and dicts. Save a model's state_dict(), not the model"
    )


def _rebuild(node: Any, tensors: dict[str, Any]) -> Any:
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "dict" in node:
        return {k: _rebuild(v, tensors) for k, v in node["dict"]}
    if "list" in node:
        return [_rebuild(v, tensors) for v in node["list"]]
    if "tuple" in node:
        return tuple(_rebuild(v, tensors) for v in node["tuple"])
    return node["value"]


def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """Write a tensor, or nested dicts and lists of tensors, numbers and strings, such as
    the state_dict of a module or an optimizer. The file is a .safetensors file."""
    tensors: dict[str, Any] = {}
    structure = _flatten(obj, "", tensors)
    save_safetensors(tensors, f, {"retrograd": json.dumps(structure)})


def load(f: str | os.PathLike[str], **_: Any) -> Any:
    """What :func:`save` wrote; of another .safetensors file, the dict of its tensors."""
    tensors, metadata = load_safetensors(f)
    if "retrograd" not in metadata:
        return tensors
    try:
        return _rebuild(json.loads(metadata["retrograd"]), tensors)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileError(f"{f}: the description of its contents is damaged") from None
