"""Where a value lies: a buffer, an offset and one stride a dimension, in elements.

Operations that only move things (permute, expand, slice, …) are other views of the
same buffer, and nothing is copied for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..ops.op import Shape


class View(NamedTuple):
    """``buffer`` is a key of the trace: the leaf or the state whose memory it is."""

    buffer: Any
    shape: Shape
    strides: Shape
    offset: int = 0

    @property
    def contiguous(self) -> bool:
        return self.offset == 0 and self.strides == row_major(self.shape)


def row_major(shape: Shape) -> Shape:
    """The strides of an array that lies row by row (0 where a dimension is 1)."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(0 if n == 1 else step)
        step *= n
    return tuple(reversed(strides))


def whole(key: Any) -> View:
    """A buffer as it lies."""
    shape = key.spec.shape
    return View(key, shape, row_major(shape))


def derived(state: Any, source: View) -> View | None:
    """The view that a view operation makes of *source*; None if it must copy."""
    if 0 in source.shape or 0 in state.spec.shape:
        return None
    byte = np.zeros(1, np.int8)  # never read: only shapes and strides are looked at
    model = np.lib.stride_tricks.as_strided(byte, source.shape, source.strides)
    if state.op.name == "reshape":
        try:
            result = np.reshape(model, state.spec.shape, copy=False)
        except ValueError:
            return None
    else:
        result = state.op.forward(model, **state.attrs)
    if not isinstance(result, np.ndarray) or result.base is None:
        return None
    offset = _address(result) - _address(model)
    strides = tuple(
        0 if n == 1 else s for n, s in zip(result.shape, result.strides, strict=True)
    )
    return View(source.buffer, result.shape, strides, source.offset + offset)


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def broadcast(view: View, shape: Shape) -> View:
    """The view stretched to a shape to which it broadcasts."""
    lead = len(shape) - len(view.shape)
    strides = (0,) * lead + tuple(
        0 if n == 1 else s for n, s in zip(view.shape, view.strides, strict=True)
    )
    return View(view.buffer, shape, strides, view.offset)


def squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def squeezed_strides(view: View) -> Shape:
    return tuple(s for n, s in zip(view.shape, view.strides, strict=True) if n != 1)
