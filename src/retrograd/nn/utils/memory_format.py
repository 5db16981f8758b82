"""Other orders of the weights' dimensions in memory: there is one order here."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(
        f"{name}: tensors lie in row-major order, and the compiler chooses the layout "
        "that a convolution works in by itself; leave the call out"
    )


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Not available: NotImplementedError."""
    _refuse("convert_conv2d_weight_memory_format")


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Not available: NotImplementedError."""
    _refuse("convert_conv3d_weight_memory_format")
