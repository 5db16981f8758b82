"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...functions import cat
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All elements of all parameters, one after another; gradients flow through."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Give each parameter its part of *vec*, which ``parameters_to_vector`` made."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected Tensor, but got: {type(vec).__name__}")
    whole: Any = vec
    start = 0
    for p in parameters:
        end = start + p.numel()
        p.data = whole[start:end].view(p.shape).data
        start = end
