"""Convolutions, and their transposes.

A convolution slides a weighted sum over its input; its gradient with respect to the
input is the transposed convolution with the same weights, and the other way round.
"""

from __future__ import annotations

import math
from typing import Any

from ...functions import empty
from ...tensor import Parameter, Tensor
from .. import functional as F
from .. import init
from ..functional import conv1d, conv2d, conv3d
from ..module import Module
from .utils import ntuple

_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What all convolutions share: their arguments, weights and text."""

    weight: Parameter
    bias: Parameter | None
    #: spatial dimensions, and whether weights go from inputs to outputs
    _n, transposed = 0, False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels, groups)
        _check_padding(padding, stride, padding_mode, self._n)
        n = self._n
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = ntuple(kernel_size, n)
        self.stride, self.dilation = ntuple(stride, n), ntuple(dilation, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.output_padding = ntuple(output_padding, n)
        self.groups, self.padding_mode = groups, padding_mode
        first, second = out_channels, in_channels // groups
        if self.transposed:
            first, second = in_channels, out_channels // groups
        how = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((first, second, *self.kernel_size), **how))
        if bias:
            self.bias = Parameter(empty(out_channels, **how))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fans(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _padded(self, input: Tensor) -> Any:
        """The input with its border, for the modes that are not zeros."""
        sides: list[Any] = []
        for i in reversed(range(self._n)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                sides += [total // 2, total - total // 2]
            elif self.padding == "valid":
                sides += [0, 0]
            else:
                sides += [self.padding[i]] * 2
        return F.pad(input, tuple(sides), mode=self.padding_mode)

    def extra_repr(self) -> str:
        n = self._n
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if isinstance(self.padding, str) or self.padding != (0,) * n:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * n:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * n:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def _check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups:
        raise ValueError("out_channels must be divisible by groups")


def _check_padding(padding: Any, stride: Any, mode: str, n: int) -> None:
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of "
                "{'same', 'valid'}"
            )
        if padding == "same" and any(s != 1 for s in ntuple(stride, n)):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if mode not in _MODES:
        raise ValueError(
            f"padding_mode must be one of {set(_MODES)}, but got padding_mode='{mode}'"
        )


class _Forward(_Conv):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Tensor, weight: Any, bias: Any) -> Any:
        """The convolution with other weights, for subclasses that change theirs."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), 0
        return _CONV[self._n](input, weight, bias, self.stride, padding, self.dilation,
                              self.groups)  # fmt: skip


_CONV = {1: conv1d, 2: conv2d, 3: conv3d}


class Conv1d(_Forward):
    """y[o, i] = b[o] + Σ_{c,k} w[o, c, k] x[c, stride·i + dilation·k − padding].

    (N, C, L) or (C, L); backward as Conv2d. Weights and bias are drawn from
    U(−1/√fan_in, 1/√fan_in), with fan_in = C · kernel size.
    """

    _n = 1

    def forward(self, input: Tensor) -> Any:
        if self.padding_mode != "zeros":
            return self._conv_forward(input, self.weight, self.bias)
        padding: Any = self.padding
        return conv1d(input, self.weight, self.bias, self.stride, padding,
                      self.dilation, self.groups)  # fmt: skip


class Conv2d(_Forward):
    """y[o, i, j] = b[o] + Σ_{c,k,l} w[o, c, k, l] x[c, i + k, j + l] for stride 1.

    Backward: dx is the transposed convolution of dy with w; dw[o, c, k, l] = Σ over
    samples and places of dy[o, i, j] x[c, i + k, j + l]; db sums dy over samples and
    places. Shapes are (N, C, H, W) or (C, H, W); weights and bias are drawn from
    U(−1/√fan_in, 1/√fan_in), with fan_in = C · kernel height · kernel width.

    >>> import retrograd as rg
    >>> rg.nn.Conv2d(3, 8, 3, padding="same")(rg.randn(2, 3, 7, 7)).shape
    retrograd.Size([2, 8, 7, 7])
    """

    _n = 2

    def forward(self, input: Tensor) -> Any:
        if self.padding_mode != "zeros":
            return self._conv_forward(input, self.weight, self.bias)
        padding: Any = self.padding
        return conv2d(input, self.weight, self.bias, self.stride, padding,
                      self.dilation, self.groups)  # fmt: skip


class Conv3d(_Forward):
    """As Conv2d, over (N, C, D, H, W) or (C, D, H, W)."""

    _n = 3

    def forward(self, input: Tensor) -> Any:
        if self.padding_mode != "zeros":
            return self._conv_forward(input, self.weight, self.bias)
        padding: Any = self.padding
        return conv3d(input, self.weight, self.bias, self.stride, padding,
                      self.dilation, self.groups)  # fmt: skip


class _Transposed(_Conv):
    transposed = True
    padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(
                'Only "zeros" padding mode is supported for ' + type(self).__name__
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation,
            output_padding, groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, input: Tensor, output_size: Any) -> Any:
        """What to add at the far side so that the output has *output_size*."""
        if output_size is None:
            return self.output_padding
        n, wanted = self._n, output_size
        if isinstance(wanted, (tuple, list)):
            if len(wanted) == input.ndim:
                wanted = wanted[input.ndim - n :]
            if len(wanted) != n:
                raise ValueError(
                    f"{type(self).__name__}: for a {input.ndim}D input, output_size must "
                    f"have {n} or {input.ndim} elements (got {len(output_size)})"
                )
        wanted = ntuple(wanted, n)
        padding = ntuple(self.padding, n)
        added = []
        for i, length in enumerate(tuple(input.shape)[-n:]):
            smallest = (
                (length - 1) * self.stride[i]
                - 2 * padding[i]
                + self.dilation[i] * (self.kernel_size[i] - 1)
                + 1
            )
            extra = wanted[i] - smallest
            if not 0 <= extra < self.stride[i]:
                raise ValueError(
                    f"requested an output size of {tuple(wanted)}, but dimension {i} "
                    f"can be {smallest} to {smallest + self.stride[i] - 1} for an "
                    f"input of {tuple(input.shape)[-n:]}"
                )
            added.append(extra)
        return tuple(added)


class ConvTranspose1d(_Transposed):
    """The transpose of Conv1d as a linear map; dx is the convolution of dy with w."""

    _n = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Any:
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._output_padding(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose2d(_Transposed):
    """The transpose of Conv2d as a linear map: y[o, i + k, j + l] gets
    w[c, o, k, l] x[c, i, j] (stride 1); dx is the convolution of dy with w."""

    _n = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Any:
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._output_padding(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose3d(_Transposed):
    """The transpose of Conv3d as a linear map; dx is the convolution of dy with w."""

    _n = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Any:
        return F.conv_transpose3d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._output_padding(input, output_size), self.groups, self.dilation,
        )  # fmt: skip
