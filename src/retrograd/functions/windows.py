"""Windows of signal processing: weights that fall off towards both ends.

A periodic window of length n is the symmetric one of length n + 1 without its last
weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.families import Tensor
from .filled import check_layout, finish, kind_of

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window",
           "kaiser_window"]  # fmt: skip

Array = np.ndarray[Any, Any]


def _window(
    name: str,
    length: int,
    periodic: bool,
    weights: Callable[[Array], Array],
    options: dict[str, Any],
) -> Tensor:
    """*weights* at places from 0 to 1."""
    grad, device = options.pop("requires_grad", False), options.pop("device", None)
    kind = kind_of(options.pop("dtype", None))
    check_layout(name, options)
    if not kind.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got {kind.name}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    if length < 2:
        return finish(np.ones(length, kind.np), grad, device)
    last = length if periodic else length - 1
    values = weights(np.arange(length) / last)
    return finish(values.astype(kind.np), grad, device)


def bartlett_window(
    window_length: int, periodic: bool = True, **options: Any
) -> Tensor:
    """1 − |2t − 1| for t from 0 to 1: a triangle."""
    return _window(
        "bartlett_window",
        window_length,
        periodic,
        lambda t: 1 - abs(2 * t - 1),
        options,
    )


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """α − β cos 2πt for t from 0 to 1."""
    return _window(
        "hamming_window", window_length, periodic,
        lambda t: alpha - beta * np.cos(2 * math.pi * t), options,
    )  # fmt: skip


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """½ − ½ cos 2πt for t from 0 to 1.

    >>> import retrograd as rg
    >>> rg.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window(
        "hann_window", window_length, periodic,
        lambda t: 0.5 - 0.5 * np.cos(2 * math.pi * t), options,
    )  # fmt: skip


def blackman_window(
    window_length: int, periodic: bool = True, **options: Any
) -> Tensor:
    """0.42 − 0.5 cos 2πt + 0.08 cos 4πt for t from 0 to 1."""
    return _window(
        "blackman_window", window_length, periodic,
        lambda t: 0.42 - 0.5 * np.cos(2 * math.pi * t) + 0.08 * np.cos(4 * math.pi * t),
        options,
    )  # fmt: skip


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """I₀(β √(1 − (2t − 1)²)) / I₀(β) for t from 0 to 1, I₀ Bessel's function."""
    return _window(
        "kaiser_window", window_length, periodic,
        lambda t: np.i0(beta * np.sqrt(1 - (2 * t - 1) ** 2)) / np.i0(beta), options,
    )  # fmt: skip
