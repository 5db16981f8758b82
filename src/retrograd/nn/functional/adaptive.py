"""Pooling with windows chosen so that the output has a given size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...functions import random as R
from ...functions.half import once_rounded
from ...ops.families import Lengths as _Lengths
from ...ops.movement import Cat
from ...ops.op import Shape, whole_number
from ...ops.pool import picked
from .common import Ints as _Ints
from .common import Tensor, floating, hashed, tupled
from .pooling import _avg_pool, _max_pool, _max_pool_and_index

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
           "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
           "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices",
           "adaptive_max_pool3d_with_indices", "fractional_max_pool2d",
           "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
           "fractional_max_pool3d_with_indices"]  # fmt: skip


def _wanted(name: str, input: Tensor, size: Any, n: int) -> Shape:
    """The output's size; None keeps a dimension's length."""
    floating(f"{name}{n}d", input)
    sizes = size if isinstance(size, tuple) else (size,) * n
    if len(sizes) != n:
        raise RuntimeError(
            f"{name}{n}d: output_size must be {n} numbers, but got {list(sizes)}"
        )
    shape = tuple(input.shape)
    if len(shape) <= n:
        raise ValueError(
            f"{name}{n}d: Input dimension should be at least {n + 1}, but got "
            f"{len(shape)}"
        )
    if (
        len(shape) > n + 2
        or 0 in shape[len(shape) - n - (name == "adaptive_max_pool") :]
    ):
        raise RuntimeError(
            f"{name}{n}d: Expected {n + 1}D or {n + 2}D tensor with no empty dimension "
            f"but the batch, but got {list(shape)}"
        )
    plane = shape[len(shape) - n :]
    what = f"{name}{n}d(): argument 'output_size'"
    out = tuple(
        m if s is None and size is not None else whole_number(s, what)
        for m, s in zip(plane, sizes, strict=True)
    )
    if min(out) < 0:
        raise RuntimeError(
            f"{name}{n}d: elements of output_size must be greater than or equal to 0, "
            f"but got {list(out)}"
        )
    return out


def _bounds(m: int, out: int) -> tuple[Any, Any]:
    """Window i covers the places from ⌊i·m/out⌋ to ⌈(i + 1)·m/out⌉."""
    i = np.arange(out)
    return i * m // max(out, 1), -((i + 1) * -m // max(out, 1))


def _regular(plane: Shape, out: Shape) -> Shape | None:
    """The size of the windows if they are all alike and side by side."""
    if 0 in out or any(m % o for m, o in zip(plane, out, strict=True)):
        return None
    return tuple(m // o for m, o in zip(plane, out, strict=True))


@composite
@once_rounded
def _adaptive_avg(input: Tensor, size: Any, n: int) -> Tensor:
    out = _wanted("adaptive_avg_pool", input, size, n)
    plane = tuple(input.shape)[input.ndim - n :]
    k = _regular(plane, out)
    if k is not None:
        return _avg_pool(input, n, k, None, 0, False, True, None)
    x = input
    for axis in range(n):  # one dimension after the other
        d = x.ndim - n + axis
        begin, end = _bounds(plane[axis], out[axis])
        width = int((end - begin).max()) if out[axis] else 1
        at = begin[:, None] + np.arange(width)
        inside = at < end[:, None]
        # what is missing of the shorter windows is a zero at the end
        places = np.where(inside, at, plane[axis]).ravel()
        if not inside.all():
            one = [*x.shape]
            one[d] = 1
            x = apply(Cat, x, input.new_zeros(one), dim=d)
        x = x.index_select(d, constant(places))
        shape = tuple(x.shape)
        x = x.reshape((*shape[:d], out[axis], width, *shape[d + 1 :])).sum(d + 1)
        counts = (end - begin).reshape((-1,) + (1,) * (n - 1 - axis))
        x = x / constant(counts.astype(input.dtype.np))
    return x


def adaptive_avg_pool1d(input: Tensor, output_size: _Ints) -> Tensor:
    """Means of as many windows of [N, C, L] as the output is long.

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_avg_pool1d(rg.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    return _adaptive_avg(input, hashed(output_size), 1)


def adaptive_avg_pool2d(input: Tensor, output_size: _Lengths) -> Tensor:
    """Means of windows of [N, C, H, W], as many as the output has places."""
    return _adaptive_avg(input, hashed(output_size), 2)


def adaptive_avg_pool3d(input: Tensor, output_size: _Lengths) -> Tensor:
    """Means of windows of [N, C, D, H, W], as many as the output has places."""
    return _adaptive_avg(input, hashed(output_size), 3)


def _grid(places: list[Any], plane: Shape) -> Any:
    """[out, window]: flattened places, from those along each dimension [out, width]."""
    n = len(places)
    flat: Any = 0
    for axis, at in enumerate(places):
        shape = [1] * (2 * n)
        shape[axis], shape[n + axis] = at.shape
        flat = flat * plane[axis] + at.reshape(shape)
    outs = [p.shape[0] for p in places]
    return flat.reshape(math.prod(outs), math.prod(p.shape[1] for p in places))


def _largest(
    input: Tensor, places: Tensor, n: int, out: Shape
) -> tuple[Tensor, Tensor]:
    """Of windows given by their places […, out, window]: maxima, and where they are."""
    found = picked(input, places, n)
    best = found.detach().argmax(-1, keepdim=True)
    index = places.gather(-1, best).squeeze(-1)
    lead = tuple(input.shape)[: input.ndim - n]
    index = index.reshape((*lead, *out))
    return picked(input, index, n), index


@composite
def _adaptive_max(input: Tensor, size: Any, n: int) -> tuple[Tensor, Tensor]:
    out = _wanted("adaptive_max_pool", input, size, n)
    lead, plane = tuple(input.shape)[:-n], tuple(input.shape)[-n:]
    k = _regular(plane, out)
    if k is not None and input.dtype.is_floating_point:
        values, index = _max_pool_and_index(input, n, k, None, 0, 1, False)
        return values, index
    along = []
    for m, o in zip(plane, out, strict=True):
        begin, end = _bounds(m, o)
        width = int((end - begin).max()) if o else 1
        # shorter windows see their last place again
        along.append(np.minimum(begin[:, None] + np.arange(width), end[:, None] - 1))
    flat = _grid(along, plane)
    if not flat.size:
        none = input.reshape((*lead, -1))[..., :0].reshape((*lead, *out))
        return none, none.detach().to(dtypes.int64)
    places = constant(flat.astype(np.int64)).expand((*lead, *flat.shape))
    return _largest(input, places, n, out)


def _adaptive_max_of(input: Tensor, size: Any, n: int, return_indices: bool) -> Any:
    size = hashed(size)
    if not return_indices:
        k = _simple(input, size, n)
        if k is not None:
            return _max_pool(input, n, k, None, 0, 1, False)
    values, index = _adaptive_max(input, size, n)
    return (values, index) if return_indices else values


def _simple(input: Tensor, size: Any, n: int) -> Shape | None:
    """The size of the windows where they are those of max_pool."""
    shape = tuple(input.shape)
    sizes = size if isinstance(size, tuple) else (size,) * n
    if len(sizes) != n or len(shape) not in (n + 1, n + 2) or 0 in shape:
        return None
    if not input.dtype.is_floating_point:
        return None
    plane = shape[len(shape) - n :]
    out = tuple(m if s is None else s for m, s in zip(plane, sizes, strict=True))
    return _regular(plane, out) if min(out) > 0 else None


def adaptive_max_pool1d(
    input: Tensor, output_size: _Ints, return_indices: bool = False
) -> Any:
    """Maxima of as many windows of [N, C, L] as the output is long."""
    return _adaptive_max_of(input, output_size, 1, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: _Lengths, return_indices: bool = False
) -> Any:
    """Maxima of windows of [N, C, H, W], as many as the output has places."""
    return _adaptive_max_of(input, output_size, 2, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: _Lengths, return_indices: bool = False
) -> Any:
    """Maxima of windows of [N, C, D, H, W], as many as the output has places."""
    return _adaptive_max_of(input, output_size, 3, return_indices)


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: _Ints, return_indices: bool = False
) -> Any:
    """adaptive_max_pool1d, and where the maxima are."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: _Lengths, return_indices: bool = False
) -> Any:
    """adaptive_max_pool2d, and where the maxima are in the flattened plane."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: _Lengths, return_indices: bool = False
) -> Any:
    """adaptive_max_pool3d, and where the maxima are in the flattened volume."""
    return adaptive_max_pool3d(input, output_size, True)


# -- fractional -----------------------------------------------------------------------


def _fractional(
    input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    samples: Tensor | None, n: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    name = f"fractional_max_pool{n}d"
    floating(name, input)
    if output_size is None and output_ratio is None:
        raise ValueError(
            f"{name} requires specifying either an output_size or an output_ratio"
        )
    shape = tuple(input.shape)
    if len(shape) not in (n + 1, n + 2) or 0 in shape[len(shape) - n - 1 :]:
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with no empty "
            f"dimension but the batch, but got {list(shape)}"
        )
    lead, plane = shape[: len(shape) - n], shape[len(shape) - n :]
    given = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,)
    for length in given:
        if whole_number(length, f"{name}(): argument 'kernel_size'") < 1:
            raise ValueError(f"kernel_size must be greater than 0, but got {length}")
    k = tupled(kernel_size, n, "kernel_size")
    if output_size is None:
        ratios = (
            output_ratio
            if isinstance(output_ratio, (tuple, list))
            else (output_ratio,) * n
        )
        if len(ratios) != n:
            raise ValueError(f"{name}: output_ratio must be {n} numbers, not {ratios}")
        if not all(0 < r < 1 for r in ratios):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {ratios})")
        out = tuple(int(m * r) for m, r in zip(plane, ratios, strict=True))
    else:
        out = tupled(output_size, n, "output_size")
    for m, a, o in zip(plane, k, out, strict=True):
        if o + a - 1 > m or o < 1:
            raise RuntimeError(
                f"{name}: pool size {k} too large relative to the input's size {plane} "
                f"for an output of {out}"
            )
    batched = lead if len(lead) == 2 else (1, *lead)
    if samples is None:
        samples = R.rand((*batched, n), dtype=input.dtype)
    if tuple(samples.shape) != (*batched, n):
        raise RuntimeError(
            f"{name}: expected _random_samples of shape {[*batched, n]}, but got "
            f"{list(samples.shape)}"
        )
    # Where windows begin depends on random numbers: that is worked out at once.
    u = np.asarray(samples.detach().numpy(), np.float64).reshape((*lead, n))
    places: Any = 0
    for axis in range(n):
        # in two dimensions, PyTorch's first number is for the columns
        draw = u[..., n - 1 - axis if n == 2 else axis][..., None]
        begin = _starts(draw, plane[axis], out[axis], k[axis], samples.dtype.np)
        at = begin[..., None] + np.arange(k[axis])
        pair = [1] * (2 * n)
        pair[axis], pair[n + axis] = at.shape[-2:]
        places = places * plane[axis] + at.reshape((*lead, *pair))
    size = (*lead, math.prod(out), math.prod(k))
    return _largest(input, constant(places.reshape(size)), n, out)


def _starts(u: Any, m: int, out: int, k: int, kind: Any) -> Any:
    """⌊(i + u) α⌋ − ⌊u α⌋ with α = (m − k)/(out − 1); the last window ends at m."""
    begin = np.full((*u.shape[:-1], out), m - k, np.int64)
    if out > 1:
        alpha = np.asarray((m - k) / (out - 1), kind)
        u = u.astype(kind)
        i = np.arange(out - 1).astype(kind)
        begin[..., :-1] = np.trunc((i + u) * alpha) - np.trunc(u * alpha)
    return begin


def fractional_max_pool2d(
    input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows of one size at random, increasing places (Graham, 2014).

    The output's size is given, or its *output_ratio* to the input's.
    """
    values, index = _fractional(input, kernel_size, output_size, output_ratio,
                                _random_samples, 2)  # fmt: skip
    return (values, index) if return_indices else values


def fractional_max_pool3d(
    input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows of one size at random, increasing places, in volumes."""
    values, index = _fractional(input, kernel_size, output_size, output_ratio,
                                _random_samples, 3)  # fmt: skip
    return (values, index) if return_indices else values


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """fractional_max_pool2d, and where the maxima are in the flattened plane."""
    return fractional_max_pool2d(input, kernel_size, output_size, output_ratio, True,
                                 _random_samples)  # fmt: skip


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: _Ints, output_size: _Ints | None = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """fractional_max_pool3d, and where the maxima are in the flattened volume."""
    return fractional_max_pool3d(input, kernel_size, output_size, output_ratio, True,
                                 _random_samples)  # fmt: skip
