"""Pooling: windows reduced to their maximum or mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite
from ...ops.index import Gather
from ...ops.movement import Pad, Windows
from ...ops.op import Array, Op, Shape, Spec
from .convolution import _hashed, _tuple

__all__ = ["max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
           "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
           "adaptive_max_pool1d", "adaptive_max_pool2d", "lp_pool1d", "lp_pool2d"]  # fmt: skip


def _out(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    room = n + 2 * p - d * (k - 1) - 1
    out = (room + (s - 1 if ceil else 0)) // s + 1
    if ceil and (out - 1) * s >= n + p:
        out -= 1  # the last window must begin inside the input
    return out


class MaxPoolIndex(Op):
    """Where in the flattened plane the maximum of each window is (the first of equals;
    NaN counts as the maximum)."""

    formula = "argmax of each window"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        n = len(attrs["size"])
        out = []
        for i in range(n):
            k, s, p, d = (attrs[a][i] for a in ("size", "step", "padding", "dilation"))
            if p > k // 2:
                raise RuntimeError(
                    "pad should be at most half of effective kernel size, but got "
                    f"pad={p}, kernel_size={k} and dilation={d}"
                )
            m = _out(specs[0].shape[i - n], k, s, p, d, attrs["ceil"])
            if m <= 0:
                raise RuntimeError(
                    f"Given input size: {list(specs[0].shape)}. Calculated output size is too small"
                )
            out.append(m)
        return Spec((*specs[0].shape[:-n], *out), dtypes.int64)

    @staticmethod
    def forward(
        a: Array,
        *,
        size: Shape,
        step: Shape,
        padding: Shape,
        dilation: Shape,
        ceil: bool,
    ) -> Array:
        n = len(size)
        plane = a.shape[-n:]
        out = [
            _out(m, k, s, p, d, ceil)
            for m, k, s, p, d in zip(plane, size, step, padding, dilation, strict=True)
        ]
        need = [
            (o - 1) * s + d * (k - 1) + 1 - m - p
            for m, k, s, p, d, o in zip(
                plane, size, step, padding, dilation, out, strict=True
            )
        ]
        low = -np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).min
        pads = [(0, 0)] * (a.ndim - n) + [
            (p, max(q, 0)) for p, q in zip(padding, need, strict=True)
        ]
        x = np.pad(a, pads, constant_values=low) if any(map(any, pads)) else a
        best = np.full((*a.shape[:-n], *out), low, a.dtype)
        where = np.zeros(best.shape, np.int64)
        starts = [
            np.arange(o) * s - p for o, s, p in zip(out, step, padding, strict=True)
        ]
        first = True
        for place in np.ndindex(*size):
            index = tuple(
                slice(i * d, i * d + s * (o - 1) + 1, s)
                for i, d, s, o in zip(place, dilation, step, out, strict=True)
            )
            whole: tuple[Any, ...] = (..., *index)
            part = x[whole]
            flat: Any = 0
            for axis in range(n):
                along = starts[axis] + place[axis] * dilation[axis]
                shape = [-1 if i == axis else 1 for i in range(n)]
                flat = flat * plane[axis] + np.clip(along, 0, plane[axis] - 1).reshape(
                    shape
                )
            better = (
                (part > best) | np.isnan(part) if a.dtype.kind == "f" else part > best
            )
            inside = _inside(starts, place, dilation, plane)
            take = inside & (better | first) if first else inside & better
            best = np.where(take, part, best)
            where = np.where(take, flat, where)
            first = False
        return where


def _inside(starts: Any, place: Any, dilation: Any, plane: Any) -> Any:
    """Which windows have this place inside the input and not in the padding."""
    n = len(plane)
    result: Any = True
    for axis in range(n):
        at = starts[axis] + place[axis] * dilation[axis]
        ok = (at >= 0) & (at < plane[axis])
        result = result & ok.reshape([-1 if i == axis else 1 for i in range(n)])
    return result


@composite
def _max_pool(
    input: Any, n: int, size: Any, step: Any, padding: Any, dilation: Any, ceil: bool
) -> Any:
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"max_pool{n}d: expected a {n + 1}D or {n + 2}D input, got {list(input.shape)}"
        )
    size = _tuple(size, n)
    step = size if step is None else _tuple(step, n)
    index = apply(
        MaxPoolIndex, input, size=size, step=step, padding=_tuple(padding, n),
        dilation=_tuple(dilation, n), ceil=ceil,
    )  # fmt: skip
    lead = tuple(input.shape[:-n])
    flat = input.reshape(*lead, -1)
    values = apply(Gather, flat, index.reshape(*lead, -1), dim=len(lead))
    return values.reshape(index.shape), index


def _max_pool_of(n: int) -> Any:
    def max_pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        both = _max_pool(
            input, n, _hashed(kernel_size), _hashed(stride), _hashed(padding), _hashed(dilation),
            ceil_mode,
        )  # fmt: skip
        return both if return_indices else both[0]

    max_pool.__name__ = f"max_pool{n}d"
    max_pool.__doc__ = (
        f"The maximum of each window, over {n} dimensions; its gradient goes there."
    )
    return max_pool


max_pool1d, max_pool2d, max_pool3d = map(_max_pool_of, (1, 2, 3))


@composite
def _avg_pool(
    input: Any, n: int, size: Any, step: Any, padding: Any, ceil: bool, include: bool, divisor: Any
) -> Any:  # fmt: skip
    size = _tuple(size, n)
    step = size if step is None or step == () else _tuple(step, n)
    padding = _tuple(padding, n)
    plane = tuple(input.shape[-n:])
    out = [
        _out(m, k, s, p, 1, ceil)
        for m, k, s, p in zip(plane, size, step, padding, strict=True)
    ]
    counts: Any = np.ones([1] * n)
    pads = [(0, 0)] * (input.ndim - n)
    for axis, (m, k, s, p, o) in enumerate(
        zip(plane, size, step, padding, out, strict=True)
    ):
        begin = np.arange(o) * s - p
        end = np.minimum(begin + k, m + p)
        if not include:
            begin, end = np.maximum(begin, 0), np.minimum(end, m)
        counts = counts * (end - begin).reshape(
            [-1 if i == axis else 1 for i in range(n)]
        )
        pads.append((p, max((o - 1) * s + k - m - p, -m)))
    x = apply(Pad, input, pad=tuple(pads), value=0.0) if any(map(any, pads)) else input
    dims = tuple(range(input.ndim - n, input.ndim))
    windows = apply(Windows, x, dims=dims, size=size, step=step, dilation=(1,) * n)
    total = windows.sum(tuple(range(-n, 0)))
    if divisor is not None:
        return total / divisor
    if (counts == counts.flat[0]).all():
        return total / float(counts.flat[0])
    from ...dispatch import constant

    return total / constant(counts.astype(input.dtype.np))


def _avg_pool_of(n: int) -> Any:
    def avg_pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: Any = None,
    ) -> Any:  # fmt: skip
        return _avg_pool(
            input, n, _hashed(kernel_size), _hashed(stride), _hashed(padding), ceil_mode,
            count_include_pad, divisor_override,
        )  # fmt: skip

    avg_pool.__name__ = f"avg_pool{n}d"
    avg_pool.__doc__ = f"The mean of each window, over {n} dimensions."
    return avg_pool


avg_pool1d, avg_pool2d, avg_pool3d = map(_avg_pool_of, (1, 2, 3))


def _adaptive(input: Any, output_size: Any, n: int, reduce: str) -> Any:
    """Windows from ⌊i·m/o⌋ to ⌈(i+1)·m/o⌉ in each dimension."""
    wanted = _tuple_or_none(output_size, n, input)
    plane = tuple(input.shape[-n:])
    if all(m % o == 0 for m, o in zip(plane, wanted, strict=True)):
        k = tuple(m // o for m, o in zip(plane, wanted, strict=True))
        if reduce == "mean":
            return _avg_pool(input, n, k, None, 0, False, True, None)
        return _max_pool(input, n, k, None, 0, 1, False)[0]
    from ...functions.shape import narrow, stack

    x = input
    for axis in range(n):
        d = input.ndim - n + axis
        m, o = plane[axis], wanted[axis]
        parts = []
        for i in range(o):
            begin, end = i * m // o, -(-(i + 1) * m // o)
            part = narrow(x, d, begin, end - begin)
            parts.append(part.mean(d) if reduce == "mean" else part.amax(d))
        x = stack(parts, d)
    return x


def _tuple_or_none(size: Any, n: int, input: Any) -> tuple[int, ...]:
    sizes = size if isinstance(size, (tuple, list)) else (size,) * n
    if len(sizes) != n:
        raise RuntimeError(f"output_size must have {n} numbers, not {list(sizes)}")
    return tuple(
        int(input.shape[i - n]) if s is None else int(s) for i, s in enumerate(sizes)
    )


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the output has a given length."""
    return _adaptive(input, output_size, 1, "mean")


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the output has a given size."""
    return _adaptive(input, output_size, 2, "mean")


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Means of windows chosen so that the output has a given size."""
    return _adaptive(input, output_size, 3, "mean")


def adaptive_max_pool1d(
    input: Any, output_size: Any, return_indices: bool = False
) -> Any:
    """Maxima of windows chosen so that the output has a given length."""
    if return_indices:
        raise NotImplementedError(
            "adaptive_max_pool1d(return_indices=True): use max_pool1d"
        )
    return _adaptive(input, output_size, 1, "max")


def adaptive_max_pool2d(
    input: Any, output_size: Any, return_indices: bool = False
) -> Any:
    """Maxima of windows chosen so that the output has a given size."""
    if return_indices:
        raise NotImplementedError(
            "adaptive_max_pool2d(return_indices=True): use max_pool2d"
        )
    return _adaptive(input, output_size, 2, "max")


def lp_pool1d(input: Any, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False) -> Any:  # fmt: skip
    """(Σ xᵖ)^{1/p} of each window."""
    total = (
        avg_pool1d(input**norm_type, kernel_size, stride, 0, ceil_mode) * kernel_size
    )
    return (total.sign() * total.abs().relu()) ** (1 / norm_type)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:  # fmt: skip
    """(Σ xᵖ)^{1/p} of each window."""
    k = _tuple(kernel_size, 2)
    total = avg_pool2d(input**norm_type, k, stride, 0, ceil_mode) * (k[0] * k[1])
    return (total.sign() * total.abs().relu()) ** (1 / norm_type)
