"""Convolution, its transpose, and the windows that it is made of."""

from __future__ import annotations

from typing import Any

from ...dispatch import apply, composite
from ...functions.half import once_rounded
from ...ops.conv import Conv, ConvInput, dimensions, out_size
from ...ops.movement import Fold, Pad, Windows
from ...ops.op import Shape
from ...trace import spec_of
from .common import Ints as _Ints
from .common import Tensor, hashed, tupled

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
           "conv_transpose3d", "conv_tbc", "unfold", "fold"]  # fmt: skip


def _batched(input: Tensor, n: int) -> Tensor:
    return input.unsqueeze(0) if input.ndim == n + 1 else input


def _biased(out: Tensor, bias: Tensor | None, n: int, channels: int) -> Tensor:
    if bias is None:
        return out
    if bias.dtype is not out.dtype:
        raise RuntimeError(
            f"Input type ({out.dtype.name}) and bias type ({bias.dtype.name}) should be "
            f"the same: use bias.to(rg.{out.dtype.name})"
        )
    if tuple(bias.shape) != (channels,):
        raise RuntimeError(
            f"expected bias to be 1-dimensional with {channels} elements, but got bias "
            f"of size {list(bias.shape)} instead"
        )
    return out + bias.reshape((channels,) + (1,) * n)


@composite
@once_rounded
def _conv(
    input: Tensor, weight: Tensor, bias: Tensor | None, n: int,
    stride: Any, padding: Any, dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    x = _batched(input, n)
    dimensions(spec_of(x), spec_of(weight), n, "conv")
    steps = tupled(stride, n, "stride")
    spacing = tupled(dilation, n, "dilation")
    sides = (0,) * n
    if padding == "same":
        if any(s != 1 for s in steps):
            raise RuntimeError(
                "padding='same' is not supported for strided convolutions: say how much"
            )
        total = [d * (k - 1) for d, k in zip(spacing, weight.shape[2:], strict=True)]
        if any(t % 2 for t in total):  # one more at the end
            around = [(0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)]
            x = apply(Pad, x, pad=tuple(around), value=0.0)
        else:
            sides = tuple(t // 2 for t in total)
    elif isinstance(padding, str):
        if padding != "valid":
            raise RuntimeError(
                f"Invalid padding string {padding!r}, should be one of 'valid', 'same'"
            )
    else:
        sides = tupled(padding, n, "padding")
    out = apply(Conv, x, weight, stride=steps, padding=sides, dilation=spacing,
                groups=groups)  # fmt: skip
    out = _biased(out, bias, n, weight.shape[0])
    return out.squeeze(0) if input.ndim == n + 1 else out


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints = 1,
    padding: _Ints | str = 0, dilation: _Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation: x [N, C, L] with W [O, C/groups, K].

    >>> import retrograd as rg
    >>> x = rg.tensor([[[1.0, 2.0, 4.0, 7.0]]])
    >>> rg.nn.functional.conv1d(x, rg.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 3.]]])
    """
    return _conv(input, weight, bias, 1, hashed(stride), hashed(padding),
                 hashed(dilation), groups)  # fmt: skip


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints = 1,
    padding: _Ints | str = 0, dilation: _Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation: x [N, C, H, W] with W [O, C/groups, K, K]."""
    return _conv(input, weight, bias, 2, hashed(stride), hashed(padding),
                 hashed(dilation), groups)  # fmt: skip


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints = 1,
    padding: _Ints | str = 0, dilation: _Ints = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation: x [N, C, D, H, W] with W [O, C/groups, K, K, K]."""
    return _conv(input, weight, bias, 3, hashed(stride), hashed(padding),
                 hashed(dilation), groups)  # fmt: skip


@composite
@once_rounded
def _conv_transpose(
    input: Tensor, weight: Tensor, bias: Tensor | None, n: int,
    stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    x = _batched(input, n)
    dimensions(spec_of(x), spec_of(weight), n, "conv_transpose")
    steps, sides = tupled(stride, n, "stride"), tupled(padding, n, "padding")
    extra = tupled(output_padding, n, "output_padding")
    spacing = tupled(dilation, n, "dilation")
    size = []
    for i in range(n):
        if not 0 <= extra[i] < max(steps[i], spacing[i]):
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got "
                f"output_padding: {extra}, stride: {steps}, dilation: {spacing}"
            )
        reach = spacing[i] * (weight.shape[2 + i] - 1) + 1
        size.append((x.shape[2 + i] - 1) * steps[i] + reach + extra[i] - 2 * sides[i])
    out = apply(ConvInput, x, weight, size=tuple(size), stride=steps, padding=sides,
                dilation=spacing, groups=groups)  # fmt: skip
    out = _biased(out, bias, n, weight.shape[1] * groups)
    return out.squeeze(0) if input.ndim == n + 1 else out


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints = 1,
    padding: _Ints = 0, output_padding: _Ints = 0, groups: int = 1, dilation: _Ints = 1,
) -> Tensor:  # fmt: skip
    """The transpose of the linear map conv1d: x [N, C, L] with W [C, O/groups, K]."""
    return _conv_transpose(input, weight, bias, 1, hashed(stride), hashed(padding),
                           hashed(output_padding), groups, hashed(dilation))  # fmt: skip


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints = 1,
    padding: _Ints = 0, output_padding: _Ints = 0, groups: int = 1, dilation: _Ints = 1,
) -> Tensor:  # fmt: skip
    """The transpose of the linear map conv2d: x [N, C, H, W], W [C, O/groups, K, K]."""
    return _conv_transpose(input, weight, bias, 2, hashed(stride), hashed(padding),
                           hashed(output_padding), groups, hashed(dilation))  # fmt: skip


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: _Ints = 1,
    padding: _Ints = 0, output_padding: _Ints = 0, groups: int = 1, dilation: _Ints = 1,
) -> Tensor:  # fmt: skip
    """The transpose of the linear map conv3d: x [N, C, D, H, W]."""
    return _conv_transpose(input, weight, bias, 3, hashed(stride), hashed(padding),
                           hashed(output_padding), groups, hashed(dilation))  # fmt: skip


@composite
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """conv1d of an input [time, batch, channels] with W [K, C, O]."""
    if input.ndim != 3 or weight.ndim != 3 or bias.ndim != 1:
        raise RuntimeError(
            "conv_tbc takes an input and a weight of 3 dimensions and a bias of 1, but got "
            f"shapes {list(input.shape)}, {list(weight.shape)} and {list(bias.shape)}"
        )
    out = _conv(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, 1, pad, 1, 1)
    return out.permute(2, 0, 1)


def unfold(
    input: Tensor, kernel_size: _Ints, dilation: _Ints = 1, padding: _Ints = 0,
    stride: _Ints = 1,
) -> Tensor:  # fmt: skip
    """The windows of an image as columns: [N, C, H, W] → [N, C · K · K, windows].

    >>> import retrograd as rg
    >>> rg.nn.functional.unfold(rg.arange(9.0).reshape(1, 1, 3, 3), 2)
    tensor([[[0., 1., 3., 4.],
             [1., 2., 4., 5.],
             [3., 4., 6., 7.],
             [4., 5., 7., 8.]]])
    """
    return _unfold(input, *map(hashed, (kernel_size, dilation, padding, stride)))


def _sizes(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[Shape]:
    named = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding,
             "stride": stride}  # fmt: skip
    sizes = {name: tupled(v, 2, name) for name, v in named.items()}
    for name, pair in sizes.items():
        if min(pair) < (name != "padding"):
            least = "not be negative" if name == "padding" else "be greater than zero"
            raise RuntimeError(f"{name} should {least}, but got {pair}")
    return [*sizes.values()]


@composite
def _unfold(
    input: Tensor, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> Tensor:
    size, spacing, sides, step = _sizes(kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[input.ndim - 3 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor for input of unfold, with no empty "
            f"dimension but the batch, but got {list(input.shape)}"
        )
    x = _batched(input, 2)
    if any(sides):
        around = ((0, 0), (0, 0), *((p, p) for p in sides))
        x = apply(Pad, x, pad=around, value=0.0)
    w = apply(Windows, x, dims=(2, 3), size=size, step=step, dilation=spacing)
    n, c, rows, columns = w.shape[:4]
    w = w.permute(0, 1, 4, 5, 2, 3).reshape((n, c * size[0] * size[1], rows * columns))
    return w.squeeze(0) if input.ndim == 3 else w


def fold(
    input: Tensor, output_size: _Ints, kernel_size: _Ints, dilation: _Ints = 1,
    padding: _Ints = 0, stride: _Ints = 1,
) -> Tensor:  # fmt: skip
    """Columns added back where they were taken: the transpose of unfold."""
    sizes = (output_size, kernel_size, dilation, padding, stride)
    return _fold(input, *map(hashed, sizes))


@composite
def _fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any, padding: Any,
    stride: Any,
) -> Tensor:  # fmt: skip
    output = tupled(output_size, 2, "output_size")
    size, spacing, sides, step = _sizes(kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[input.ndim - 2 :]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input of fold, with no empty "
            f"dimension but the batch, but got {list(input.shape)}"
        )
    x = input.unsqueeze(0) if input.ndim == 2 else input
    n, height, count = x.shape
    rows, columns = (
        out_size(*m) for m in zip(output, size, step, sides, spacing, strict=True)
    )
    if height % (size[0] * size[1]) or count != rows * columns or rows < 1:
        raise RuntimeError(
            f"fold: for output_size={output} and kernel_size={size} the input has a "
            f"multiple of {size[0] * size[1]} rows and {rows} * {columns} = "
            f"{rows * columns} columns, but it has shape {list(input.shape)}"
        )
    c = height // (size[0] * size[1])
    w = x.reshape((n, c, *size, rows, columns)).permute(0, 1, 4, 5, 2, 3)
    padded = (n, c, *(m + 2 * p for m, p in zip(output, sides, strict=True)))
    out = apply(Fold, w, shape=padded, dims=(2, 3), size=size, step=step,
                dilation=spacing)  # fmt: skip
    if any(sides):
        crop = ((0, 0), (0, 0), *((-p, -p) for p in sides))
        out = apply(Pad, out, pad=crop, value=0.0)
    return out.squeeze(0) if input.ndim == 2 else out
