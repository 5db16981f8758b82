"""Batching rules of what picks and puts elements at computed places."""

from __future__ import annotations

from typing import Any

from ..ops.index import Gather, Index, IndexPut, Scatter
from ..ops.op import Shape, broadcast_shapes
from ..ops.scatter import ScatterReduce
from ..ops.search import Searchsorted
from .batching import Operands, counting, moved, permute, reshape, rule, up


@rule(Gather, Scatter, ScatterReduce)
def _along_dim(at: Operands) -> Any:
    inputs = [at.full(i) for i in range(len(at.tensors))]
    if not at.rank(0):
        inputs = [reshape(x, (at.size, 1)) for x in inputs]
        return reshape(at.run(*inputs, dim=1), (at.size,))
    return at.run(*inputs, dim=at.attrs["dim"] + 1)


def _block(at: Operands, first: int) -> Shape:
    """The common shape of the indices of one example."""
    return broadcast_shapes(*[k.spec.shape for k in at.state.inputs[first:]])


def _start(dims: Shape) -> int:
    """Where the indices' own dimensions begin in a selection."""
    return dims[0] if dims == tuple(range(dims[0], dims[0] + len(dims))) else 0


def _with_batch(at: Operands, first: int, rank: int) -> list[Any]:
    """The indices with one for the batch, all of one rank."""
    line = reshape(counting(at.size), (at.size, *(1,) * rank))
    return [line, *[at.padded(i, rank) for i in range(first, len(at.tensors))]]


@rule(Index)
def _index(at: Operands) -> Any:
    dims, a = at.attrs["dims"], at.tensors[0]
    start, block = _start(dims), len(_block(at, 1))
    if not any(at.batched[1:]):
        out = at.run(a, *at.tensors[1:], dims=up(dims))
        return out if _start(up(dims)) else moved(out, block, 0)
    if not at.batched[0]:
        indices = [at.padded(i, block) for i in range(1, len(at.tensors))]
        return moved(at.run(a, *indices, dims=dims), start, 0)
    out = at.run(a, *_with_batch(at, 1, block), dims=(0, *up(dims)))
    # The indices' dimensions come first now, after the batch.
    rank = len(out.shape)
    rest = range(1 + block, rank)
    order = (0, *rest[:start], *range(1, 1 + block), *rest[start:])
    return permute(out, order)


@rule(IndexPut)
def _index_put(at: Operands) -> Any:
    dims, a = at.attrs["dims"], at.full(0)
    start, shape = _start(dims), _block(at, 2)
    block, rank = len(shape), len(shape) + at.rank(0) - len(dims)
    value = at.padded(1, rank)
    if not any(at.batched[2:]):
        if not _start(up(dims)):  # the batch comes after the indices' dimensions
            if not at.batched[1]:
                value = reshape(value, (1,) * (rank - at.rank(1)) + at.spec(1).shape)
                value = reshape(value, (1, *value.shape))
            value = moved(value, 0, block)
        return at.run(a, value, *at.tensors[2:], dims=up(dims))
    if not at.batched[1]:
        value = reshape(value, (1,) * (rank + 1 - at.rank(1)) + at.spec(1).shape)
    # The indices' dimensions come first, after the batch.
    order = (0, *range(1 + start, 1 + start + block), *range(1, 1 + start),
             *range(1 + start + block, 1 + rank))  # fmt: skip
    value = permute(value, order)
    return at.run(a, value, *_with_batch(at, 2, block), dims=(0, *up(dims)))


@rule(Searchsorted)
def _searchsorted(at: Operands) -> Any:
    sequence, values = at.tensors
    if at.rank(0) > 1:
        return at.run(at.full(0), at.full(1))
    if not at.batched[0]:
        return at.run(sequence, values)
    flat = reshape(at.full(1), (at.size, at.spec(1).size))
    return reshape(at.run(sequence, flat), (at.size, *at.spec(1).shape))
