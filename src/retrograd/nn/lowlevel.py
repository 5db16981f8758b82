"""Functions of layers as PyTorch has them in its main namespace, beside
``nn.functional``: the same ones, or with their arguments in another order."""

from __future__ import annotations

from typing import Any

from . import functional as F


def embedding(
    weight: Any,
    indices: Any,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of *weight*: ``nn.functional.embedding`` with the table first. No row is the
    padding where *padding_idx* is negative."""
    index = None if padding_idx < 0 else padding_idx
    return F.embedding(indices, weight, index, None, 2.0, scale_grad_by_freq, sparse)


def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Any:
    """``nn.functional.batch_norm``, in another order."""
    return F.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Any:
    """``nn.functional.instance_norm``, in another order."""
    return F.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """``nn.functional.layer_norm``."""
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """``nn.functional.group_norm``."""
    return F.group_norm(input, num_groups, weight, bias, eps)


def dropout(input: Any, p: float, train: bool) -> Any:
    """``nn.functional.dropout``, told to train or not."""
    return F.dropout(input, p, train)


def dropout_(input: Any, p: float, train: bool) -> Any:
    """dropout, in place."""
    return F.dropout(input, p, train, inplace=True)


def alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """``nn.functional.alpha_dropout``, told to train or not."""
    return F.alpha_dropout(input, p, train)


def alpha_dropout_(input: Any, p: float, train: bool) -> Any:
    """alpha_dropout, in place."""
    return F.alpha_dropout(input, p, train, inplace=True)


def feature_alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """``nn.functional.feature_alpha_dropout``, told to train or not."""
    return F.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Any, p: float, train: bool) -> Any:
    """feature_alpha_dropout, in place."""
    return F.feature_alpha_dropout(input, p, train, inplace=True)


def __getattr__(name: str) -> Any:
    return getattr(F, name)  # the others are the same


__all__ = [
    "alpha_dropout", "alpha_dropout_", "batch_norm", "dropout", "dropout_", "embedding",
    "feature_alpha_dropout", "feature_alpha_dropout_", "group_norm", "instance_norm",
    "layer_norm",
]  # fmt: skip
