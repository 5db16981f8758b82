"""Rows of numbers: in equal steps, in equal ratios, powers, places of triangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import constant
from ..ops.families import Number, Tensor
from ..trace import Handle
from .filled import check_layout, finish, kind_of
from .out import maker

__all__ = ["arange", "range", "linspace", "logspace", "tril_indices", "triu_indices",
           "vander"]  # fmt: skip


def _plain(name: str, value: Any) -> Any:
    """A Python number; of a tensor, its only element."""
    if isinstance(value, Handle):
        given: Any = value
        if given.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got one "
                f"with {given.ndim} dimension(s)"
            )
        value = given.item()
    elif isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, bool) else value


def _no_truth(name: str, kind: dtypes.dtype) -> None:
    if kind is dtypes.bool_:
        raise NotImplementedError(
            f'"{name}" not implemented for bool: use an integer type'
        )


def _check_steps(start: Any, end: Any, step: Any) -> None:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


@maker
def arange(
    start: Number = None,
    end: Number = None,
    step: Number = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """start, start + step, … below end; integers unless a float is among them.

    >>> import retrograd as rg
    >>> rg.arange(3), rg.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    check_layout("arange", layout)
    if end is None:
        if start is None:
            raise TypeError("arange() missing 1 required positional argument: 'end'")
        start, end = 0, start
    start = 0 if start is None else start
    start, end, step = (_plain("arange", x) for x in (start, end, step))
    whole = all(isinstance(x, int) for x in (start, end, step))
    kind = dtypes.int64 if dtype is None and whole else kind_of(dtype)
    _no_truth("arange", kind)
    if kind is dtypes.int64 and all(math.isfinite(x) for x in (start, end, step)):
        if step and not int(step):
            raise ValueError(f"step must be nonzero, and as an integer {step} is 0")
        start, end, step = int(start), int(end), int(step)
    _check_steps(start, end, step)
    n = max(0, math.ceil((end - start) / step))
    if kind.category == dtypes.INTEGRAL:
        start, step = int(start), int(step)
    return finish((start + np.arange(n) * step).astype(kind.np), requires_grad, device)


@maker
def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """start, start + step, … up to end, which is included (an older form of arange)."""
    check_layout("range", layout)
    if end is None:
        start, end = 0, start
    start, end, step = (_plain("range", x) for x in (start, end, step))
    kind = kind_of(dtype)
    _no_truth("range", kind)
    _check_steps(start, end, step)
    n = math.floor((end - start) / step) + 1
    return finish((start + np.arange(n) * step).astype(kind.np), requires_grad, device)


def _spaced(name: str, start: Any, end: Any, steps: Any, kind: dtypes.dtype) -> Any:
    """Equal distances, counted from both ends so that both are met exactly."""
    _no_truth(name, kind)
    start, end = _plain(name, start), _plain(name, end)
    if not isinstance(steps, int):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {steps!r}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if kind.category == dtypes.INTEGRAL:
        start, end = int(start), int(end)
    if steps == 1:
        return np.array([start], np.float64)
    place = np.arange(steps)
    step = (end - start) / max(steps - 1, 1)
    return np.where(
        place < steps // 2, start + step * place, end - step * (steps - 1 - place)
    )


@maker
def linspace(
    start: Tensor | float,
    end: Tensor | float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """*steps* numbers at equal distances from start to end, both included."""
    check_layout("linspace", layout)
    kind = kind_of(dtype)
    values = _spaced("linspace", start, end, steps, kind)
    return finish(values.astype(kind.np), requires_grad, device)


@maker
def logspace(
    start: Tensor | float,
    end: Tensor | float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """baseˢ for *steps* numbers s at equal distances from start to end."""
    check_layout("logspace", layout)
    kind = kind_of(dtype)
    values = np.power(float(base), _spaced("logspace", start, end, steps, kind))
    return finish(values.astype(kind.np), requires_grad, device)


# -- triangles, powers ----------------------------------------------------------------


def _triangle(
    name: str, row: int, col: int, offset: int, dtype: Any, device: Any, lower: bool
) -> Tensor:
    for what, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{what} must be non-negative, got {n}")
    kind = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    if kind.category != dtypes.INTEGRAL:
        raise NotImplementedError(
            f'"{name}" not implemented for {kind.name}: use .to() on the result'
        )
    mask = np.tri(row, col, offset if lower else offset - 1, dtype=bool)
    places = np.stack(np.nonzero(mask if lower else ~mask))
    return finish(places.astype(kind.np), False, device)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    **layout: Any,
) -> Tensor:  # fmt: skip
    """Row and column numbers of the lower triangle, [2, count]."""
    check_layout("tril_indices", layout)
    return _triangle("tril_indices", row, col, offset, dtype, device, True)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    **layout: Any,
) -> Tensor:  # fmt: skip
    """Row and column numbers of the upper triangle, [2, count]."""
    check_layout("triu_indices", layout)
    return _triangle("triu_indices", row, col, offset, dtype, device, False)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix: row i has the powers xᵢᴺ⁻¹, …, xᵢ, 1, the other way round
    with *increasing*.

    >>> import retrograd as rg
    >>> rg.vander(rg.tensor([2, 3]), 3)
    tensor([[4, 2, 1],
            [9, 3, 1]])
    """
    from .joining import cat

    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    if not x.dtype.is_floating_point:
        x = x.long()
    if not count:
        return constant(np.zeros((x.shape[0], 0), x.dtype.np))
    first = constant(np.ones((x.shape[0], 1), x.dtype.np))
    rows = x.unsqueeze(1).expand(-1, count - 1)
    powers = cat([first, rows], 1).cumprod(1)
    return powers if increasing else powers.flip(1)
