"""Batching rules of products of matrices, their factors, convolutions and pooling."""

from __future__ import annotations

import math
from typing import Any

from ..ops import ctc, factors, ldl, linalg, lu, matrix_functions, pool
from ..ops.conv import Conv, ConvInput, ConvWeight
from ..ops.matmul import Matmul
from .batching import Operands, moved, permute, reshape, rule


@rule(Matmul)
def _matmul(at: Operands) -> Any:
    a, b = at.tensors
    if not at.batched[1] and at.rank(1) == 2:
        # One product over all rows of all examples.
        rows = reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        return reshape(at.run(rows, b), (at.size, *at.state.spec.shape))
    if not at.batched[0] and at.rank(0) == 2 and at.spec(1).shape[1:] == (1,):
        # A matrix and one vector an example: likewise.
        columns = reshape(b, (at.size, b.shape[1]))
        out = at.run(columns, permute(a, (1, 0)))
        return reshape(out, (at.size, *at.state.spec.shape))
    rank = len(at.state.spec.shape)
    return at.run(at.padded(0, rank), at.padded(1, rank))


@rule(linalg.Solve, linalg.SolveTriangular)
def _solve(at: Operands) -> Any:
    rank = len(at.state.spec.shape)
    return at.run(at.padded(0, rank), at.padded(1, rank))


@rule(
    linalg.Inverse, linalg.Det, linalg.Cofactors, linalg.Slogdet, factors.Cholesky,
    factors.Eigh, factors.Svd, factors.Qr, lu.Lu, lu.Permutation,
    matrix_functions.MatrixExp, ldl.Ldl,
)  # fmt: skip
def _stack_of_matrices(at: Operands) -> Any:
    return at.run(*at.tensors)


@rule(ldl.LdlSolve)
def _symmetric_solve(at: Operands) -> Any:
    return at.run(at.full(0), at.full(1), at.full(2))


@rule(matrix_functions.Pinv)
def _pinv(at: Operands) -> Any:
    rank = len(at.state.spec.shape)
    return at.run(at.padded(0, rank), at.padded(1, rank - 2), at.padded(2, rank - 2))


# -- convolutions: the batch among the samples, or among the groups ---------------------


def _into(x: Any, dim: int) -> Any:
    """The batch, first of x, merged into dimension *dim* of an example."""
    x = moved(x, 0, dim)
    shape = x.shape
    merged = shape[dim] * shape[dim + 1]
    return reshape(x, (*shape[:dim], merged, *shape[dim + 2 :]))


def _out_of(x: Any, dim: int, n: int) -> Any:
    """The batch, merged into dimension *dim*, first again."""
    shape = x.shape
    x = reshape(x, (*shape[:dim], n, shape[dim] // n, *shape[dim + 1 :]))
    return moved(x, dim, 0)


@rule(Conv, ConvInput)
def _conv(at: Operands) -> Any:
    x, w = at.tensors
    n, groups = at.size, at.attrs["groups"]
    if not at.batched[1]:
        return _out_of(at.run(_into(x, 0), w), 0, n)
    if not at.batched[0] and at.state.op is Conv and groups == 1:
        return _out_of(at.run(x, _into(w, 0)), 1, n)
    out = at.run(_into(at.full(0), 1), _into(w, 0), groups=n * groups)
    return _out_of(out, 1, n)


@rule(ConvWeight)
def _conv_weight(at: Operands) -> Any:
    x, y = at.tensors
    n, groups = at.size, at.attrs["groups"]
    if not at.batched[0] and groups == 1:
        return _out_of(at.run(x, _into(y, 1)), 0, n)
    out = at.run(_into(at.full(0), 1), _into(at.full(1), 1), groups=n * groups)
    return _out_of(out, 0, n)


# -- pooling: what comes before the pooled dimensions is a batch anyway ---------------------


@rule(pool.MaxPool, pool.MaxPoolIndex, pool.SumPool, pool.SumPoolInput)
def _pool(at: Operands) -> Any:
    return at.run(*at.tensors)


@rule(pool.PlaneAdd, pool.MaxPoolInput)
def _into_planes(at: Operands) -> Any:
    return at.run(at.full(0), at.full(1))


# -- sequences of labels: the batch among the sequences ---------------------------------------


@rule(ctc.CtcLoss, ctc.CtcPosterior)
def _ctc(at: Operands) -> Any:
    inputs = [_into(at.full(0), 1)]
    inputs += [_into(at.full(i), 0) for i in (1, 2, 3)]
    inputs += [_into(at.full(i), 1) for i in range(4, len(at.tensors))]
    out = at.run(*inputs)
    return _out_of(out, 0 if at.state.op is ctc.CtcLoss else 1, at.size)
