"""Normalisation: (x − mean)/√(variance + ε), over different dimensions."""

from __future__ import annotations

import math
from typing import Any

from ... import dtypes
from ...autograd.modes import no_grad
from ...dispatch import composite
from ...functions.out import write
from ...functions.sums import vector_norm
from ...ops.families import Ints, Sizes
from ...ops.op import Shape
from .common import Tensor, hashed
from .padding import pad
from .pooling import avg_pool2d

__all__ = ["batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "normalize",
           "local_response_norm"]  # fmt: skip


def _wide(x: Tensor) -> Tensor:
    """Half precision is computed in float32 and rounded once."""
    half = x.dtype.is_floating_point and x.dtype.itemsize < 4
    return x.to(dtypes.float32) if half else x


@composite
def _normalized(x: Tensor, dims: Shape, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised x, its mean and its (biased) variance."""
    n = math.prod(x.shape[d] for d in dims)
    x = _wide(x)
    mean = x.sum(dims, keepdim=True) * (1 / n if n else math.nan)
    d = x - mean
    var = (d * d).sum(dims, keepdim=True) * (1 / n if n else math.nan)
    return d / (var + eps).sqrt(), mean, var


def _channelled(x: Tensor) -> Shape:
    """The shape of one number for each channel (dimension 1)."""
    return tuple(-1 if i == 1 else 1 for i in range(x.ndim)) if x.ndim > 1 else (1,)


def _one_each(name: str, value: Tensor, x: Tensor) -> Tensor:
    """RuntimeError unless *value* has one number for each channel."""
    channels = x.shape[1] if x.ndim > 1 else x.numel()
    if value.numel() != channels:
        raise RuntimeError(
            f"{name} should contain {channels} elements not {value.numel()}"
        )
    return value


@composite
def _affine(x: Tensor, weight: Any, bias: Any, kind: dtypes.dtype) -> Tensor:
    """x·w + b, one w and b a channel (dimension 1)."""
    shape = _channelled(x)
    if weight is not None:
        x = x * _one_each("weight", weight, x).reshape(shape)
    if bias is not None:
        x = x + _one_each("bias", bias, x).reshape(shape)
    return x if x.dtype is kind else x.to(kind)


@composite
def _with_statistics(x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    if x.ndim < 2:
        return _wide(x)
    shape = _channelled(x)
    mean = _one_each("running_mean", mean, x).reshape(shape)
    var = _one_each("running_var", var, x).reshape(shape)
    return (_wide(x) - _wide(mean)) / (_wide(var) + eps).sqrt()


def _finished(out: Tensor, weight: Any, bias: Any, kind: dtypes.dtype) -> Tensor:
    if weight is None and bias is None:
        return out if out.dtype is kind else out.to(kind)
    return _affine(out, weight, bias, kind)


def _moved(running: Tensor, new: Tensor, momentum: float, factor: float = 1.0) -> None:
    """r ← (1 − momentum)·r + momentum·new."""
    new = new.detach().reshape(-1).to(running.dtype)
    if running.shape != new.shape:
        raise RuntimeError(
            f"running statistics should contain {new.numel()} elements not "
            f"{running.numel()}"
        )
    running.copy_(running * (1 - momentum) + new * (momentum * factor))


def _both(mean: Tensor | None, var: Tensor | None) -> None:
    if (mean is None) is not (var is None):
        raise ValueError(
            "running_mean and running_var must either both be None or neither be None"
        )


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x − μ)/√(σ² + ε) · w + b over the batch, each channel by itself; while training
    the running statistics move: r ← (1 − momentum)·r + momentum·statistic (variance
    unbiased)."""
    kind = input.dtype
    shape = tuple(input.shape)
    if eps <= 0:
        raise ValueError(f"batch_norm: eps must be positive, but got {eps}")
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "batch_norm: running_mean and running_var are needed in evaluation mode"
            )
        out = _with_statistics(input, running_mean, running_var, eps)
        return _finished(out, weight, bias, kind)
    _both(running_mean, running_var)
    n = math.prod(shape[:1] + shape[2:])
    if n == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {list(shape)}"
        )
    if len(shape) < 2:
        return _finished(_wide(input), None, None, kind)
    out, mean, var = _normalized(input, (0, *range(2, len(shape))), eps)
    if not n:
        return _finished(out, weight, bias, kind)
    with no_grad():
        if running_mean is not None:
            _moved(running_mean, mean, momentum)
        if running_var is not None:
            _moved(running_var, var, momentum, n / (n - 1))
    return _finished(out, weight, bias, kind)


def _check_shape(shape: Shape, input: Tensor, **given: Any) -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, but got ()"
        )
    if tuple(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    for name, value in given.items():
        if value is not None and tuple(value.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got "
                f"{list(value.shape)} and normalized_shape = {list(shape)}"
            )


def layer_norm(
    input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x − μ)/√(σ² + ε) · w + b over the last dimensions, each sample by itself.

    >>> import retrograd as rg
    >>> rg.nn.functional.layer_norm(rg.tensor([1.0, 1.0, 3.0, 3.0]), (4,))
    tensor([-1.0000, -1.0000,  1.0000,  1.0000])
    """
    shape = (
        tuple(normalized_shape) if type(normalized_shape) is list else normalized_shape
    )
    return _layer_norm(input, shape, weight, bias, eps)


@composite
def _layer_norm(
    input: Tensor, shape: Any, weight: Any, bias: Any, eps: float
) -> Tensor:
    shape = tuple(shape)
    _check_shape(shape, input, weight=weight, bias=bias)
    kind = input.dtype
    out = _normalized(input, tuple(range(-len(shape), 0)), eps)[0]
    if weight is not None:
        out = out * weight
    if bias is not None:
        out = out + bias
    return out if out.dtype is kind else out.to(kind)


@composite
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x − μ)/√(σ² + ε) · w + b over groups of channels of each sample."""
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {len(shape)}"
        )
    if num_groups < 1 or shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input "
            f"of shape {list(shape)} and num_groups={num_groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != shape[1:2]:
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels "
                f"in input, but got {name} of shape {list(value.shape)} and input of shape "
                f"{list(shape)}"
            )
    size = math.prod(shape[1:]) // num_groups
    x = input.reshape((shape[0], num_groups, size))
    out = _normalized(x, (2,), eps)[0].reshape(shape)
    return _finished(out, weight, bias, input.dtype)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(x − μ)/√(σ² + ε) · w + b over the places of each channel of each sample."""
    if not use_input_stats:
        return batch_norm(
            input, running_mean, running_var, weight, bias, False, momentum, eps
        )
    _both(running_mean, running_var)
    kind, shape = input.dtype, tuple(input.shape)
    if len(shape) < 3:
        raise RuntimeError(
            f"instance_norm: expected an input of 3 dimensions or more, not {list(shape)}"
        )
    n = math.prod(shape[2:])
    if n == 1:
        raise ValueError(
            "Expected more than 1 spatial element when training, got input size "
            f"{list(shape)}"
        )
    out, mean, var = _normalized(input, tuple(range(2, len(shape))), eps)
    with no_grad():
        if running_mean is not None:
            _moved(running_mean, mean.reshape(shape[:2]).mean(0), momentum)
        if running_var is not None:
            new = var.reshape(shape[:2]).mean(0)
            _moved(running_var, new, momentum, n / max(1, n - 1))
    return _finished(out, weight, bias, kind)


def rms_norm(
    input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:  # fmt: skip
    """x/√(mean(x²) + ε) · w over the last dimensions; ε is the type's smallest step from
    1 unless given."""
    shape = (
        tuple(normalized_shape) if type(normalized_shape) is list else normalized_shape
    )
    return _rms_norm(input, shape, weight, eps)


@composite
def _rms_norm(input: Tensor, shape: Any, weight: Any, eps: float | None) -> Tensor:
    shape, kind = tuple(shape), input.dtype
    _check_shape(shape, input, weight=weight)
    x = _wide(input)
    eps = dtypes.finfo(kind).eps if eps is None else eps
    dims = tuple(range(-len(shape), 0))
    out = x / ((x * x).mean(dims, keepdim=True) + eps).sqrt()
    if weight is not None:
        out = out * weight
    return out if out.dtype is kind else out.to(kind)


def normalize(
    input: Tensor, p: float = 2.0, dim: Ints = 1, eps: float = 1e-12, out: Any = None
) -> Tensor:
    """x/max(‖x‖ₚ, ε) along *dim*."""
    result = _normalize(input, p, hashed(dim), eps)
    return result if out is None else write(out, result, "normalize")


@composite
def _normalize(input: Tensor, p: float, dim: Any, eps: float) -> Tensor:
    return input / vector_norm(input, p, dim, True).clamp(min=eps)


@composite
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x/(k + α · mean of x² over *size* neighbouring channels)^β."""
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    shape = tuple(input.shape)
    if not input.numel():
        return input.clone()
    square = (input * input).reshape((shape[0], 1, shape[1], math.prod(shape[2:])))
    square = pad(square, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(square, (size, 1), 1).reshape(shape)
    return input / (mean * alpha + k) ** beta
