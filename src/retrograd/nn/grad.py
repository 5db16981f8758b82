"""The gradients of convolutions, asked for by themselves."""

from __future__ import annotations

from typing import Any

from ..dispatch import apply
from ..ops.conv import ConvInput, ConvWeight
from .functional.common import Ints, Tensor, tupled

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight",
           "conv3d_input", "conv3d_weight"]  # fmt: skip


def _attrs(
    n: int, shape: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> dict[str, Any]:
    return {
        "size": tuple(int(m) for m in shape)[-n:],
        "stride": tupled(stride, n, "stride"),
        "padding": tupled(padding, n, "padding"),
        "dilation": tupled(dilation, n, "dilation"),
        "groups": groups,
    }


def _input(n: int, size: Any, weight: Tensor, g: Tensor, *how: Any) -> Tensor:
    result: Tensor = apply(ConvInput, g, weight, **_attrs(n, size, *how))
    return result


def _weight(n: int, x: Tensor, size: Any, g: Tensor, *how: Any) -> Tensor:
    result: Tensor = apply(ConvWeight, x, g, **_attrs(n, size, *how))
    return result


def conv1d_input(
    input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1,
    padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of conv1d in its input, of *input_size*."""
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(
    input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1,
    padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of conv1d in its weight, of *weight_size*."""
    return _weight(
        1, input, weight_size, grad_output, stride, padding, dilation, groups
    )


def conv2d_input(
    input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1,
    padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of conv2d in its input, of *input_size*."""
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(
    input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1,
    padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of conv2d in its weight, of *weight_size*."""
    return _weight(
        2, input, weight_size, grad_output, stride, padding, dilation, groups
    )


def conv3d_input(
    input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1,
    padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of conv3d in its input, of *input_size*."""
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(
    input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1,
    padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of conv3d in its weight, of *weight_size*."""
    return _weight(
        3, input, weight_size, grad_output, stride, padding, dilation, groups
    )
