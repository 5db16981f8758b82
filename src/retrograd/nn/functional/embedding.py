"""Tables of vectors: rows picked by number, alone or in bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...autograd import no_grad
from ...dispatch import apply, composite, constant
from ...functions import elementwise as E
from ...functions.joining import cat
from ...functions.searching import searchsorted
from ...ops.index import Gather, Index, IndexPut
from ...ops.movement import Zeros
from ...ops.op import Spec
from ...ops.scatter import ScatterReduce

__all__ = ["embedding", "embedding_bag"]


def _zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    return apply(Zeros, spec=Spec(shape, dtype))


def _shared(rows: Any, index: Any, n: int) -> Any:
    """The rows, whose gradients are divided by how often each number occurs."""
    flat = index.reshape(-1)
    one = constant(np.ones((), rows.dtype.np))
    count = apply(
        IndexPut, _zeros((n,), rows.dtype), one, flat, dims=(0,), accumulate=True
    )
    share = (1 / apply(Index, count, index, dims=(0,))).unsqueeze(-1)
    fixed = rows.detach()
    return fixed + (rows - fixed) * share


@composite
def _embedding(index: Any, weight: Any, padding: Any, by_freq: bool) -> Any:
    rows = apply(Index, weight, index, dims=(0,), wraps=False)
    if by_freq:
        rows = _shared(rows, index, weight.shape[0])
    if padding is not None:
        rows = E.where((index == padding).unsqueeze(-1), rows.detach(), rows)
    return rows


@composite
def _renormed(weight: Any, index: Any, most: float, p: float) -> Any:
    """The rows at *index* with a p-norm of at most *most*."""
    rows = apply(Index, weight, index, dims=(0,), wraps=False)
    norm = rows.norm(p, -1, keepdim=True)
    return E.where(norm > most, rows * (most / (norm + 1e-7)), rows)


def _renorm(weight: Any, index: Any, most: float, p: float) -> None:
    """Shorten rows of the table itself, as far as they are asked for."""
    flat = index.reshape(-1)
    with no_grad():
        table = weight.detach()
        table[flat] = _renormed(table, flat, float(most), float(p))


def _check_index(name: str, index: Any, weight: Any) -> None:
    if index.dtype.category != dtypes.INTEGRAL:
        raise RuntimeError(
            f"{name}: the indices must be integers, int32 or int64, not "
            f"{index.dtype.name}: use input.long()"
        )
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, but has shape {list(weight.shape)}")


def _check_padding(padding_idx: int, n: int) -> int:
    if not -n <= padding_idx < n:
        raise AssertionError(
            f"padding_idx must be within num_embeddings, {n}, but got {padding_idx}"
        )
    return padding_idx % n


def embedding(
    input: Any, weight: Any, padding_idx: int | None = None,
    max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    """out[…] = weight[input[…]]; the row *padding_idx* gets no gradient.

    Rows that are asked for and longer than *max_norm* (in the norm of order *norm_type*)
    are shortened to it in *weight* itself. With *scale_grad_by_freq* the gradient of a
    row is divided by how often it is asked for. Gradients are dense: *sparse* is
    accepted and changes nothing.
    """
    _check_index("embedding", input, weight)
    if padding_idx is not None:
        padding_idx = _check_padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        _renorm(weight, input, max_norm, norm_type)
    return _embedding(input, weight, padding_idx, bool(scale_grad_by_freq))


# -- bags ------------------------------------------------------------------------------


@composite
def _bags(
    index: Any, weight: Any, offsets: Any, factors: Any, mode: str, padding: Any,
    by_freq: bool, last: bool,
) -> Any:  # fmt: skip
    n, bags = index.shape[0], offsets.shape[0] - int(last)
    wide, kind = weight.shape[1], weight.dtype
    rows = apply(Index, weight, index, dims=(0,), wraps=False)
    if by_freq:
        rows = _shared(rows, index, weight.shape[0])
    places = constant(np.arange(n))
    bag = searchsorted(offsets.to(dtypes.int64), places, right=True) - 1
    out = bag >= bags  # after the last offset
    if padding is not None:
        out = out | (index == padding)
    # What is in no bag goes to one more, which is dropped.
    bag = E.where(out, bags, bag)
    if mode == "max":
        return _largest(rows, bag, bags)
    if factors is not None:
        rows = rows * factors.unsqueeze(-1)
    base = _zeros((bags + 1, wide), kind)
    total = apply(IndexPut, base, rows, bag, dims=(0,), accumulate=True)[:bags]
    if mode == "mean":
        one = constant(np.ones((), kind.np))
        base = _zeros((bags + 1,), kind)
        count = apply(IndexPut, base, one, bag, dims=(0,), accumulate=True)[:bags]
        total = total / count.clamp(min=1).unsqueeze(-1)
    return total


def _largest(rows: Any, bag: Any, bags: int) -> Any:
    """The largest of each bag in each column, the first of equal ones; 0 if empty."""
    n, wide = rows.shape
    if not wide or not n:
        return _zeros((bags, wide), rows.dtype) + rows.sum() * 0
    values = rows.detach()
    where = bag.unsqueeze(-1).expand(n, wide)
    shape = (bags + 1, wide)
    low = constant(np.full(shape, -np.inf, rows.dtype.np))
    top = apply(ScatterReduce, low, where, values, dim=0, reduce="amax")
    equal = values == apply(Gather, top, where, dim=0)
    place = E.where(equal, constant(np.arange(n)[:, None]), n)
    none = constant(np.full(shape, n, np.int64))
    first = apply(ScatterReduce, none, where, place, dim=0, reduce="amin")[:bags]
    return apply(Gather, cat([rows, _zeros((1, wide), rows.dtype)]), first, dim=0)


def embedding_bag(
    input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Any:  # fmt: skip
    """The sum, mean or maximum over each bag of rows of the table.

    A bag is a row of *input* [B, L], or begins in *input* [N] where *offsets* [B] says;
    with *include_last_offset* the last offset only ends the last bag. Empty bags give 0.
    *per_sample_weights* (for "sum") multiply the rows. The row *padding_idx* counts in
    no bag. The rest is that of ``embedding``.

    >>> import retrograd as rg
    >>> table = rg.tensor([[1.0], [10.0], [100.0]])
    >>> embedding_bag(rg.tensor([0, 1, 1, 2]), table, rg.tensor([0, 1]), mode="sum")
    tensor([[  1.],
            [120.]])
    """
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(per_sample_weights.shape)}) is "
            f"not None, then it must have the same shape as the input "
            f"({list(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}"
        )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as each row is a bag; give "
                "input.reshape(-1) together with offsets"
            )
        rows, columns = input.shape
        if not columns:
            raise RuntimeError("embedding_bag: bags of no elements need offsets")
        offsets = constant(np.arange(0, rows * columns, columns))
        include_last_offset = False
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    elif offsets is None or offsets.ndim != 1:
        raise ValueError(
            "offsets has to be a 1D Tensor, with the place where each bag begins, but got "
            + ("None" if offsets is None else f"{offsets.ndim} dimensions")
        )
    else:
        _check_offsets(offsets, input.shape[0], include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, not {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError(
            "max mode does not support scaling the gradient by the frequency"
        )
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    _check_index("embedding_bag", input, weight)
    if max_norm is not None:
        _renorm(weight, input, max_norm, norm_type)
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights is only supported for mode='sum' (got "
                f"mode='{mode}'): multiply the rows of F.embedding yourself"
            )
        if per_sample_weights.dtype is not weight.dtype:
            raise RuntimeError(
                f"expected per_sample_weights to be {weight.dtype.name} as the table is, "
                f"but got {per_sample_weights.dtype.name}"
            )
    if padding_idx is not None:
        n = weight.shape[0]
        if not -n <= padding_idx < n:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, -{n} through "
                f"{n - 1}, but got {padding_idx}"
            )
        padding_idx %= n
    return _bags(
        input, weight, offsets, per_sample_weights, mode, padding_idx,
        bool(scale_grad_by_freq), bool(include_last_offset),
    )  # fmt: skip


def _check_offsets(offsets: Any, n: int, last: bool) -> None:
    """Offsets are read at once: they have to lie inside."""
    if offsets.dtype.category != dtypes.INTEGRAL:
        raise RuntimeError(
            f"embedding_bag: offsets must be int32 or int64, not {offsets.dtype.name}"
        )
    starts = offsets.tolist()
    if last and not starts:
        raise RuntimeError(
            "embedding_bag: with include_last_offset there is at least one offset"
        )
    if not starts:
        return
    if starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to "
            f"start from position 0. However, got {starts[0]}"
        )
    if starts[-1] > n:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length ({n}), but got "
            f"{starts[-1]}"
        )
