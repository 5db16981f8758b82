"""Images and volumes looked up at computed places.

Coordinates run from −1 to 1: from the middle of the first element to that of the last
with *align_corners*, else from the outer edge of the one to that of the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...functions.arithmetic import remainder
from ...functions.joining import stack
from ...ops.elementwise import Where
from ...ops.movement import Cast
from ...ops.op import Shape
from ...ops.pool import picked
from .common import Tensor, warn
from .resampling import cubic

__all__ = ["affine_grid", "grid_sample"]


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Coordinates θ (x, y, 1)ᵀ for each place of an output of *size* [N, C, H, W], as
    [N, H, W, 2]; or θ (x, y, z, 1)ᵀ for [N, C, D, H, W], as [N, D, H, W, 3].

    >>> import retrograd as rg
    >>> identity = rg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> grid = rg.nn.functional.affine_grid(identity, (1, 1, 2, 2), align_corners=True)
    >>> grid.tolist()
    [[[[-1.0, -1.0], [1.0, -1.0]], [[-1.0, 1.0], [1.0, 1.0]]]]
    """
    if align_corners is None:
        warn("affine_grid: align_corners is False unless given")
    return _affine_grid(theta, tuple(size), bool(align_corners))


@composite
def _affine_grid(theta: Tensor, size: Shape, align: bool) -> Tensor:
    if not theta.dtype.is_floating_point:
        raise ValueError(
            f"Expected theta to have floating point type, but got {theta.dtype.name}"
        )
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes. Got size {list(size)}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"Expected a batch of affine matrices of shape Nx{n}x{n + 1} for size "
            f"{list(size)}. Got {list(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {list(size)}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(
            f"affine_grid: theta has {theta.shape[0]} matrices for a batch of {size[0]}"
        )
    plane = size[2:]
    axes = [_ends(m, align) for m in reversed(plane)]  # x first
    mesh = np.meshgrid(*reversed(axes), indexing="ij")
    base = np.stack([*reversed(mesh), np.ones(plane)], -1).reshape(-1, n + 1)
    rows = constant(base.astype(theta.dtype.np)) @ theta.transpose(1, 2)
    return rows.reshape((size[0], *plane, n))


def _ends(m: int, align: bool) -> Any:
    if m == 1:
        return np.zeros(1)
    whole = np.linspace(-1, 1, m)
    return whole if align else whole * (m - 1) / m


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """out[n, c, i] = input[n, c] at the place grid[n, i], x before y (before z).

    Between the elements *mode* says what is there: "bilinear", "nearest", or "bicubic";
    outside *padding_mode*: "zeros", "border" (the nearest element), or "reflection".
    """
    if align_corners is None:
        warn("grid_sample: align_corners is False unless given")
    return _grid_sample(input, grid, mode, padding_mode, bool(align_corners))


def _check(input: Tensor, grid: Tensor, mode: str, around: str) -> int:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', but "
            f"got: {mode!r}"
        )
    if around not in ("zeros", "border", "reflection"):
        raise ValueError(
            "grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: {around!r}"
        )
    n: int = input.ndim - 2
    shapes = f"{list(input.shape)} and grid {list(grid.shape)}"
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype.name} and grid has {grid.dtype.name}: grid.to(input.dtype)"
        )
    if n not in (2, 3) or grid.ndim != n + 2:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of "
            f"dimensions, but got input {shapes}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same batch size: {shapes}"
        )
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension: {shapes}"
        )
    if 0 in tuple(input.shape)[2:]:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions: {shapes}"
        )
    if mode == "bicubic" and n != 2:
        raise RuntimeError(
            "grid_sampler(): bicubic interpolation only supports 4D input"
        )
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"grid_sample is not implemented for {input.dtype.name}: use x.float()"
        )
    return n


@composite
def _grid_sample(
    input: Tensor, grid: Tensor, mode: str, around: str, align: bool
) -> Tensor:
    n = _check(input, grid, mode, around)
    kind = input.dtype
    if kind.itemsize < 4:
        wide = apply(Cast, grid, dtype=dtypes.float32)
        input, grid = apply(Cast, input, dtype=dtypes.float32), wide
    plane = tuple(input.shape)[2:]
    out = tuple(grid.shape)[1:-1]
    points = grid.reshape((grid.shape[0], math.prod(out), n))
    at = []  # coordinates in elements, in the order of the shape
    for axis, m in enumerate(plane):
        x = points[..., n - 1 - axis]
        x = (x + 1) * ((m - 1) / 2) if align else ((x + 1) * m - 1) * 0.5
        at.append(x if mode == "bicubic" else _bounded(x, m, around, align))
    if mode == "nearest":
        taps = [(x.detach().round().unsqueeze(-1), None) for x in at]
    elif mode == "bilinear":
        taps = [_linear(x) for x in at]
    else:
        taps = [_cubic(x, m, around, align) for x, m in zip(at, plane, strict=True)]
    value = _summed(input, taps, plane).reshape((*input.shape[:2], *out))
    result: Tensor = apply(Cast, value, dtype=kind) if kind.itemsize < 4 else value
    return result


def _linear(x: Tensor) -> tuple[Tensor, Tensor]:
    """The two places around x, and their weights, as a last dimension."""
    first = x.detach().floor()
    t = x - first
    return stack([first, first + 1], -1), stack([1 - t, t], -1)


def _cubic(x: Tensor, m: int, around: str, align: bool) -> tuple[Tensor, Tensor]:
    """The four places around x, and their weights, as a last dimension."""
    first = x.detach().floor()
    places = stack([first + k for k in range(-1, 3)], -1)
    return _bounded(places, m, around, align), stack(cubic(x - first), -1)


def _bounded(x: Tensor, m: int, around: str, align: bool) -> Tensor:
    """Coordinates brought inside, as the mode for what is outside asks."""
    if around == "zeros":
        return x
    if around == "reflection":
        low, high = (0.0, m - 1.0) if align else (-0.5, m - 0.5)
        span = high - low
        if span == 0:
            x = x * 0.0
        else:
            off = x - low
            way = apply(Where, off < 0, -off, off)
            flips = (way.detach() / span).floor()
            rest = way - flips * span
            x = apply(Where, remainder(flips, 2.0) == 0, rest + low, high - rest)
    # at the borders and beyond, a coordinate makes no difference
    top = float(m - 1)
    x = apply(Where, x > 0, x, 0.0)
    return apply(Where, x < top, x, top)


def _summed(
    input: Tensor, taps: list[tuple[Tensor, Tensor | None]], plane: Shape
) -> Tensor:
    """[N, C, points]: weighted sums over places, which lie outside where 0 is.

    The taps along the dimensions (places and weights [N, points, taps]) combine to
    [N, points, taps, …, taps].
    """
    n = len(plane)
    inside: Any = None
    weight: Any = None
    flat: Any = 0
    for axis, ((x, w), m) in enumerate(zip(taps, plane, strict=True)):
        shape = (*x.shape[:2], *[x.shape[2] if i == axis else 1 for i in range(n)])
        x = x.reshape(shape)
        ok = (x >= 0) & (x <= m - 1)
        inside = ok if inside is None else inside & ok
        flat = flat * m + apply(Where, ok, x, 0.0).to(dtypes.int64)
        if w is not None:
            w = w.reshape(shape)
            weight = w if weight is None else weight * w
    batch, points, *each = flat.shape
    c, count = input.shape[1], math.prod(each)
    index = flat.reshape((batch, 1, points * count)).expand((batch, c, points * count))
    found = picked(input, index, n).reshape((batch, c, points, count))
    value = apply(Where, inside.reshape((batch, 1, points, count)), found, 0.0)
    if weight is not None:
        value = value * weight.reshape((batch, 1, points, count))
    return value.sum(-1)
