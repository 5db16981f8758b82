"""A tensor taken apart along a dimension; the parts are views."""

from __future__ import annotations

import itertools
from typing import Any

from .. import dtypes
from ..ops.families import Ints, Sizes, Tensor
from ..ops.op import normalize_dim
from ..trace import Handle
from .parts import select
from .views import span

__all__ = ["split", "split_with_sizes", "chunk", "tensor_split", "unbind", "hsplit",
           "vsplit", "dsplit", "unsafe_split", "unsafe_split_with_sizes",
           "unsafe_chunk"]  # fmt: skip


def _along(name: str, input: Tensor, dim: int) -> int:
    if not input.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return normalize_dim(dim, input.ndim)


def _parts(input: Tensor, d: int, sizes: list[int]) -> tuple[Tensor, ...]:
    ends = list(itertools.accumulate(sizes))
    starts = [0, *ends[:-1]]
    return tuple([span(input, d, a, b) for a, b in zip(starts, ends, strict=True)])


def split(
    tensor: Tensor, split_size_or_sections: Ints, dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of the sizes given.

    >>> import retrograd as rg
    >>> rg.split(rg.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    d, k = _along("split", tensor, dim), int(split_size_or_sections)
    n = tensor.shape[d]
    if k < 0:
        raise RuntimeError(
            f"split expects split_size be non-negative, but got split_size={k}"
        )
    if not k and n:
        raise RuntimeError(
            "split_size can only be 0 if dimension size is 0, but got dimension size "
            f"of {n}"
        )
    sizes = [k] * (n // k) + ([n % k] if n % k else []) if n else [0]
    return _parts(tensor, d, sizes)


def split_with_sizes(
    input: Tensor, split_sizes: Sizes, dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of the sizes given, which add up to the whole."""
    d, sizes = _along("split", input, dim), [int(k) for k in split_sizes]
    if any(k < 0 for k in sizes):
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but "
            f"got split_sizes={sizes}"
        )
    if sum(sizes) != input.shape[d]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[d]} "
            f"(input tensor's size at dimension {dim}), but got split_sizes={sizes}"
        )
    return _parts(input, d, sizes)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most *chunks* parts of equal size (the last may be smaller)."""
    d = _along("chunk", input, dim)
    if chunks <= 0:
        raise RuntimeError(
            f"chunk expects `chunks` to be greater than 0, got: {chunks}"
        )
    n = input.shape[d]
    if not n:
        return _parts(input, d, [0] * chunks)
    return split(input, -(-n // chunks), d)


unsafe_split, unsafe_split_with_sizes, unsafe_chunk = split, split_with_sizes, chunk


def tensor_split(
    input: Tensor, indices_or_sections: Tensor | Ints, dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts as equal as possible, or split before the indices given.

    >>> import retrograd as rg
    >>> [len(part) for part in rg.tensor_split(rg.arange(7), 3)]
    [3, 2, 2]
    >>> [len(part) for part in rg.tensor_split(rg.arange(7), (1, 6))]
    [1, 5, 1]
    """
    d = _along("tensor_split", input, dim)
    if isinstance(indices_or_sections, Handle):
        given: Any = indices_or_sections
        if given.dtype is not dtypes.int64 or given.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero- or "
                f"one-dimensional int64 tensor, but got {given.dtype.name} with "
                f"{given.ndim} dimensions"
            )
        indices_or_sections = given.tolist()
    n = input.shape[d]
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        if k <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {k}")
        return _parts(input, d, [n // k + (i < n % k) for i in range(k)])
    ends = [*[int(i) for i in indices_or_sections], n]
    starts = [0, *ends[:-1]]
    return tuple([span(input, d, a, b) for a, b in zip(starts, ends, strict=True)])


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts along a dimension, without it."""
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = normalize_dim(dim, input.ndim)
    return tuple([select(input, d, i) for i in range(input.shape[d])])


def _split_at(
    name: str, least: int, input: Tensor, given: Any, dim: int
) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension"
            f"{'s' * (least > 1)}, but got a tensor with {input.ndim} dimensions!"
        )
    if isinstance(given, int):
        n = input.shape[dim]
        if given <= 0 or n % given:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size "
                f"of the dimension {n} is not divisible by the split_size {given}!"
            )
    return tensor_split(input, given, dim)


def hsplit(input: Tensor, indices_or_sections: Ints) -> tuple[Tensor, ...]:
    """Equal parts, or parts between indices, of the second dimension (of a vector its
    only one)."""
    dim = 0 if input.ndim == 1 else 1
    return _split_at("hsplit", 1, input, indices_or_sections, dim)


def vsplit(input: Tensor, indices_or_sections: Ints) -> tuple[Tensor, ...]:
    """Equal parts, or parts between indices, of the first dimension."""
    return _split_at("vsplit", 2, input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Ints) -> tuple[Tensor, ...]:
    """Equal parts, or parts between indices, of the third dimension."""
    return _split_at("dsplit", 3, input, indices_or_sections, 2)
