"""Named tensors in .safetensors files (github.com/huggingface/safetensors)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import constant
from ..trace import Handle
from .atomic import write_atomically

#: Formats that are often mistaken for it, by their first bytes.
_OTHERS = {
    b"PK\x03\x04": "a zip archive: rg.load reads those of torch.save",
    b"\x80\x02": "a pickle, which could run any program: it is not opened",
    b"\x80\x04": "a pickle, which could run any program: it is not opened",
    b"\x80\x05": "a pickle, which could run any program: it is not opened",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUM": "a NumPy file",
}

_TYPES = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16,
    "BF16": dtypes.bfloat16, "I64": dtypes.int64, "I32": dtypes.int32,
    "I16": dtypes.int16, "I8": dtypes.int8, "U8": dtypes.uint8, "BOOL": dtypes.bool_,
}  # fmt: skip


class FileError(ValueError):
    """A file that cannot be read as what it should be; says which and why."""


class MissingFileError(FileError, FileNotFoundError):
    """A file that is not there."""


def to_bytes(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None) -> bytes:
    """The content of a .safetensors file."""
    from safetensors.numpy import save

    arrays = {}
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"tensors are saved under names, not under {name!r}")
        if isinstance(value, Handle):
            value = value.detach().numpy()  # type: ignore[attr-defined]
        if not isinstance(value, np.ndarray) or value.dtype.kind == "O":
            raise TypeError(
                f"{name!r} is {type(value).__name__}: only tensors can be saved here"
            )
        # asarray, because ascontiguousarray would give a number a dimension
        arrays[name] = np.asarray(value, order="C")
    return bytes(save(arrays, dict(metadata) if metadata else None))


def save_safetensors(
    tensors: Mapping[str, Any],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write named tensors, and text beside them, to a .safetensors file, atomically.

    Tensors that share memory are written once each. Raises TypeError for what is no
    tensor, OSError where the file cannot be written.
    """
    write_atomically(path, to_bytes(tensors, metadata))


def load_safetensors(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors and the text of a .safetensors file.

    Nothing in it is run, and nothing is believed before it is checked: the header's
    size against the file's, every tensor's place and shape against the bytes there.
    Raises FileError for a file that is cut short, damaged or something else.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FileError(f"{path} is a folder, not a safetensors file")
        if not path.exists():
            raise MissingFileError(f"{path} does not exist")
        if not path.is_file():  # a pipe or a device would never end
            raise FileError(f"{path} is no ordinary file")
        data = path.read_bytes()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    return from_bytes(data, str(path))


def from_bytes(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """As :func:`load_safetensors`, of bytes; *name* is for messages."""
    import json

    from safetensors import SafetensorError, deserialize

    for start, what in _OTHERS.items():
        # a header of 1408 bytes begins like a pickle, but goes on with its text
        if data.startswith(start) and data[8:9] != b"{":
            raise FileError(f"{name} is no safetensors file but {what}")
    size = int.from_bytes(data[:8], "little")
    if len(data) < 10 or data[8:9] != b"{" or size > len(data) - 8:
        raise FileError(f"{name} is cut short, or is no safetensors file")
    try:
        found = deserialize(data)
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise FileError(f"{name} is cut short or damaged: {error}") from None
    tensors = {}
    for key, value in found:
        kind = _TYPES.get(value["dtype"])
        if kind is None:
            raise FileError(
                f"{name}: {key!r} is {value['dtype']}, which no tensor can be"
            )
        array = np.frombuffer(value["data"], dtype=kind.np).reshape(value["shape"])
        # The library's buffer is fresh; where it is not writable, a tensor needs its own.
        tensors[key] = constant(array if array.flags.writeable else array.copy())
    return tensors, metadata
