"""Dropout, and classes as vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant, differs
from ...functions import elementwise as E
from ...functions import random as R
from ...ops.random import Uniform
from .common import warn

__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
           "one_hot"]  # fmt: skip


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@composite
def _dropped(x: Any, state: Any, p: float, shape: Any) -> Any:
    if p == 1.0:
        return x * 0.0
    u = apply(Uniform, state, shape=shape, dtype=dtypes.float32)
    keep = (u >= p).to(x.dtype)
    return x * (keep * (1 / (1 - p)))


def _dropout(input: Any, p: float, training: bool, inplace: bool, shape: Any) -> Any:
    _check(p)
    if not training or p == 0:
        return input
    n = math.prod(shape)
    out = _dropped(input, R.default_generator._take(n), float(p), shape)
    return input._assign(out) if inplace else out


def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """Each element 0 with probability p, else x/(1 − p); x itself when not training."""
    return _dropout(input, p, training, inplace, tuple(input.shape))


def _channels(input: Any, p: float, training: bool, inplace: bool) -> Any:
    """Whole channels [N, C] of what is left at random."""
    if input.ndim < 2:
        raise RuntimeError(
            "Feature dropout requires at least 2 dimensions in the input, but got shape "
            f"{list(input.shape)}"
        )
    shape = (*input.shape[:2], *(1,) * (input.ndim - 2))
    return _dropout(input, p, training, inplace, tuple(shape))


def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """Whole channels of [N, C, L] or [C, L] set to zero."""
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: see "
            "dropout2d and dropout3d"
        )
    if input.ndim == 2:
        return _dropout(input, p, training, inplace, (input.shape[0], 1))
    return _channels(input, p, training, inplace)


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """Whole channels of [N, C, H, W] set to zero. As in PyTorch, an input of three
    dimensions is [N, C, L], not one sample."""
    _check(p)
    if input.ndim not in (3, 4):
        warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated: "
            "use dropout for other dimensions"
        )
    if input.ndim == 3:
        warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D "
            "dropout behavior is desired: use dropout1d for it"
        )
    return _channels(input, p, training, inplace)


def dropout3d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """Whole channels of [N, C, D, H, W] or [C, D, H, W] set to zero."""
    _check(p)
    if input.ndim not in (4, 5):
        warn(
            f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated: "
            "use dropout for other dimensions"
        )
    if input.ndim == 4:
        shape = (input.shape[0], 1, 1, 1)
        return _dropout(input, p, training, inplace, shape)
    return _channels(input, p, training, inplace)


def alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """Dropout that keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _alpha_dropout(input, p, training, inplace, tuple(input.shape))


def _alpha_dropout(
    input: Any, p: float, training: bool, inplace: bool, shape: tuple[int, ...]
) -> Any:
    _check(p)
    if not training or p == 0:
        return input
    low = -1.7580993408473766
    a = (1 - p + low * low * p * (1 - p)) ** -0.5 if p < 1 else 0.0
    keep = R.rand(shape, dtype=input.dtype) >= p
    out = E.where(keep, input, low) * a - low * p * a
    return input._assign(out) if inplace else out


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """Alpha dropout of whole channels of [N, C, …]."""
    if training and input.ndim < 2:
        raise RuntimeError(
            "Feature dropout requires at least 2 dimensions in the input, but got shape "
            f"{list(input.shape)}"
        )
    shape = (*input.shape[:2], *[1] * (input.ndim - 2))
    return _alpha_dropout(input, p, training, inplace, shape)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """1 at the class, 0 elsewhere, as a last dimension."""
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError(
            "one_hot is only applicable to index tensor of type LongTensor."
        )
    if num_classes == -1:
        if not tensor.numel():
            raise RuntimeError(
                "Can not infer total number of classes from empty tensor."
            )
        if int(tensor.min().item()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        num_classes = int(tensor.max().item()) + 1
    elif tensor.numel() and not differs(tensor):
        low, high = int(tensor.min().item()), int(tensor.max().item())
        if low < 0 or high >= num_classes:
            raise RuntimeError(
                "Class values must be non-negative and smaller than num_classes."
            )
    return (tensor.unsqueeze(-1) == constant(np.arange(num_classes))).to(dtypes.int64)
