"""Normalisation: (x − mean)/√(variance + ε), over different dimensions."""

from __future__ import annotations

import math
from typing import Any

from ...autograd.modes import no_grad
from ...dispatch import composite
from ...functions.sums import vector_norm

__all__ = ["batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "normalize",
           "local_response_norm"]  # fmt: skip


@composite
def _normalized(x: Any, dims: Any, eps: float) -> Any:
    """The normalised x, its mean and its (biased) variance."""
    n = 1
    for d in dims:
        n *= x.shape[d]
    mean = x.sum(dims, keepdim=True) * (1 / n)
    d = x - mean
    var = (d * d).sum(dims, keepdim=True) * (1 / n)
    return d / (var + eps).sqrt(), mean, var


@composite
def _affine(x: Any, weight: Any, bias: Any) -> Any:
    """x·w + b, one w and b a channel (dimension 1)."""
    shape = [-1 if i == 1 else 1 for i in range(x.ndim)]
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


@composite
def _with_statistics(x: Any, mean: Any, var: Any, eps: float) -> Any:
    shape = [-1 if i == 1 else 1 for i in range(x.ndim)]
    return (x - mean.reshape(shape)) / (var.reshape(shape) + eps).sqrt()


def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Normalised over the batch, each channel by itself; while training the running
    statistics move: r ← (1 − momentum)·r + momentum·statistic (variance unbiased)."""
    if training:
        n = input.numel() // max(1, input.shape[1])
        if n <= 1:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{list(input.shape)}"
            )
        dims = (0, *range(2, input.ndim))
        out, mean, var = _normalized(input, dims, eps)
        if running_mean is not None:
            with no_grad():
                new = mean.detach().reshape(-1).to(running_mean.dtype)
                running_mean.copy_(running_mean * (1 - momentum) + new * momentum)
                new = var.detach().reshape(-1).to(running_var.dtype)
                running_var.copy_(
                    running_var * (1 - momentum) + new * (momentum * n / (n - 1))
                )
    else:
        out = _with_statistics(input, running_mean, running_var, eps)
    return _affine(out, weight, bias) if weight is not None or bias is not None else out


def _check_shape(shape: tuple[int, ...], input: Any) -> None:
    if tuple(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )


@composite
def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:  # fmt: skip
    """Normalised over the last dimensions, each sample by itself."""
    shape = tuple(normalized_shape)
    _check_shape(shape, input)
    out = _normalized(input, tuple(range(-len(shape), 0)), eps)[0]
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


@composite
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:  # fmt: skip
    """Normalised over groups of channels."""
    n, c = input.shape[:2]
    if c % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input "
            f"of shape {list(input.shape)} and num_groups={num_groups}"
        )
    x = input.reshape(n, num_groups, -1)
    out = _normalized(x, (2,), eps)[0].reshape(input.shape)
    return _affine(out, weight, bias) if weight is not None or bias is not None else out


def instance_norm(
    input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None,
    bias: Any = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Normalised over the plane of each channel of each sample."""
    if not use_input_stats:
        return batch_norm(
            input, running_mean, running_var, weight, bias, False, momentum, eps
        )
    dims = tuple(range(2, input.ndim))
    if math.prod(input.shape[2:]) == 1:
        raise ValueError(
            "Expected more than 1 spatial element when training, got input size "
            f"{list(input.shape)}"
        )
    out, mean, var = _normalized(input, dims, eps)
    if running_mean is not None:
        n = input.numel() // (input.shape[0] * input.shape[1])
        with no_grad():
            m = mean.detach().reshape(input.shape[:2]).mean(0)
            v = var.detach().reshape(input.shape[:2]).mean(0) * (n / max(1, n - 1))
            running_mean.copy_(running_mean * (1 - momentum) + m * momentum)
            running_var.copy_(running_var * (1 - momentum) + v * momentum)
    return _affine(out, weight, bias) if weight is not None or bias is not None else out


@composite
def rms_norm(
    input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None
) -> Any:
    """x/√(mean(x²) + ε) over the last dimensions."""
    from ...dtypes import finfo

    _check_shape(tuple(normalized_shape), input)
    eps = finfo(input.dtype).eps if eps is None else eps
    dims = tuple(range(-len(tuple(normalized_shape)), 0))
    out = input / ((input * input).mean(dims, keepdim=True) + eps).sqrt()
    return out if weight is None else out * weight


@composite
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """x/max(‖x‖ₚ, ε)."""
    return input / vector_norm(input, p, dim, True).clamp(min=eps)


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:  # fmt: skip
    """x/(k + α/n·Σ x²)^β over neighbouring channels."""
    from .padding import pad

    square = (input * input).movedim(1, -1)
    windows = pad(square, (size // 2, (size - 1) // 2)).unfold(-1, size, 1)
    return input / (windows.mean(-1).movedim(-1, 1) * alpha + k) ** beta
