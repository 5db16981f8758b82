"""What PyTorch has and this library does not: each says what to use instead."""

from __future__ import annotations

from typing import Any

__all__ = ["grouped_mm", "scaled_grouped_mm", "scaled_mm"]


def grouped_mm(*args: Any, **kwargs: Any) -> Any:
    """Not there: products of groups of rows. Use ``bmm``, or a loop over the groups."""
    raise NotImplementedError(
        "grouped_mm is not there: use bmm, or matmul for each group"
    )


def scaled_mm(*args: Any, **kwargs: Any) -> Any:
    """Not there: products of numbers of 8 bits. Use ``matmul`` of float32."""
    raise NotImplementedError("scaled_mm is not there: use matmul of float32 numbers")


def scaled_grouped_mm(*args: Any, **kwargs: Any) -> Any:
    """Not there: products of groups of numbers of 8 bits. Use ``bmm`` of float32."""
    raise NotImplementedError(
        "scaled_grouped_mm is not there: use bmm of float32 numbers"
    )
