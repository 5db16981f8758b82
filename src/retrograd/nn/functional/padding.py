"""Elements added around, or cropped."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from ... import dtypes
from ...dispatch import apply, composite
from ...ops.movement import Cat, Expand, Flip, Pad
from ...ops.op import Shape
from .common import Tensor

__all__ = ["pad"]

#: the dimensions of inputs that modes other than "constant" take, by pairs of counts
_RANKS = {1: (2, 3), 2: (3, 4), 3: (4, 5)}


def pad(
    input: Tensor,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Tensor:
    """Elements added before and after: pairs of counts, for the last dimension first.

    *mode* says which: "constant" (*value*, by default 0), "reflect" (mirrored at the
    last element), "replicate" (the last element again) or "circular" (from the other
    end). Negative counts crop.

    >>> import retrograd as rg
    >>> rg.nn.functional.pad(rg.tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    """
    return _pad(input, tuple(map(operator.index, pad)), mode, value)


@composite
def _pad(input: Tensor, pad: Shape, mode: str, value: float | None) -> Tensor:
    n = input.ndim
    if len(pad) % 2:
        raise RuntimeError(
            f"Padding length must be divisible by 2, but got {list(pad)}"
        )
    if len(pad) > 2 * n:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input "
            f"dimension but got {list(pad)} for an input of shape {list(input.shape)}"
        )
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    if mode == "constant":
        around = [(0, 0)] * (n - len(pairs)) + pairs[::-1]
        return apply(Pad, input, pad=tuple(around), value=0 if value is None else value)
    if mode not in _ENDS:
        raise NotImplementedError(
            f"Unrecognised padding mode {mode!r}: constant, reflect, replicate, circular"
        )
    if value:
        raise RuntimeError(f"Padding mode {mode!r} doesn't take in value argument")
    if n not in _RANKS.get(len(pairs), ()):
        raise NotImplementedError(
            f"padding mode {mode!r} takes 1, 2 or 3 pairs of counts, for inputs of 2 to 3, "
            f"3 to 4 and 4 to 5 dimensions, but got {list(pad)} for {n} dimensions"
        )
    if mode != "circular":
        _check(input, len(pairs), mode)
    for i, (before, after) in enumerate(pairs):
        if before or after:
            input = _ENDS[mode](input, n - 1 - i, before, after)
    return input


def _check(input: Tensor, pairs: int, mode: str) -> None:
    if input.dtype is dtypes.bool_:
        raise NotImplementedError(f"padding mode {mode!r} is not implemented for bool")
    if 0 in input.shape[input.ndim - pairs - 1 :]:
        raise RuntimeError(
            f"padding mode {mode!r} expects dimensions that are not empty, but got an "
            f"input of shape {list(input.shape)}"
        )


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    parts = [p for p in parts if p.shape[dim]] or parts[:1]
    return parts[0] if len(parts) == 1 else apply(Cat, *parts, dim=dim)


def _cropped(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    """What negative counts leave."""
    length = x.shape[dim] + min(before, 0) + min(after, 0)
    if length < 0:
        raise RuntimeError(
            f"padding ({before}, {after}) leaves a negative length of dimension {dim} of "
            f"an input of shape {list(x.shape)}"
        )
    return x if length == x.shape[dim] else x.narrow(dim, max(-before, 0), length)


def _reflect(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    n = x.shape[dim]
    if before >= n or after >= n:
        raise RuntimeError(
            "Padding size should be less than the corresponding input dimension, but "
            f"got: padding ({before}, {after}) at dimension {dim} of input {list(x.shape)}"
        )
    left = x.narrow(dim, 1, max(before, 0))
    right = x.narrow(dim, n - 1 - max(after, 0), max(after, 0))
    parts = [
        apply(Flip, left, dims=(dim,)) if before > 0 else left,
        _cropped(x, dim, before, after),
        apply(Flip, right, dims=(dim,)) if after > 0 else right,
    ]
    return _joined(parts, dim)


def _replicate(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    def ends(place: int, count: int) -> Tensor:
        shape = [*x.shape]
        shape[dim] = max(count, 0)
        return apply(Expand, x.narrow(dim, place, 1), shape=tuple(shape))

    n = x.shape[dim]
    parts = [ends(0, before), _cropped(x, dim, before, after), ends(n - 1, after)]
    return _joined(parts, dim)


def _circular(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    n = x.shape[dim]
    if before > n or after > n:
        raise RuntimeError(
            "Padding value causes wrapping around more than once: "
            f"({before}, {after}) at dimension {dim} of input {list(x.shape)}"
        )
    # The ends are those of what is left.
    whole = _cropped(x, dim, before, after)
    before, after = max(before, 0), max(after, 0)
    m = whole.shape[dim]
    parts = [whole.narrow(dim, m - before, before), whole, whole.narrow(dim, 0, after)]
    return _joined(parts, dim)


_ENDS = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}
