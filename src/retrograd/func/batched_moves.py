"""Batching rules of what works element by element, moves or reduces."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply
from ..ops import random
from ..ops.core import Barrier, Clone, Detach, Overwrite, Release, Variable
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
from ..ops.op import REGISTRY, Elementwise, Spec
from ..ops.reduce import Argsort, Cumsum, Reduction
from .batching import ALL, Operands, looped, reshape, rule, up

#: draw the same numbers for every example, or others, as vmap's randomness says
PLAIN = (random.Uniform, random.Normal, random.RandomInt, random.Permutation)
WITH_PARAMETERS = (random.Bernoulli, random.Poisson, random.Binomial)
RANDOM = (*PLAIN, *WITH_PARAMETERS)


@rule(Elementwise)
def _elementwise(at: Operands) -> Any:
    rank = len(at.state.spec.shape)
    return at.run(*[at.padded(i, rank) for i in range(len(at.tensors))])


@rule(Barrier, Overwrite)
def _alike(at: Operands) -> Any:
    return at.run(at.full(0), at.full(1) if at.state.op is Overwrite else at.tensors[1])


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
    return at.run(at.tensors[0], index=(ALL, *at.attrs["index"]))


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
        attrs["index"] = (ALL, *attrs["index"])
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


@rule(*PLAIN)
def _random(at: Operands) -> Any:
    """Numbers of their own for every example: only with randomness="different"."""
    (state,) = at.tensors
    if at.batched[0]:
        return looped(at)
    if at.state.op is random.Permutation:
        words = apply(
            random.RandomInt, state, shape=(at.size, at.attrs["n"]), dtype=dtypes.int64,
            low=-(1 << 62), high=1 << 62,
        )  # fmt: skip
        return apply(Argsort, words, dim=1, descending=False)
    return at.run(state, shape=(at.size, *at.attrs["shape"]))


@rule(*WITH_PARAMETERS)
def _random_with_parameters(at: Operands) -> Any:
    """The same numbers for each example mean the same state for each."""
    if at.batched[0] or not at.different:
        return looped(at)
    rank = len(at.state.spec.shape)
    parameters = [at.padded(i, rank) for i in range(1, len(at.tensors))]
    if not at.batched[1]:
        parameters[0] = apply(
            Expand, at.tensors[1], shape=(at.size, *at.state.spec.shape)
        )
    return at.run(at.tensors[0], *parameters)


__all__ = ["PLAIN", "RANDOM"]
