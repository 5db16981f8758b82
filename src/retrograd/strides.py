"""Where the elements of a tensor lie, known without running anything.

NumPy itself is asked: views are followed on arrays of the right shape and strides whose
elements are never touched (there is only one).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dispatch
from .execute.interpreter import view_path
from .ops.op import REGISTRY, Array, Shape
from .trace import Const, Handle, State

_BYTE = np.zeros(1, np.int8)


def row_major(shape: Shape) -> Shape:
    """Steps between neighbours along each dimension of new memory, in elements."""
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= max(n, 1)
    return tuple(reversed(steps))


def model(shape: Shape, steps: Shape | None = None) -> Array:
    """An array that lies like memory of that shape; its elements are not to be read."""
    return np.lib.stride_tricks.as_strided(
        _BYTE, shape, row_major(shape) if steps is None else steps
    )


def follow_model(whole: Array, path: tuple[Any, ...]) -> Array | None:
    """The view of a model at the end of *path*; None where it would be a copy."""
    for name, attrs in path:
        if name == "reshape":
            try:
                whole = np.reshape(whole, dict(attrs)["shape"], copy=False)
            except ValueError:
                return None
        elif name == "as_strided" and not whole.flags.c_contiguous:
            return None
        else:
            whole = REGISTRY[name].forward(whole, **dict(attrs))
    return whole


def lies(tensor: Handle) -> tuple[Array, int]:
    """A model of the tensor, and its first element's place in the memory it is in."""
    key = tensor._key
    if type(key) is not State and tensor._array is not None:
        return _lies(tensor._array)
    path = view_path(key, None)
    for _ in path:
        key = key.inputs[0]
    offset = 0
    if type(key) is State or type(key) is Const:
        whole = model(key.spec.shape)
    else:
        leaf = key.ref() if key.recorder is None else key.recorder.args[key.index]
        whole, offset = _lies(leaf._array)
    part = follow_model(whole, path)
    if part is None:
        return model(tensor._key.spec.shape), 0
    return part, offset + _address(part) - _address(whole)


def model_of(array: Array) -> Array:
    """An array that lies as *array* does; its elements are not to be read."""
    return model(array.shape, tuple(s // array.itemsize for s in array.strides))


def owner_of(array: Array) -> Array:
    """The array whose memory *array* is part of."""
    owner = array
    while owner.base is not None:
        # what as_strided makes stands on an object that only holds the whole
        base: Any = owner.base
        base = base if isinstance(base, np.ndarray) else getattr(base, "base", None)
        if not isinstance(base, np.ndarray):
            break
        owner = base
    return owner


def _lies(array: Array) -> tuple[Array, int]:
    owner = owner_of(array)
    apart = _address(array) - _address(owner) if array.size else 0
    return model_of(array), apart // array.itemsize


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def can_view(tensor: Handle, shape: Shape) -> bool:
    """Whether the elements as they lie have that shape as well."""
    return (
        follow_model(lies(tensor)[0], (("reshape", (("shape", shape),)),)) is not None
    )


dispatch._can_view = can_view
__all__ = [
    "can_view", "follow_model", "lies", "model", "model_of", "owner_of", "row_major"
]  # fmt: skip
