"""Tensors exchanged with other libraries without copying: DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

from .functions.create import from_numpy


def to_dlpack(tensor: Any) -> Any:
    """The tensor as a DLPack capsule, in the same memory."""
    return tensor.__dlpack__()


def from_dlpack(ext_tensor: Any) -> Any:
    """A tensor on the memory of an array of another library, handed over by DLPack."""
    return from_numpy(np.from_dlpack(ext_tensor))
