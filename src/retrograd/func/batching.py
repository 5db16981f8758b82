"""How each family of primitives works on a batch: the rules of ``vmap``.

A rule gets a recorded operation and its operands; those that are batched have the batch
as their first dimension. It records the operation for all examples at once, and its
result has the batch first as well. The operands' own shapes (of one example) are those
of ``state.inputs``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..dispatch import apply, stand_in
from ..ops.movement import Cat, Expand, Permute, Reshape, Slice
from ..ops.op import REGISTRY, Op, Shape, Spec
from ..ops.reduce import Cumsum
from ..trace import Const, State

#: a dimension as it is, in a basic index
ALL = ("s", None, None, None)


class Operands:
    """The operands of one operation, and which of them are batched."""

    __slots__ = ("state", "tensors", "batched", "size", "attrs", "different")

    def __init__(
        self,
        state: State,
        tensors: list[Any],
        batched: list[bool],
        size: int,
        different: bool,
    ) -> None:
        self.state, self.tensors, self.batched = state, tensors, batched
        self.size, self.attrs = size, state.attrs
        self.different = different  # random numbers are others for each example

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


# -- without a rule


_told: set[type[Op]] = set()


def one_by_one(at: Operands) -> Any:
    """A primitive without a rule: one example after another, and a word about it."""
    op = at.state.op
    assert op is not None
    if op not in _told:
        _told.add(op)
        warnings.warn(
            f"vmap: {op.name} has no batching rule: it runs once for each example, one "
            "after another",
            stacklevel=2,
        )
    return looped(at)


def looped(at: Operands) -> Any:
    """One example after another."""
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


__all__ = ["ALL", "Operands", "counting", "looped", "moved", "one_by_one", "permute", "repeated",
           "reshape", "rule", "rule_of", "up"]  # fmt: skip
