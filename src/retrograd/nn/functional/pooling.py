"""Pooling with windows of one size: maxima, means, sums of powers; and unpooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...functions.arithmetic import div
from ...ops.index import Scatter
from ...ops.movement import constant_zeros
from ...ops.op import Shape, Spec, whole_number
from ...ops.pool import MaxPool, MaxPoolIndex, SumPool
from .common import Ints as _Ints
from .common import Tensor, hashed, tupled

__all__ = ["max_pool1d", "max_pool2d", "max_pool3d", "max_pool1d_with_indices",
           "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool1d",
           "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d",
           "max_unpool1d", "max_unpool2d", "max_unpool3d"]  # fmt: skip


def counted(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """How many windows there are along a dimension of length n."""
    room = n + 2 * p - d * (k - 1) - 1
    out = (room + (s - 1 if ceil else 0)) // s + 1
    if ceil and (out - 1) * s >= n + p:
        out -= 1  # the last window must begin inside the input
    return out


def _kinds(name: str, n: int, input: Tensor) -> None:
    """NotImplementedError for the types that PyTorch does not pool."""
    d = input.dtype
    if d.is_floating_point:
        return
    if (name == "max_pool" and n > 1 and d is not dtypes.bool_) or (
        name == "avg_pool" and d is dtypes.int64
    ):
        return
    raise NotImplementedError(f"{name}{n}d is not implemented for {d.name}: x.float()")


def _windows(
    name: str, input: Tensor, n: int, size: Any, stride: Any, padding: Any,
    dilation: Any, ceil: bool,
) -> tuple[Shape, Shape, Shape, Shape, Shape]:  # fmt: skip
    """The attributes of the primitives; RuntimeError where they make no sense."""
    k = tupled(size, n, "kernel_size")
    s = k if stride is None or stride == () else tupled(stride, n, "stride")
    p, d = tupled(padding, n, "padding"), tupled(dilation, n, "dilation")
    for what, values in (("kernel_size", k), ("stride", s), ("dilation", d)):
        if min(values) < 1:
            raise RuntimeError(
                f"{name}{n}d: {what} must be greater than zero, but got {values}"
            )
    if min(p) < 0:
        raise RuntimeError(f"{name}{n}d: pad must be non-negative, but got pad: {p}")
    if any(a > ((b - 1) * c + 1) // 2 for a, b, c in zip(p, k, d, strict=True)):
        raise RuntimeError(
            f"{name}{n}d: pad should be at most half of effective kernel size, but got "
            f"pad={p}, kernel_size={k} and dilation={d}"
        )
    shape = tuple(input.shape)
    if len(shape) not in (n + 1, n + 2) or 0 in shape[len(shape) - n - 1 :]:
        raise RuntimeError(
            f"{name}{n}d: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional "
            f"0 dim batch size for input, but got: {list(shape)}"
        )
    plane = shape[len(shape) - n :]
    zipped = zip(plane, k, s, p, d, strict=True)
    out = tuple(counted(*numbers, ceil) for numbers in zipped)
    if min(out) < 1:
        raise RuntimeError(
            f"{name}{n}d: Given input size: {list(shape)}. Calculated output size: "
            f"{list(out)}. Output size is too small"
        )
    return k, s, p, d, out


@composite
def _max_pool(
    input: Tensor,
    n: int,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil: bool,
) -> Tensor:
    _kinds("max_pool", n, input)
    k, s, p, d, out = _windows(
        "max_pool", input, n, size, stride, padding, dilation, ceil
    )
    result: Tensor = apply(MaxPool, input, size=k, stride=s, padding=p, dilation=d,
                           count=out)  # fmt: skip
    return result


@composite
def _max_pool_and_index(
    input: Tensor,
    n: int,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil: bool,
) -> tuple[Tensor, Tensor]:
    _kinds("max_pool", n, input)
    k, s, p, d, out = _windows(
        "max_pool", input, n, size, stride, padding, dilation, ceil
    )
    how = {"size": k, "stride": s, "padding": p, "dilation": d, "count": out}
    return apply(MaxPool, input, **how), apply(MaxPoolIndex, input, **how)


def max_pool1d(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    dilation: _Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of [N, C, L]; its gradient goes there.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 3.0, 2.0, 5.0, 4.0]])
    >>> rg.nn.functional.max_pool1d(x, 2, return_indices=True)
    (tensor([[3., 5.]]), tensor([[1, 3]]))
    """
    function = _max_pool_and_index if return_indices else _max_pool
    return function(input, 1, hashed(kernel_size), hashed(stride), hashed(padding),
                    hashed(dilation), ceil_mode)  # fmt: skip


def max_pool2d(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    dilation: _Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of [N, C, H, W]; its gradient goes there."""
    function = _max_pool_and_index if return_indices else _max_pool
    return function(input, 2, hashed(kernel_size), hashed(stride), hashed(padding),
                    hashed(dilation), ceil_mode)  # fmt: skip


def max_pool3d(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    dilation: _Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of [N, C, D, H, W]; its gradient goes there."""
    function = _max_pool_and_index if return_indices else _max_pool
    return function(input, 3, hashed(kernel_size), hashed(stride), hashed(padding),
                    hashed(dilation), ceil_mode)  # fmt: skip


def max_pool1d_with_indices(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    dilation: _Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window, and where it is."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    dilation: _Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window, and where it is in the flattened plane."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    dilation: _Ints = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window, and where it is in the flattened volume."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


# -- means ----------------------------------------------------------------------------


@composite
def _avg_pool(
    input: Tensor, n: int, size: Any, stride: Any, padding: Any, ceil: bool,
    include: bool, divisor: Any,
) -> Tensor:  # fmt: skip
    _kinds("avg_pool", n, input)
    if divisor == 0:
        raise RuntimeError(f"avg_pool{n}d: divisor must be not zero")
    k, s, p, d, out = _windows("avg_pool", input, n, size, stride, padding, 1, ceil)
    total: Tensor = apply(SumPool, input, size=k, stride=s, padding=p, dilation=d,
                          count=out)  # fmt: skip
    plane = tuple(input.shape)[input.ndim - n :]
    counts = None if divisor is not None else _counts(plane, k, s, p, out, include)
    if counts is None or (counts == counts.flat[0]).all():
        by: Any = divisor if counts is None else int(counts.flat[0])
        if not input.dtype.is_floating_point:
            return div(total, by, rounding_mode="trunc")
        return total / by
    by = constant(counts.astype(input.dtype.np))
    if not input.dtype.is_floating_point:
        return div(total, by, rounding_mode="trunc")
    return total / by


def _counts(
    plane: Shape, size: Shape, stride: Shape, padding: Shape, out: Shape, include: bool
) -> Any:
    """How many places each window has; with *include*, padding counts as places."""
    n = len(plane)
    counts: Any = np.ones([1] * n, np.int64)
    zipped = zip(plane, size, stride, padding, out, strict=True)
    for axis, (m, k, s, p, o) in enumerate(zipped):
        begin = np.arange(o) * s - p
        end = np.minimum(begin + k, m + p)
        if not include:
            begin, end = np.maximum(begin, 0), np.minimum(end, m)
        shape = [-1 if i == axis else 1 for i in range(n)]
        counts = counts * (end - begin).reshape(shape)
    return counts


def avg_pool1d(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of [N, C, L].

    >>> import retrograd as rg
    >>> rg.nn.functional.avg_pool1d(rg.tensor([[1.0, 3.0, 2.0, 6.0]]), 2)
    tensor([[2., 4.]])
    """
    return _avg_pool(input, 1, hashed(kernel_size), hashed(stride), hashed(padding),
                     ceil_mode, count_include_pad, None)  # fmt: skip


def avg_pool2d(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of [N, C, H, W]: its sum over the number of its places
    (with those of the padding, if *count_include_pad*), or over *divisor_override*."""
    return _avg_pool(input, 2, hashed(kernel_size), hashed(stride), hashed(padding),
                     ceil_mode, count_include_pad, divisor_override)  # fmt: skip


def avg_pool3d(
    input: Tensor, kernel_size: _Ints, stride: _Ints | None = None, padding: _Ints = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of [N, C, D, H, W], as avg_pool2d."""
    return _avg_pool(input, 3, hashed(kernel_size), hashed(stride), hashed(padding),
                     ceil_mode, count_include_pad, divisor_override)  # fmt: skip


# -- powers ---------------------------------------------------------------------------


@composite
def _lp_pool(
    input: Tensor, p: float, n: int, size: Any, stride: Any, ceil: bool
) -> Tensor:
    out = _avg_pool(input**p, n, size, stride, 0, ceil, True, None)
    places = math.prod(tupled(size, n, "kernel_size"))
    return (out.sign() * out.abs().relu() * places) ** (1.0 / p)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: _Ints, stride: _Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """(Σ xᵖ)^{1/p} of each window of [N, C, L]."""
    return _lp_pool(input, norm_type, 1, hashed(kernel_size), hashed(stride), ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: _Ints, stride: _Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """(Σ xᵖ)^{1/p} of each window of [N, C, H, W]."""
    return _lp_pool(input, norm_type, 2, hashed(kernel_size), hashed(stride), ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: _Ints, stride: _Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """(Σ xᵖ)^{1/p} of each window of [N, C, D, H, W]."""
    return _lp_pool(input, norm_type, 3, hashed(kernel_size), hashed(stride), ceil_mode)


# -- back -----------------------------------------------------------------------------


@composite
def _max_unpool(
    input: Tensor, indices: Tensor, n: int, size: Any, stride: Any, padding: Any,
    wanted: Any,
) -> Tensor:  # fmt: skip
    shape = tuple(input.shape)
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"max_unpool{n}d: Input to max_unpooling should be a {n + 1}d or {n + 2}d "
            f"Tensor, but got shape {list(shape)}"
        )
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            f"max_unpool{n}d: elements in indices should be type int64 but got: "
            f"{indices.dtype.name}"
        )
    if tuple(indices.shape) != shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor "
            f"({list(shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    k = tupled(size, n, "kernel_size")
    s = k if stride is None or stride == () else tupled(stride, n, "stride")
    p = tupled(padding, n, "padding")
    lead, plane = shape[: len(shape) - n], shape[len(shape) - n :]
    zipped = zip(plane, k, s, p, strict=True)
    usual = tuple((m - 1) * b + a - 2 * c for m, a, b, c in zipped)
    out = usual if wanted is None else _given(wanted, usual, s, n)
    flat = (*lead, math.prod(plane))
    zeros = constant_zeros(Spec((*lead, math.prod(out)), input.dtype))
    result = apply(Scatter, zeros, indices.reshape(flat), input.reshape(flat),
                   dim=len(lead), reduce="set")  # fmt: skip
    return result.reshape((*lead, *out))


def _given(wanted: Any, usual: Shape, stride: Shape, n: int) -> Shape:
    """The output's size that is asked for, if max pooling can have come from it."""
    size = tuple(wanted)
    if len(size) == n + 2:
        size = size[2:]
    if len(size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it "
            f"has a length of '{len(size)}'"
        )
    size = tuple(whole_number(m, "a size in 'output_size'") for m in size)
    for m, u, s in zip(size, usual, stride, strict=True):
        if not u - s < m < u + s:
            raise ValueError(
                f"invalid output_size {size} (each must be less than a stride, {stride}, "
                f"from {usual})"
            )
    return size


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: _Ints, stride: _Ints | None = None,
    padding: _Ints = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Each number put where max_pool1d found it, 0 elsewhere."""
    return _max_unpool(input, indices, 1, hashed(kernel_size), hashed(stride),
                       hashed(padding), _shape(output_size))  # fmt: skip


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: _Ints, stride: _Ints | None = None,
    padding: _Ints = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Each number put where max_pool2d found it, 0 elsewhere.

    *indices* are those of ``max_pool2d(…, return_indices=True)``. Several input sizes
    give the same pooled one: *output_size* says which.
    """
    return _max_unpool(input, indices, 2, hashed(kernel_size), hashed(stride),
                       hashed(padding), _shape(output_size))  # fmt: skip


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: _Ints, stride: _Ints | None = None,
    padding: _Ints = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Each number put where max_pool3d found it, 0 elsewhere."""
    return _max_unpool(input, indices, 3, hashed(kernel_size), hashed(stride),
                       hashed(padding), _shape(output_size))  # fmt: skip


def _shape(size: Any) -> Any:
    return None if size is None else tuple(size)
