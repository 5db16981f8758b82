"""How each family of primitives works on a batch: the rules of ``vmap``.

A rule gets a recorded operation and its operands; those that are batched have the batch
as their first dimension. It records the operation for all examples at once, and its
result has the batch first as well. The operands' own shapes (of one example) are those
of ``state.inputs``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..autograd.function import _Result
from ..dispatch import apply, stand_in
from ..ops import factors, linalg, lu, matrix_functions, random
from ..ops.conv import Conv, ConvInput, ConvWeight
from ..ops.core import Clone, Detach, Release, Variable
from ..ops.index import Gather, Index, IndexPut, Scatter
from ..ops.matmul import Matmul
from ..ops.memory import AsStrided, Bits
from ..ops.movement import (
    Cast,
    Cat,
    Diagonal,
    Expand,
    Flip,
    Fold,
    Pad,
    Permute,
    Reshape,
    Slice,
    ViewWrite,
    Windows,
)
from ..ops.op import REGISTRY, Elementwise, Op, Shape, Spec, broadcast_shapes
from ..ops.reduce import Argsort, Cumsum, Reduction
from ..ops.scatter import ScatterReduce
from ..ops.search import Searchsorted
from ..trace import Const, State

_ALL = ("s", None, None, None)
#: draw the same numbers for every example, or others, as vmap's randomness says
RANDOM = (random.Uniform, random.Normal, random.RandomInt, random.Permutation)


class Operands:
    """The operands of one operation, and which of them are batched."""

    __slots__ = ("state", "tensors", "batched", "size", "attrs")

    def __init__(
        self, state: State, tensors: list[Any], batched: list[bool], size: int
    ) -> None:
        self.state, self.tensors, self.batched = state, tensors, batched
        self.size, self.attrs = size, state.attrs

    def spec(self, i: int) -> Spec:
        """The shape of one example."""
        spec: Spec = self.state.inputs[i].spec
        return spec

    def rank(self, i: int) -> int:
        return len(self.spec(i).shape)

    def padded(self, i: int, rank: int) -> Any:
        """Operand *i* for broadcasting: an example has *rank* dimensions."""
        x, shape = self.tensors[i], self.spec(i).shape
        if not self.batched[i] or len(shape) == rank:
            return x
        return reshape(x, (self.size, *(1,) * (rank - len(shape)), *shape))

    def full(self, i: int) -> Any:
        """Operand *i* with a batch dimension, whether it is batched or not."""
        return self.tensors[i] if self.batched[i] else repeated(self.tensors[i], self)

    def run(self, *inputs: Any, **attrs: Any) -> Any:
        """The operation on these inputs, with changed attributes."""
        assert self.state.op is not None
        return apply(self.state.op, *inputs, **{**self.attrs, **attrs})


Rule = Callable[[Operands], Any]
_RULES: dict[type[Op], Rule] = {}


def rule(*ops: type[Op]) -> Callable[[Rule], Rule]:
    """The rule of some primitives, or of families of them."""

    def register(function: Rule) -> Rule:
        for op in ops:
            _RULES[op] = function
        return function

    return register


def rule_of(op: type[Op]) -> Rule:
    """The rule of a primitive, or of the nearest family that has one."""
    for cls in op.__mro__:
        if cls in _RULES:
            return _RULES[cls]
    return one_by_one


# -- moving things --------------------------------------------------------------------


def reshape(x: Any, shape: Shape) -> Any:
    return x if tuple(x.shape) == tuple(shape) else apply(Reshape, x, shape=shape)


def permute(x: Any, dims: Shape) -> Any:
    return x if dims == tuple(range(len(dims))) else apply(Permute, x, dims=dims)


def moved(x: Any, source: int, target: int) -> Any:
    """Dimension *source* in the place *target*."""
    order = [i for i in range(len(x.shape)) if i != source]
    order.insert(target, source)
    return permute(x, tuple(order))


def repeated(x: Any, at: Operands) -> Any:
    return apply(Expand, x, shape=(at.size, *x.shape))


def counting(n: int) -> Any:
    """0, 1, …, n − 1, made by the program itself: a constant would be an argument."""
    zero = stand_in(Const(1, dtypes.int64))
    ones = apply(Expand, zero, shape=(n,))
    return apply(Cumsum, ones, dim=0, reverse=False) - 1


def up(dims: Any) -> tuple[int, ...]:
    return tuple(d + 1 for d in dims)


# -- families -------------------------------------------------------------------------


@rule(Elementwise)
def _elementwise(at: Operands) -> Any:
    rank = len(at.state.spec.shape)
    return at.run(*[at.padded(i, rank) for i in range(len(at.tensors))])


@rule(Cast, Clone, Detach, Bits)
def _as_it_is(at: Operands) -> Any:
    return at.run(*at.tensors)


@rule(Variable, Release)
def _variable(at: Operands) -> Any:
    return at.tensors[0]  # what is derived with respect to it has been recorded


@rule(Reduction)
def _reduction(at: Operands) -> Any:
    (x,), op = at.tensors, at.state.op
    shape, dims, keep = at.spec(0).shape, at.attrs["dim"], at.attrs["keepdim"]
    everything = len(dims) == len(shape)
    if not shape or (getattr(op, "one", False) and everything):
        flat = reshape(x, (at.size, math.prod(shape)))
        out = at.run(flat, dim=(1,), keepdim=False)
        return reshape(out, (at.size, *at.state.spec.shape))
    return at.run(x, dim=up(dims), keepdim=keep)


@rule(Cumsum, Argsort)
def _along(at: Operands) -> Any:
    (x,) = at.tensors
    if at.rank(0):
        return at.run(x, dim=at.attrs["dim"] + 1)
    return reshape(at.run(reshape(x, (at.size, 1)), dim=1), (at.size,))


@rule(Reshape)
def _reshape(at: Operands) -> Any:
    return reshape(at.tensors[0], (at.size, *at.attrs["shape"]))


@rule(Expand)
def _expand(at: Operands) -> Any:
    shape = at.attrs["shape"]
    return at.run(at.padded(0, len(shape)), shape=(at.size, *shape))


@rule(Permute, Flip)
def _permute(at: Operands) -> Any:
    dims = up(at.attrs["dims"])
    whole = at.state.op is Permute
    return at.run(at.tensors[0], dims=(0, *dims) if whole else dims)


@rule(Slice)
def _slice(at: Operands) -> Any:
    return at.run(at.tensors[0], index=(_ALL, *at.attrs["index"]))


@rule(Diagonal)
def _diagonal(at: Operands) -> Any:
    d1, d2 = at.attrs["dim1"] + 1, at.attrs["dim2"] + 1
    return at.run(at.tensors[0], dim1=d1, dim2=d2)


@rule(Pad)
def _pad(at: Operands) -> Any:
    return at.run(at.tensors[0], pad=((0, 0), *at.attrs["pad"]))


@rule(Windows)
def _windows(at: Operands) -> Any:
    return at.run(at.tensors[0], dims=up(at.attrs["dims"]))


@rule(Fold)
def _fold(at: Operands) -> Any:
    shape = (at.size, *at.attrs["shape"])
    return at.run(at.tensors[0], shape=shape, dims=up(at.attrs["dims"]))


@rule(Cat)
def _cat(at: Operands) -> Any:
    parts = [at.full(i) for i in range(len(at.tensors))]
    return at.run(*parts, dim=at.attrs["dim"] + 1)


@rule(AsStrided)
def _as_strided(at: Operands) -> Any:
    size = (at.size, *at.attrs["size"])
    return at.run(
        at.tensors[0], size=size, stride=(at.spec(0).size, *at.attrs["stride"])
    )


@rule(ViewWrite)
def _view_write(at: Operands) -> Any:
    """The path of views, each with the batch in front."""
    spec, path = at.spec(0), []
    for name, given in at.attrs["path"]:
        view = REGISTRY[name]
        attrs = view.normalize(spec, **dict(given))
        after = view.infer(spec, **attrs)
        if name == "expand" and len(spec.shape) < len(after.shape):
            lead = (1,) * (len(after.shape) - len(spec.shape))
            path.append(("reshape", (("shape", (at.size, *lead, *spec.shape)),)))
        path.append((name, _one_more(name, attrs, at.size, spec)))
        spec = after
    value = at.padded(1, len(spec.shape))
    return at.run(at.full(0), value, path=tuple(path))


def _one_more(name: str, attrs: dict[str, Any], n: int, spec: Spec) -> tuple[Any, ...]:
    """The attributes of a view with the batch as a first dimension."""
    if name in ("reshape", "expand"):
        attrs["shape"] = (n, *attrs["shape"])
    elif name == "permute":
        attrs["dims"] = (0, *up(attrs["dims"]))
    elif name == "slice":
        attrs["index"] = (_ALL, *attrs["index"])
    elif name == "diagonal":
        attrs["dim1"], attrs["dim2"] = attrs["dim1"] + 1, attrs["dim2"] + 1
    elif name == "windows":
        attrs["dims"] = up(attrs["dims"])
    elif name == "as_strided":
        attrs["size"] = (n, *attrs["size"])
        attrs["stride"] = (spec.size, *attrs["stride"])
    elif name != "detach":
        raise NotImplementedError(f"vmap: writing through a view made by {name}")
    return tuple(attrs.items())


# -- matrices -------------------------------------------------------------------------


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
    matrix_functions.MatrixExp,
)  # fmt: skip
def _stack_of_matrices(at: Operands) -> Any:
    return at.run(*at.tensors)


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


# -- computed places --------------------------------------------------------------------


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


# -- the rest -----------------------------------------------------------------------------


@rule(*RANDOM)
def _random(at: Operands) -> Any:
    """Numbers of their own for every example: only with randomness='different'."""
    (state,) = at.tensors
    if at.state.op is random.Permutation:
        words = apply(
            random.RandomInt, state, shape=(at.size, at.attrs["n"]), dtype=dtypes.int64,
            low=-(1 << 62), high=1 << 62,
        )  # fmt: skip
        return apply(Argsort, words, dim=1, descending=False)
    return at.run(state, shape=(at.size, *at.attrs["shape"]))


@rule(_Result)
def _custom(at: Operands) -> Any:
    """The value of a custom function. Its derivative was written for one example."""
    if any(x.requires_grad for x in at.tensors[1:]):
        raise RuntimeError(
            "vmap: the derivative of an autograd.Function is written for one example, so "
            "it cannot be taken through vmap from outside. Take it inside, as in "
            "vmap(grad(f)), or write the function with library operations"
        )
    return at.tensors[0] if at.batched[0] else repeated(at.tensors[0], at)


_told: set[type[Op]] = set()


def one_by_one(at: Operands) -> Any:
    """A primitive without a rule: one example after another."""
    op = at.state.op
    assert op is not None
    if op not in _told:
        _told.add(op)
        warnings.warn(
            f"vmap: {op.name} has no batching rule: it runs once for each example, one "
            "after another",
            stacklevel=2,
        )
    outs = []
    for i in range(at.size):
        inputs = [
            apply(Slice, x, index=(("i", i),)) if b else x
            for x, b in zip(at.tensors, at.batched, strict=True)
        ]
        out = at.run(*inputs)
        outs.append(apply(Reshape, out, shape=(1, *out.shape)))
    if not outs:
        spec = at.state.spec
        return apply(REGISTRY["zeros"], spec=Spec((0, *spec.shape), spec.dtype))
    return apply(Cat, *outs, dim=0)


__all__ = ["RANDOM", "Operands", "rule", "rule_of"]
