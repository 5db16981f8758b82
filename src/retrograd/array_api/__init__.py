"""The functions of the Python array API standard, on retrograd's tensors.

``x.__array_namespace__()`` gives this module to libraries that are written for the
standard (data-apis.org/array-api). Names and arguments are the standard's (``axis``,
``keepdims``, ``permute_dims``); where a function differs from PyTorch's of that name in
types or results, this is the standard's. Complex numbers, unsigned integers of more than
8 bits and what needs them are left out.
"""

from __future__ import annotations

from typing import Any as _Any

from ..dtypes import (  # noqa: F401
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from ..dtypes import bool_ as bool
from ..dtypes import dtype as _dtype
from ..dtypes import get_default_dtype as _default
from ..tensor import device as _device
from . import linalg as linalg
from .arrays import *  # noqa: F403
from .basics import *  # noqa: F403
from .basics import isdtype as _isdtype

__array_api_version__ = "2024.12"


class _Info:
    """What the standard lets a library say about itself."""

    def capabilities(self) -> dict[str, _Any]:
        """What works beyond the minimum."""
        return {"boolean indexing": True, "data-dependent shapes": True,
                "max dimensions": 64}  # fmt: skip

    def default_device(self) -> _device:
        """Where arrays are made."""
        return _device()

    def devices(self) -> list[_device]:
        """Where arrays can be."""
        return [_device()]

    def default_dtypes(self, *, device: _Any = None) -> dict[str, _dtype]:
        """The types of arrays that are made without one."""
        return {"real floating": _default(), "integral": int64,
                "indexing": int64}  # fmt: skip

    def dtypes(self, *, device: _Any = None, kind: _Any = None) -> dict[str, _dtype]:
        """The types of a kind, by name."""
        standard = (bool, int8, int16, int32, int64, uint8, float32, float64)
        return {d.name: d for d in standard if kind is None or _isdtype(d, kind)}


def __array_namespace_info__() -> _Info:
    """See _Info."""
    return _Info()
