"""Linear maps: dense, convolutional, transposed; unfold and fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dispatch import apply, composite
from ...ops.conv import Conv, ConvInput
from ...ops.matmul import Matmul, transposed
from ...ops.movement import Fold, Pad, Windows
from ...trace import spec_of

__all__ = ["linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
           "conv_transpose2d", "conv_transpose3d", "unfold", "fold", "pad"]  # fmt: skip


@composite
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """y = x Wᵀ + b;  dX = dY W,  dW = dYᵀ X,  db = Σ dY."""
    x, w = spec_of(input), spec_of(weight)
    if not x.shape or x.shape[-1] != w.shape[-1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, x.shape))} and "
            f"{'x'.join(map(str, w.shape[::-1]))}): the layer takes {w.shape[-1]} features in "
            f"the last dimension, the input has shape {list(x.shape)}"
        )
    if x.dtype is not w.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {x.dtype.name} and {w.dtype.name}. "
            f"Convert the input with .to({w.dtype!r})"
        )
    if len(w.shape) == 1:
        out = (input * weight).sum(-1)
        return out if bias is None else out + bias
    row = input.unsqueeze(0) if len(x.shape) == 1 else input
    out = apply(Matmul, row, transposed(weight))
    if bias is not None:
        out = out + bias
    return out.squeeze(0) if len(x.shape) == 1 else out


@composite
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ."""
    from ...functions.einsum import einsum

    out = einsum("...i,kij,...j->...k", input1, weight, input2)
    return out if bias is None else out + bias


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        return tuple(int(v) for v in (value * n if len(value) == 1 else value))
    return (int(value),) * n


@composite
def _conv(
    input: Any, weight: Any, bias: Any, n: int, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:  # fmt: skip
    single = input.ndim == n + 1
    x = input.unsqueeze(0) if single else input
    stride, dilation = _tuple(stride, n), _tuple(dilation, n)
    _check_positive("stride", stride)
    _check_positive("dilation", dilation)
    if not isinstance(padding, str) and any(p < 0 for p in _tuple(padding, n)):
        raise RuntimeError("negative padding is not supported")
    if padding == "valid":
        padding = 0
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError(
                "padding='same' is not supported for strided convolutions"
            )
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = ((0, 0), (0, 0), *((t // 2, t - t // 2) for t in total))
        x, padding = apply(Pad, x, pad=pads, value=0.0), 0
    out = apply(
        Conv, x, weight, stride=stride, padding=_tuple(padding, n), dilation=dilation, groups=groups
    )  # fmt: skip
    if bias is not None:
        out = out + bias.reshape((-1,) + (1,) * n)
    return out.squeeze(0) if single else out


def _check_positive(what: str, sizes: tuple[int, ...]) -> None:
    if any(s <= 0 for s in sizes):
        raise RuntimeError(f"{what} must be greater than zero, but it is {sizes}")


def _hashed(x: Any) -> Any:
    return tuple(x) if isinstance(x, list) else x


def conv1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:  # fmt: skip
    """Cross-correlation over one dimension: [N, C, L] with [O, C/groups, K]."""
    return _conv(input, weight, bias, 1, _hashed(stride), _hashed(padding), _hashed(dilation), groups)  # fmt: skip


def conv2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:  # fmt: skip
    """Cross-correlation over two dimensions: [N, C, H, W] with [O, C/groups, K, K]."""
    return _conv(input, weight, bias, 2, _hashed(stride), _hashed(padding), _hashed(dilation), groups)  # fmt: skip


def conv3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:  # fmt: skip
    """Cross-correlation over three dimensions."""
    return _conv(input, weight, bias, 3, _hashed(stride), _hashed(padding), _hashed(dilation), groups)  # fmt: skip


@composite
def _conv_transpose(
    input: Any, weight: Any, bias: Any, n: int, stride: Any, padding: Any, extra: Any, groups: int,
    dilation: Any,
) -> Any:  # fmt: skip
    single = input.ndim == n + 1
    x = input.unsqueeze(0) if single else input
    stride, padding, extra, dilation = (
        _tuple(v, n) for v in (stride, padding, extra, dilation)
    )
    _check_positive("stride", stride)
    _check_positive("dilation", dilation)
    for i in range(n):
        if extra[i] >= max(stride[i], dilation[i]):
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got "
                f"output_padding {extra}, stride {stride}, dilation {dilation}"
            )
    size = tuple(
        (x.shape[2 + i] - 1) * stride[i] - 2 * padding[i]
        + dilation[i] * (weight.shape[2 + i] - 1) + extra[i] + 1
        for i in range(n)
    )  # fmt: skip
    out = apply(
        ConvInput, x, weight, size=size, stride=stride, padding=padding, dilation=dilation,
        groups=groups,
    )  # fmt: skip
    if bias is not None:
        out = out + bias.reshape((-1,) + (1,) * n)
    return out.squeeze(0) if single else out


def _transposed_conv(n: int) -> Any:
    def conv_transpose(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Any:  # fmt: skip
        return _conv_transpose(
            input, weight, bias, n, _hashed(stride), _hashed(padding), _hashed(output_padding),
            groups, _hashed(dilation),
        )  # fmt: skip

    conv_transpose.__name__ = f"conv_transpose{n}d"
    conv_transpose.__doc__ = (
        f"The adjoint of conv{n}d in its input: [N, C, …] with [C, O/groups, K…]."
    )
    return conv_transpose


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_transposed_conv, (1, 2, 3))


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:  # fmt: skip
    """Windows of an image as columns: [N, C, H, W] → [N, C·K·K, windows]."""
    k, d, p, s = (_tuple(v, 2) for v in (kernel_size, dilation, padding, stride))
    x = apply(Pad, input, pad=((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])), value=0.0)
    w = apply(Windows, x, dims=(2, 3), size=k, step=s, dilation=d)
    N, C, H, W = w.shape[:4]
    return w.permute(0, 1, 4, 5, 2, 3).reshape(N, C * k[0] * k[1], H * W)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:  # fmt: skip
    """The adjoint of unfold: columns added back where they were taken."""
    o, k, d, p, s = (
        _tuple(v, 2) for v in (output_size, kernel_size, dilation, padding, stride)
    )
    N, CK, _ = input.shape
    C = CK // (k[0] * k[1])
    H, W = ((o[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i in (0, 1))
    w = input.reshape(N, C, k[0], k[1], H, W).permute(0, 1, 4, 5, 2, 3)
    padded = (N, C, o[0] + 2 * p[0], o[1] + 2 * p[1])
    out = apply(Fold, w, shape=padded, dims=(2, 3), size=k, step=s, dilation=d)
    crop = ((0, 0), (0, 0), (-p[0], -p[0]), (-p[1], -p[1]))
    return apply(Pad, out, pad=crop, value=0.0) if any(p) else out


def pad(
    input: Any, pad: Any, mode: str = "constant", value: float | None = None
) -> Any:
    """Elements added around, pairs for the last dimensions first; negative ones crop."""
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            f"Padding length must be even and at most twice the {input.ndim} dimensions "
            f"of the input, but it is {len(pad)}"
        )
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    n = input.ndim
    if mode == "constant":
        full = [(0, 0)] * (n - len(pairs)) + pairs[::-1]
        return apply(
            Pad, input, pad=tuple(full), value=0.0 if value is None else float(value)
        )
    from ...dispatch import constant
    from ...functions.index import index_select

    for i, (before, after) in enumerate(pairs):
        if before == after == 0:
            continue
        d = n - 1 - i
        k = input.shape[d]
        places = np.arange(-before, k + after)
        if mode == "reflect":
            if before >= k or after >= k:
                raise RuntimeError(
                    "Padding size should be less than the corresponding input dimension, but "
                    f"got: padding ({before}, {after}) at dimension {d} of input {list(input.shape)}"
                )
            places = np.abs(places)
            places = np.where(places >= k, 2 * (k - 1) - places, places)
        elif mode == "replicate":
            places = np.clip(places, 0, k - 1)
        elif mode == "circular":
            places = places % k
        else:
            raise NotImplementedError(f"Unrecognised padding mode {mode}")
        input = index_select(input, d, constant(places))
    return input
