"""Signals, images and volumes at another resolution.

Along each dimension an output is a weighted sum of a few of the inputs. Which, and with
what weights, depends on the sizes alone: they are constants (Keys 1981 for the cubic).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...ops.index import Index
from ...ops.movement import Cast
from ...ops.op import Array
from .adaptive import _adaptive_avg
from .common import Ints, Tensor, hashed, warn

__all__ = ["interpolate", "upsample", "upsample_nearest", "upsample_bilinear"]

#: the number of spatial dimensions that a mode is for; 0: any of 1, 2 and 3
_MODES = {"nearest": 0, "nearest-exact": 0, "area": 0, "linear": 1, "bilinear": 2,
          "bicubic": 2, "trilinear": 3, "lanczos": 2}  # fmt: skip

Taps = tuple[Array, Array]  # places and weights, [out, taps]


def interpolate(
    input: Tensor,
    size: Ints | None = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """[N, C, …] at another *size*, or at *scale_factor* times its size.

    The *mode* is "nearest", "nearest-exact", "area" (means), "linear" (1 dimension),
    "bilinear", "bicubic" (2) or "trilinear" (3). Output i lies at (i + ½)·s − ½ of the
    input, s the ratio of the sizes; with *align_corners*, at i·(n − 1)/(m − 1), so that
    the first and last elements coincide. *antialias* (bilinear, bicubic; always
    for "lanczos") widens the kernel where the output is smaller.

    >>> import retrograd as rg
    >>> x = rg.tensor([[[1.0, 2.0]]])
    >>> rg.nn.functional.interpolate(x, 4, mode="linear")
    tensor([[[1.0000, 1.2500, 1.7500, 2.0000]]])
    """
    return _interpolate(input, hashed(size), hashed(scale_factor), mode, align_corners,
                        recompute_scale_factor, antialias)  # fmt: skip


@composite
def _interpolate(
    input: Tensor, size: Any, scale: Any, mode: str, align: bool | None,
    recompute: bool | None, antialias: bool,
) -> Tensor:  # fmt: skip
    n = input.ndim - 2
    if mode in ("nearest", "area", "nearest-exact") and align is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | "
            "bilinear | bicubic | trilinear"
        )
    if recompute and size is not None:
        raise ValueError(
            "recompute_scale_factor is not meaningful with an explicit size"
        )
    out, scales = _sizes(input, size, scale, n, recompute or mode == "area")
    if antialias and (mode not in ("bilinear", "bicubic", "lanczos") or n != 2):
        raise ValueError(
            "antialias is for the modes bilinear and bicubic and inputs of 4 dimensions, "
            f"not for {mode} and {input.ndim}"
        )
    if n not in (1, 2, 3) or _MODES.get(mode, -1) not in (0, n):
        raise NotImplementedError(
            f"interpolate takes 3D, 4D and 5D inputs, and modes {', '.join(_MODES)} (linear "
            f"for 3D, bilinear and bicubic for 4D, trilinear for 5D), but got {mode} for "
            f"{input.ndim}D"
        )
    if mode == "lanczos" and (align or not antialias):
        raise ValueError("mode 'lanczos' takes antialias=True and no align_corners")
    if mode == "area":
        return _adaptive_avg(input, out, n)
    if min(out) < 1 or 0 in tuple(input.shape)[1:]:
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape)} and output size {list(out)}"
        )
    if not input.dtype.is_floating_point and input.dtype is not dtypes.uint8:
        raise NotImplementedError(
            f"interpolate is not implemented for {input.dtype.name}: use x.float()"
        )
    if not input.dtype.is_floating_point and not mode.startswith("nearest"):
        raise NotImplementedError(
            f"interpolate of uint8 is there for the nearest modes, not for {mode}: use "
            "interpolate(x.float(), …).round().to(rg.uint8)"
        )
    kind = input.dtype
    half = kind.is_floating_point and kind.itemsize < 4
    x = apply(Cast, input, dtype=dtypes.float32) if half else input
    exact: Any = np.float64 if kind is dtypes.float64 else np.float32
    make = _smooth_taps if antialias else _TAPS[mode]
    for i in range(n):
        m, o = int(x.shape[2 + i]), out[i]
        taps = make(m, o, scales[i], bool(align), exact, mode)
        if taps is not None:
            x = _along(x, 2 + i, *taps)
    return apply(Cast, x, dtype=kind) if half else x


def _sizes(
    input: Tensor, size: Any, scale: Any, n: int, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output's size, and the scale factors where they count."""
    if size is not None and scale is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale is None:
        raise ValueError("either size or scale_factor should be defined")
    given = size if size is not None else scale
    numbers = given if isinstance(given, tuple) else (given,) * n
    plane = tuple(input.shape)[2:]
    if len(numbers) != n:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got "
            f"{list(plane)} and {list(numbers)}"
        )
    if size is not None:
        if not all(isinstance(m, (int, np.integer)) for m in numbers):
            raise TypeError(f"expected size to be whole numbers, but got {numbers}")
        return tuple(int(m) for m in numbers), (None,) * n
    out = tuple(math.floor(m * s) for m, s in zip(plane, numbers, strict=True))
    return out, (None,) * n if recompute else tuple(float(s) for s in numbers)


def _along(x: Tensor, dim: int, places: Array, weights: Array | None) -> Tensor:
    """out[…, i, …] = Σ_k weights[i, k] · x[…, places[i, k], …]."""
    taps = places.shape[1]
    index = constant(np.ascontiguousarray(places.ravel()))
    picked: Tensor = apply(Index, x, index, dims=(dim,))
    if weights is None:
        return picked
    shape = tuple(picked.shape)
    parts = picked.reshape((*shape[:dim], places.shape[0], taps, *shape[dim + 1 :]))
    w = constant(
        weights.astype(x.dtype.np).reshape(weights.shape + (1,) * (x.ndim - dim - 1))
    )
    return (parts * w).sum(dim + 1)


def _ratio(m: int, o: int, scale: float | None, align: bool, kind: Any) -> Any:
    """How many inputs an output is away from the next."""
    if align:
        return kind((m - 1) / (o - 1)) if o > 1 else kind(0)
    return kind(1) / kind(scale) if scale else kind(m) / kind(o)


def _where(m: int, o: int, scale: float | None, align: bool, kind: Any) -> Array:
    """Where in the input each output lies."""
    step = _ratio(m, o, scale, align, kind)
    i: Array = np.arange(o, dtype=kind)
    at: Array = i * step if align else step * (i + kind(0.5)) - kind(0.5)
    return at


def _nearest_taps(
    m: int, o: int, scale: float | None, align: bool, kind: Any, mode: str
) -> Any:
    step = _ratio(m, o, scale, False, kind)
    i = np.arange(o, dtype=kind)
    at = (i + kind(0.5)) * step if mode == "nearest-exact" else i * step
    places = np.minimum(np.floor(at).astype(np.int64), m - 1)
    return None if m == o and (places == i).all() else (places[:, None], None)


def _linear_taps(
    m: int, o: int, scale: float | None, align: bool, kind: Any, mode: str
) -> Any:
    if m == o:
        return None
    at = np.maximum(_where(m, o, scale, align, kind), 0)
    first = np.minimum(np.floor(at).astype(np.int64), m - 1)
    t = np.clip(at - first, 0, 1)
    places = np.stack([first, np.minimum(first + 1, m - 1)], 1)
    return places, np.stack([1 - t, t], 1)


def cubic(t: Any, a: float = -0.75) -> list[Any]:
    """The weights of the four neighbours at −1 … 2 of a point at t in [0, 1): those of
    the convolution kernel W with W″ continuous but at whole numbers and slope a at 1."""

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _cubic_taps(
    m: int, o: int, scale: float | None, align: bool, kind: Any, mode: str
) -> Any:
    at = _where(m, o, scale, align, kind)
    first = np.minimum(np.floor(at).astype(np.int64), m - 1)
    t = np.clip(at - first, 0, 1)
    places = np.clip(first[:, None] + np.arange(-1, 3), 0, m - 1)
    return places, np.stack(cubic(t), 1)


def _smooth_taps(
    m: int, o: int, scale: float | None, align: bool, kind: Any, mode: str
) -> Any:
    """The kernel stretched over all inputs between neighbouring outputs."""
    step = _ratio(m, o, scale, align, kind)
    wide = max(step, kind(1))
    radius = _RADIUS[mode] * wide
    half = kind(0.5)
    center = step * (np.arange(o, dtype=kind) + half)
    low = np.maximum((center - radius + half).astype(np.int64), 0)
    high = np.minimum((center + radius + half).astype(np.int64), m)
    places = low[:, None] + np.arange(int((high - low).max()))
    x = np.abs((places - center[:, None] + half) / wide)
    weights = np.where(places < high[:, None], _KERNELS[mode](x), 0)
    return np.minimum(places, m - 1), weights / weights.sum(1, keepdims=True)


def _triangle(x: Array) -> Any:
    return np.where(x < 1, 1 - x, 0)


def _keys(x: Array) -> Any:
    _, near, _, _ = cubic(x, -0.5)
    far = cubic(np.clip(x - 1, 0, 1), -0.5)[0]
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: Array) -> Any:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


_RADIUS = {"bilinear": 1, "bicubic": 2, "lanczos": 3}
_KERNELS: dict[str, Callable[[Array], Any]] = {
    "bilinear": _triangle, "bicubic": _keys, "lanczos": _lanczos,
}  # fmt: skip
_TAPS: dict[str, Callable[..., Any]] = {
    "nearest": _nearest_taps, "nearest-exact": _nearest_taps, "linear": _linear_taps,
    "bilinear": _linear_taps, "trilinear": _linear_taps, "bicubic": _cubic_taps,
}  # fmt: skip


def upsample(
    input: Tensor, size: Ints | None = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """interpolate under its older name."""
    warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate`.")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: Ints | None = None, scale_factor: Any = None
) -> Tensor:
    """interpolate with mode "nearest", under its older name."""
    warn("`nn.functional.upsample_nearest` is deprecated. Use `interpolate`.")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor, size: Ints | None = None, scale_factor: Any = None
) -> Tensor:
    """interpolate with mode "bilinear" and aligned corners, under its older name."""
    warn("`nn.functional.upsample_bilinear` is deprecated. Use `interpolate`.")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
