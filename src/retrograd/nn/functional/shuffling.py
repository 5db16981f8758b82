"""Elements moved between channels and places."""

from __future__ import annotations

from ...dispatch import composite
from .common import Tensor

__all__ = [
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "native_channel_shuffle",
]


@composite
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[*, C r², H, W] → [*, C, H r, W r]: each r² channels become r × r places.

    >>> import retrograd as rg
    >>> rg.nn.functional.pixel_shuffle(rg.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input "
            f"with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(
            f"pixel_shuffle expects a positive upscale_factor, but got {r}"
        )
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the "
            f"square of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    x = input.reshape((*lead, c // (r * r), r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return x.permute(order).reshape((*lead, c // (r * r), h * r, w * r))


@composite
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """[*, C, H r, W r] → [*, C r², H, W]: undoes pixel_shuffle."""
    r = downscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input "
            f"with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(
            f"pixel_unshuffle expects a positive downscale_factor, but got {r}"
        )
    *lead, c, h, w = input.shape
    if h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by "
            f"downscale_factor, but {h} or {w} is not divisible by {r}"
        )
    n = len(lead)
    x = input.reshape((*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return x.permute(order).reshape((*lead, c * r * r, h // r, w // r))


@composite
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channel (i, j) of groups × rest becomes channel (j, i): [N, C, …] of its shape."""
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got {list(input.shape)}"
        )
    n, c, *rest = input.shape
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and "
            f"{groups} groups."
        )
    x = input.reshape((n, groups, c // groups, *rest))
    return x.transpose(1, 2).reshape((n, c, *rest))


native_channel_shuffle = channel_shuffle
