"""Tensors from and for other libraries, in the same memory."""

from typing import Any

from ..functions.create import from_dlpack as from_dlpack


def to_dlpack(input: Any) -> Any:
    """The tensor as a DLPack capsule, in the same memory."""
    return input.__dlpack__()


__all__ = ["from_dlpack", "to_dlpack"]
