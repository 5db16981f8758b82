"""Batch normalisation with fixed statistics, made part of the layer before it."""

from __future__ import annotations

import copy
from typing import Any

from ...tensor import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval",
           "fuse_linear_bn_weights"]  # fmt: skip


def _fused(
    w: Any, b: Any, mean: Any, var: Any, eps: float, bn_w: Any, bn_b: Any, shape: Any
) -> tuple[Any, Any]:
    """W γ/√(σ² + ε) and (b − μ) γ/√(σ² + ε) + β, as parameters."""
    scale = (var.detach() + eps).rsqrt()
    if bn_w is not None:
        scale = scale * bn_w.detach()
    moved = (0.0 if b is None else b.detach()) - mean.detach()
    weight = w.detach() * scale.reshape(shape)
    bias = moved * scale + (0.0 if bn_b is None else bn_b.detach())
    like = w if b is None else b
    learned = (w.requires_grad, b is not None and b.requires_grad)
    return (
        Parameter(weight.to(w.dtype), requires_grad=learned[0]),
        Parameter(bias.to(like.dtype), requires_grad=learned[1]),
    )


def fuse_conv_bn_weights(
    conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
    transpose: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Weight and bias of a convolution that does what convolution and norm do."""
    rest = [1] * (conv_w.ndim - 2)
    shape = [1, -1, *rest] if transpose else [-1, 1, *rest]
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any,
    bn_b: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Weight and bias of a linear layer that does what layer and norm do."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _checked(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval! Call .eval() on both modules")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of *conv* that also does what *bn* does in evaluation."""
    _checked(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight,
        bn.bias, transpose,
    )  # fmt: skip
    return fused


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of *linear* that also does what *bn* does in evaluation."""
    _checked(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, "
            f"got {linear.out_features} and {bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight,
        bn.bias,
    )  # fmt: skip
    return fused
