"""Tensors from and for other libraries, in the same memory."""

from ..exchange import to_dlpack as to_dlpack
from ..functions.create import from_dlpack as from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
