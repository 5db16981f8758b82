"""What the two generations of weight and spectral norms share."""

from __future__ import annotations

from typing import Any

from ...dispatch import composite
from ..functional.norm import normalize


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """‖v‖ over all dimensions but *dim*, which are kept as 1; over all of v for −1."""
    if dim == -1:
        return v.norm(pow)
    others = tuple(d for d in range(v.ndim) if d != dim)
    return v.norm(pow, others, keepdim=True) if others else v.abs()


@composite
def with_norm(v: Any, g: Any, dim: int) -> Any:
    """g · v/‖v‖."""
    return v * (g / norm_except_dim(v, 2, dim))


def matrix_of(weight: Any, dim: int) -> Any:
    """A weight as a matrix: its dimension *dim* against all others."""
    return weight.movedim(dim, 0).reshape(weight.shape[dim], -1)


@composite
def power_step(w: Any, v: Any, eps: float) -> Any:
    """W v/‖W v‖."""
    return normalize(w @ v, dim=0, eps=eps)
