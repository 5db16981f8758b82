"""The gradients of convolutions, asked for by themselves."""

from __future__ import annotations

from collections.abc import Callable
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


def _of_input(n: int) -> Callable[..., Tensor]:
    def gradient(
        input_size: Any, weight: Tensor, grad_output: Tensor, stride: Ints = 1,
        padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        attrs = _attrs(n, input_size, stride, padding, dilation, groups)
        return apply(ConvInput, grad_output, weight, **attrs)

    gradient.__name__ = gradient.__qualname__ = f"conv{n}d_input"
    gradient.__doc__ = f"The gradient of conv{n}d in its input, of *input_size*."
    return gradient


def _of_weight(n: int) -> Callable[..., Tensor]:
    def gradient(
        input: Tensor, weight_size: Any, grad_output: Tensor, stride: Ints = 1,
        padding: Ints = 0, dilation: Ints = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        attrs = _attrs(n, weight_size, stride, padding, dilation, groups)
        return apply(ConvWeight, input, grad_output, **attrs)

    gradient.__name__ = gradient.__qualname__ = f"conv{n}d_weight"
    gradient.__doc__ = f"The gradient of conv{n}d in its weight, of *weight_size*."
    return gradient


conv1d_input, conv2d_input, conv3d_input = map(_of_input, (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = map(_of_weight, (1, 2, 3))
