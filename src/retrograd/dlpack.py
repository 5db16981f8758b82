"""DLPack: memory handed from one library to another, in a capsule.

NumPy makes the capsules and reads them. It does not know bfloat16, which passes as
numbers of 16 bits whose type is put right in the capsule: that is a field of a C struct
(https://dmlc.github.io/dlpack/latest/c_api.html).
"""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np

from . import dtypes
from .ops.op import Array

_UNSIGNED, _BFLOAT = 1, 4


class _Type(ctypes.Structure):
    _fields_: ClassVar[Any] = [
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    ]


class _Tensor(ctypes.Structure):
    _fields_: ClassVar[Any] = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
    ]


class _Versioned(ctypes.Structure):
    _fields_: ClassVar[Any] = [
        ("version", ctypes.c_uint32 * 2),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


_KINDS: dict[bytes, Any] = {b"dltensor": _Tensor, b"dltensor_versioned": _Versioned}
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def _type_in(capsule: Any) -> Any:
    """The field of a capsule that says the type of the numbers."""
    for name, kind in _KINDS.items():
        if _is_valid(capsule, name):
            found = kind.from_address(_pointer(capsule, name))
            return found.dtype if kind is _Tensor else found.tensor.dtype
    raise BufferError("not a DLPack capsule, or one that was read before")


def capsule_of(array: Array, **options: Any) -> Any:
    """A capsule with the memory of *array*."""
    if array.dtype.name != "bfloat16":
        return array.__dlpack__(**options)
    capsule = array.view(np.uint16).__dlpack__(**options)
    _type_in(capsule).code = _BFLOAT
    return capsule


class _Capsule:
    """A capsule as an object that hands it over, once."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # the CPU


def array_from(other: Any) -> Array:
    """The memory of another library's array, or of its capsule, as an array."""
    capsule = other
    if type(other).__name__ != "PyCapsule":
        try:
            return np.from_dlpack(other)
        except (RuntimeError, BufferError):  # a type that NumPy does not know
            if next(iter(other.__dlpack_device__())) != 1:
                raise
            try:
                capsule = other.__dlpack__(max_version=(1, 0))
            except TypeError:  # it is older than versions
                capsule = other.__dlpack__()
            if _type_in(capsule).code != _BFLOAT:
                raise
    kind = _type_in(capsule)
    if (kind.code, kind.bits, kind.lanes) != (_BFLOAT, 16, 1):
        return np.from_dlpack(_Capsule(capsule))
    kind.code = _UNSIGNED
    return np.from_dlpack(_Capsule(capsule)).view(dtypes.bfloat16.np)


__all__ = ["array_from", "capsule_of"]
