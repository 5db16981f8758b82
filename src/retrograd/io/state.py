"""``save`` and ``load``: nested state dicts, without pickle."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import OrderedDict
from typing import Any

import numpy as np

from ..trace import Handle
from .atomic import write_atomically
from .safetensors import FileError, from_bytes, load_safetensors, to_bytes

_KEY = "retrograd.structure"
_DEEPEST = 60


def save(obj: Any, f: Any, **_: Any) -> None:
    """Write a tensor, or dicts, lists and tuples of tensors, numbers and strings: the
    ``state_dict()`` of a module, an optimizer, a schedule, or several of them.

    *f* is a path, written atomically, or a binary file. It becomes a .safetensors file:
    other programs find the tensors under dotted names, and the rest in its metadata.
    Raises TypeError, naming the place, for anything else; nothing is pickled.

    >>> import retrograd as rg, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> rg.save({"weight": rg.ones(2), "epoch": 3}, path)
    >>> rg.load(path)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    tensors: dict[str, Any] = {}
    structure = _describe(obj, (), tensors)
    data = to_bytes(tensors, {_KEY: json.dumps(structure)})
    if hasattr(f, "write"):
        f.write(data)
    else:
        write_atomically(f, data)


def load(f: str | os.PathLike[str] | Any, map_location: Any = None, **_: Any) -> Any:
    """What :func:`save` wrote; of any other .safetensors file, the dict of its tensors;
    of a file of ``torch.save``, the state dict or whatever data it holds.

    The remaining arguments of PyTorch's ``load`` are accepted and change nothing: there
    is one device, and no file can run code. Raises FileError (a ValueError) for a file
    that is cut short, damaged or something else.
    """
    name = str(getattr(f, "name", "the file")) if hasattr(f, "read") else str(f)
    found = _from_torch(f, name)
    if found is not _NO:
        return found
    if hasattr(f, "read"):
        tensors, metadata = from_bytes(f.read(), name)
    else:
        tensors, metadata = load_safetensors(f)
    if _KEY not in metadata:
        return tensors
    try:
        return _rebuild(json.loads(metadata[_KEY]), tensors)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FileError(f"{name}: the description of its contents is damaged") from None


_NO = object()


def _from_torch(f: Any, name: str) -> Any:
    """What torch.save wrote there, or _NO where the file begins in another way."""
    from .torch_archive import LEGACY, MAGIC, load_torch

    with contextlib.ExitStack() as stack:
        file = f
        if not hasattr(f, "read"):
            if not os.path.isfile(f):
                return _NO
            try:
                file = stack.enter_context(open(f, "rb"))
            except OSError:
                return _NO
        elif not (hasattr(f, "seekable") and f.seekable()):
            return _NO
        at = file.tell()
        start = file.read(len(LEGACY))
        file.seek(at)
        if start == LEGACY:
            raise FileError(
                f"{name} was written by torch.save in its format from before 1.6, which "
                "is a pickle: load and save it once in PyTorch"
            )
        if not start.startswith(MAGIC):
            return _NO
        if at:  # a zip archive counts its places from the beginning of the file
            file = io.BytesIO(file.read())
        return load_torch(file, name)


def _describe(obj: Any, place: tuple[str, ...], tensors: dict[str, Any]) -> Any:
    """*obj* as JSON in which each container says what it is; tensors go to *tensors*."""
    if len(place) > _DEEPEST:
        raise ValueError("cannot save: containers inside each other without end")
    if isinstance(obj, np.generic) and obj.dtype.kind in "biuf":
        obj = obj.item()
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, Handle):
        return {"tensor": _store(obj, ".".join(place) or "tensor", tensors)}
    if isinstance(obj, dict):
        for key in obj:
            if isinstance(key, bool) or not isinstance(key, (str, int)):
                raise TypeError(
                    f"{_at(place)}: a key is text or an integer, not {key!r}"
                )
        pairs = [
            [key, _describe(v, (*place, str(key)), tensors)] for key, v in obj.items()
        ]
        if not isinstance(obj, OrderedDict):
            return {"dict": pairs}
        # of a module's state_dict(): the versions of its parts
        metadata = _describe(getattr(obj, "_metadata", None), (*place, "_metadata"), {})
        return {"ordered": [pairs, metadata]}
    if isinstance(obj, (list, tuple)):
        parts = [_describe(v, (*place, str(i)), tensors) for i, v in enumerate(obj)]
        return {"list" if isinstance(obj, list) else "tuple": parts}
    mend = "there can be tensors, numbers, text, lists, tuples and dicts"
    if isinstance(obj, np.ndarray):
        mend = "make it a tensor with from_numpy()"
    elif hasattr(obj, "state_dict"):
        mend = "save its state_dict()"
    raise TypeError(f"{_at(place)}: cannot save {type(obj).__name__}; {mend}")


def _at(place: tuple[str, ...]) -> str:
    return f"at {'.'.join(place)!r}" if place else "at the top"


def _store(tensor: Any, name: str, tensors: dict[str, Any]) -> str:
    """A name of its own: {"a.b": …, "a": {"b": …}} has two tensors at "a.b"."""
    unique, n = name, 1
    while unique in tensors or unique == "__metadata__":
        n += 1
        unique = f"{name}#{n}"
    tensors[unique] = tensor
    return unique


def _rebuild(node: Any, tensors: dict[str, Any]) -> Any:
    if not isinstance(node, dict):
        if isinstance(node, list):
            raise ValueError("a list that does not say what it is")
        return node
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _rebuild(value, tensors) for key, value in content}
    if kind == "ordered":
        pairs, metadata = content
        made = OrderedDict((key, _rebuild(value, tensors)) for key, value in pairs)
        if metadata is not None:
            made._metadata = _rebuild(metadata, tensors)  # type: ignore[attr-defined]
        return made
    if kind in ("list", "tuple"):
        parts = [_rebuild(value, tensors) for value in content]
        return parts if kind == "list" else tuple(parts)
    raise ValueError(f"unknown container {kind!r}")
