"""Scatter with a reduction that no sum can express: products and extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import apply
from .elementwise import Eq, Where
from .index import AlongDim, Gather, Scatter, scattered
from .movement import Cast, constant_zeros
from .op import Array, Sample, Spec, probe

_AT = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _truth(x: Any, like: Any) -> Any:
    return apply(Cast, x, dtype=like.dtype)


class ScatterReduce(AlongDim):
    """out[i] = a[i] ∘ src[j] ∘ src[k] ∘ …, over all j, k, … whose index is i along *dim*;
    ∘ is a product ("prod"), a maximum ("amax") or a minimum ("amin"). Where not *own*, a
    has what changes nothing there, and has no share in the gradient of an extreme."""

    formula = "a ∘ src at index"
    adjoint = (
        "prod: ḡ · out / a; extremes: ḡ shared by those equal to out",
        "prod: (ḡ · out)[index] / src; extremes: ḡ[index] shared likewise",
    )

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        return {"own": True, **AlongDim.normalize(*specs, **attrs)}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Scatter.infer(*specs)

    @staticmethod
    def forward(
        a: Array, index: Array, src: Array, *, dim: int, reduce: str, own: bool = True
    ) -> Array:
        return scattered(a, index, src, dim, _AT[reduce].at)

    @staticmethod
    def vjp_a(
        g: Any, a: Any, index: Any, src: Any, out: Any, dim: int, reduce: str, own: bool
    ) -> Any:
        at: dict[str, Any] = {"dim": dim}
        src = _part(src, index)
        if reduce == "prod":
            # The product of the others: that of all but a zero of a's own.
            one = apply(Where, a == 0, 1.0, a)
            rest = apply(ScatterReduce, one, index, src, dim=dim, reduce="prod")
            return g * (rest / one)
        share = g / _sharers(a, index, src, out, at) if own else g
        return apply(Where, _same(a, out), share, 0.0)

    @staticmethod
    def vjp_src(
        g: Any, a: Any, index: Any, src: Any, out: Any, dim: int, reduce: str, own: bool
    ) -> Any:
        at: dict[str, Any] = {"dim": dim}
        shape = src.shape
        src = _part(src, index)
        if reduce != "prod":
            equal = _same(src, apply(Gather, out, index, **at))
            share = g / _sharers(a if own else None, index, src, out, at)
            found = apply(Where, equal, apply(Gather, share, index, **at), 0.0)
            return _whole(found, shape)
        zero = src == 0
        none = constant_zeros(Spec(tuple(a.shape), src.dtype))
        count = apply(Scatter, none, index, _truth(zero, src), reduce="add", **at)
        single = zero & (apply(Gather, count, index, **at) == 1)
        one = apply(Where, single, 1.0, src)
        without = apply(ScatterReduce, a, index, one, reduce="prod", **at)
        alone = apply(Gather, g * without, index, **at)
        other = apply(Gather, g * out, index, **at) / apply(Where, zero, 1.0, src)
        return _whole(apply(Where, single, alone, other), shape)

    @staticmethod
    def samples() -> list[Sample]:
        index = np.array([[0, 2, 0], [1, 1, 1]])
        a, src = probe(3, 4), probe(2, 3, seed=5)
        zeros = np.array([[0.0, 2.0, 3.0], [0.0, 4.0, -1.5]])
        return [
            *[Sample(a, index, src, dim=1, reduce=r) for r in ("prod", "amax", "amin")],
            Sample(a, index, zeros, dim=1, reduce="prod"),
            Sample(probe(3, 5), index, probe(3, 3, seed=2), dim=0, reduce="amax"),
        ]


def _part(src: Any, index: Any) -> Any:
    """What of *src* stands at an index."""
    if src.shape == index.shape:
        return src
    return src[tuple([slice(n) for n in index.shape])]


def _whole(part: Any, shape: Any) -> Any:
    """The gradient of all of *src*: zero where nothing was used."""
    from .movement import Pad

    pad = tuple([(0, n - m) for n, m in zip(shape, part.shape, strict=True)])
    return part if part.shape == shape else apply(Pad, part, pad=pad, value=0.0)


def _same(x: Any, y: Any) -> Any:
    return apply(Eq, x, y)


def _sharers(a: Any, index: Any, src: Any, out: Any, at: dict[str, Any]) -> Any:
    """How many of a (unless it is None) and src equal each result."""
    equal = _same(src, apply(Gather, out, index, **at))
    if a is None:
        mine = constant_zeros(Spec(tuple(out.shape), out.dtype))
    else:
        mine = _truth(_same(a, out), out)
    count = apply(Scatter, mine, index, _truth(equal, out), reduce="add", **at)
    # Where nothing comes to, ḡ is shared by nobody: 1 and not ḡ/0, which the derivative
    # of this rule would multiply by 0.
    return count if a is not None else apply(Where, count == 0, 1.0, count)
