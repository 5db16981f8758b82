"""Many numbers to one: sums, products, extremes, truth; running sums; sorting order.

``dim`` is a sorted tuple of the dimensions that are reduced. Those stay with length 1
where ``keepdim`` is true. ``Argmax``, ``Argsort`` and ``Cumsum`` go along one.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import dtypes
from ..dispatch import apply
from .elementwise import Eq, Where
from .families import Tensor
from .movement import Cat
from .op import (
    Array,
    Op,
    Sample,
    Shape,
    Spec,
    normalize_dim,
    normalize_dims,
    probe,
    truth_value,
)

# NumPy's type stubs only know reductions whose keepdims is written out.
_add: Any = np.add.reduce
_multiply: Any = np.multiply.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce
_all: Any = np.logical_and.reduce
_any: Any = np.logical_or.reduce


class Reduction(Op):
    """Over the dimensions ``dim``: all of them where it is None or ()."""

    #: no elements have a sum, but no extreme
    needs_elements: ClassVar[bool] = False
    #: goes along one dimension, or through everything
    one: ClassVar[bool] = False

    @classmethod
    def normalize(cls, *specs: Spec, **attrs: Any) -> dict[str, Any]:
        dim, keepdim = attrs["dim"], attrs["keepdim"]
        shape = specs[0].shape
        dims = normalize_dims(dim, len(shape))
        if cls.needs_elements and 0 in [shape[d] for d in dims]:
            if not cls.one and (dim is None or dim == ()):
                raise RuntimeError(
                    f"there is no extreme of no elements; in {specs[0]!r} a dimension "
                    "that is not empty can be reduced: pass dim"
                )
            raise IndexError(
                f"Expected reduction dim {dims} of {specs[0]!r} to have non-zero size: "
                "no elements have no extreme"
            )
        return {"dim": dims, "keepdim": truth_value(keepdim, "argument 'keepdim'")}

    @classmethod
    def infer(cls, *specs: Spec, **attrs: Any) -> Spec:
        dim, keepdim, shape = attrs["dim"], attrs["keepdim"], specs[0].shape
        if keepdim:
            left = tuple(1 if i in dim else n for i, n in enumerate(shape))
        else:
            left = tuple(n for i, n in enumerate(shape) if i not in dim)
        return Spec(left, cls.output(specs[0].dtype))

    @staticmethod
    def output(d: dtypes.dtype) -> dtypes.dtype:
        """The type of the result."""
        return d

    @classmethod
    def samples(cls) -> list[Sample]:
        cases = [
            Sample(probe(2, 3), dim=None, keepdim=False),
            Sample(probe(2, 3), dim=(0,), keepdim=False),
            Sample(probe(2, 3, 2), dim=(0, -1), keepdim=True),
            Sample(probe(), dim=None, keepdim=False),
        ]
        if not cls.needs_elements:
            cases.append(Sample(probe(0, 3), dim=(0,), keepdim=False))
        return cases


def whole(d: dtypes.dtype) -> dtypes.dtype:
    """The type that sums and products of *d* take: integers become int64."""
    return d if d.is_floating_point else dtypes.int64


def kept(x: Tensor, dim: Shape, keepdim: bool, spec: Spec) -> Tensor:
    """*x*, reduced from *spec*, in a shape that broadcasts against it."""
    if keepdim or dim == tuple(range(len(dim))):  # leading dimensions may be absent
        return x
    return x.reshape(tuple(1 if i in dim else n for i, n in enumerate(spec.shape)))


class Sum(Reduction):
    """Integers and truth values add up in int64, half precision in float32."""

    formula, adjoint = "Σ(a)", ("ḡ",)
    output = staticmethod(whole)

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        kind = a.dtype
        if kind.kind in "iub":
            return _add(a, dim, np.int64, keepdims=keepdim)
        if kind.itemsize == 2:
            wide = _add(a, dim, np.float32, keepdims=keepdim)
            return wide.astype(kind)
        if a.size > 1 << 16 and kind == np.float32:
            return _sum_in_blocks(a, dim, keepdim)
        return _add(a, dim, keepdims=keepdim)

    @staticmethod
    def vjp_a(g: Tensor, a_spec: Spec, dim: Shape, keepdim: bool) -> Tensor:
        return kept(g, dim, keepdim, a_spec).expand(a_spec.shape)


def _sum_in_blocks(a: Array, dim: Shape, keepdim: bool) -> Any:
    """NumPy adds pairwise along the last dimension, but one by one along others, where
    a million float32 would lose three digits: √n sums of √n elements lose less."""
    long = max(
        (d for d in dim if d != a.ndim - 1), key=lambda d: a.shape[d], default=-1
    )
    n = a.shape[long]
    if long < 0 or n < 1024:
        return _add(a, dim, keepdims=keepdim)
    block = math.isqrt(n)
    cut = n - n % block
    index = (slice(None),) * long
    split = (*a.shape[:long], cut // block, block, *a.shape[long + 1 :])
    blocks = a[(*index, slice(cut))].reshape(split)
    axes = tuple(d if d < long else d + 1 for d in dim)
    sums = _add(blocks, axes, keepdims=True).squeeze(long + 1)
    total = _add(sums, long, keepdims=True)
    if cut < n:
        total = total + _add(a[(*index, slice(cut, n))], dim, keepdims=True)
    return total if keepdim else total.squeeze(dim)


class Prod(Reduction):
    """Π a. Zeros are no obstacle: a derivative is the product of all the others."""

    formula, adjoint = "Π(a)", ("ḡ · Π_others(a)",)
    output = staticmethod(whole)

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        kind = a.dtype
        if kind.kind in "iub":
            return _multiply(a, dim, np.int64, keepdims=keepdim)
        return _multiply(a, dim, kind, keepdims=keepdim)

    @staticmethod
    def vjp_a(g: Tensor, a: Tensor, a_spec: Spec, dim: Shape, keepdim: bool) -> Tensor:
        # Bring the reduced dimensions together at the end, and back.
        n = len(a_spec.shape)
        order = (*(i for i in range(n) if i not in dim), *dim)
        back = tuple(order.index(i) for i in range(n))
        moved = a.permute(order)
        count = math.prod(a_spec.shape[d] for d in dim)
        flat = moved.reshape((*moved.shape[: n - len(dim)], count))
        others = _product_of_others(flat).reshape(moved.shape).permute(back)
        return kept(g, dim, keepdim, a_spec) * others

    @classmethod
    def samples(cls) -> list[Sample]:
        zeros = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.5]])
        return [*super().samples(), Sample(zeros, dim=(1,), keepdim=False)]


def _product_of_others(a: Tensor) -> Tensor:
    """Along the last dimension, for each element the product of the rest: up a tree of
    pairwise products and down again. No division, so zeros are as good as any number,
    and further derivatives are right as well."""
    n = a.shape[-1]
    if n < 2:
        return apply(Where, True, 1.0, a)
    half = n // 2
    left, right, odd = a[..., :half], a[..., half : 2 * half], a[..., 2 * half :]
    above = _product_of_others(_cat(left * right, odd))
    up, rest = above[..., :half], above[..., half:]
    return _cat(up * right, up * left, rest)


def _cat(*parts: Tensor) -> Tensor:
    found = [p for p in parts if p.shape[-1]]
    return apply(Cat, *found, dim=-1) if len(found) > 1 else found[0]


def _evenly(
    g: Tensor, a: Tensor, out: Tensor, spec: Spec, dim: Shape, keepdim: bool
) -> Tensor:
    """*g* to the elements that equal the extreme; ties share it."""
    best = apply(Eq, a, kept(out, dim, keepdim, spec)).type(spec.dtype)
    return kept(g, dim, keepdim, spec) * best / apply(Sum, best, dim=dim, keepdim=True)


class Amax(Reduction):
    """The largest element; NaN if there is one. Ties share the gradient evenly."""

    formula, adjoint = "max(a)", ("ḡ · [a = out] / Σ([a = out])",)
    needs_elements = True

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        return _maximum(a, axis=dim, keepdims=keepdim)

    @staticmethod
    def vjp_a(
        g: Tensor, a: Tensor, out: Tensor, a_spec: Spec, dim: Shape, keepdim: bool
    ) -> Tensor:
        return _evenly(g, a, out, a_spec, dim, keepdim)


class Amin(Reduction):
    """The smallest element; NaN if there is one. Ties share the gradient evenly."""

    formula, adjoint = "min(a)", ("ḡ · [a = out] / Σ([a = out])",)
    needs_elements = True

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        return _minimum(a, axis=dim, keepdims=keepdim)

    @staticmethod
    def vjp_a(
        g: Tensor, a: Tensor, out: Tensor, a_spec: Spec, dim: Shape, keepdim: bool
    ) -> Tensor:
        return _evenly(g, a, out, a_spec, dim, keepdim)


class _Truth(Reduction):
    """A truth value; for uint8 a uint8, as PyTorch has it."""

    @staticmethod
    def output(d: dtypes.dtype) -> dtypes.dtype:
        return d if d is dtypes.uint8 else dtypes.bool_


class All(_Truth):
    formula = "all(a)"

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        truth = _all(a, axis=dim, keepdims=keepdim)
        return truth.astype(np.uint8) if a.dtype == np.uint8 else truth


class Any_(_Truth):
    name = "any"
    formula = "any(a)"

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        truth = _any(a, axis=dim, keepdims=keepdim)
        return truth.astype(np.uint8) if a.dtype == np.uint8 else truth


class _Where(Reduction):
    """The position of an extreme: along one dimension, or (None) in all elements as
    they lie. NaN counts as the extreme; of several the first is taken."""

    needs_elements = one = True

    @classmethod
    def normalize(cls, *specs: Spec, **attrs: Any) -> dict[str, Any]:
        if specs[0].dtype is dtypes.bool_:
            raise RuntimeError(
                "truth values have no order to take an extreme of; convert them first"
            )
        return super().normalize(*specs, **attrs)

    @staticmethod
    def output(d: dtypes.dtype) -> dtypes.dtype:
        return dtypes.int64

    @classmethod
    def samples(cls) -> list[Sample]:
        return [
            Sample(probe(2, 3), dim=None, keepdim=False),
            Sample(probe(2, 3), dim=(1,), keepdim=True),
            Sample(np.array([1.0, 3.0, 3.0]), dim=(0,), keepdim=False),
            Sample(probe(), dim=None, keepdim=False),
        ]


def _position(function: Any, a: Array, dim: Shape, keepdim: bool) -> Any:
    if len(dim) == 1 and a.ndim > 1:
        return np.asarray(function(a, axis=dim[0], keepdims=keepdim), np.int64)
    first = np.asarray(function(a), np.int64)
    return first.reshape((1,) * a.ndim) if keepdim else first


class Argmax(_Where):
    formula = "argmax(a)"

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        return _position(np.argmax, a, dim, keepdim)


class Argmin(_Where):
    formula = "argmin(a)"

    @staticmethod
    def forward(a: Array, *, dim: Shape, keepdim: bool) -> Any:
        return _position(np.argmin, a, dim, keepdim)


class Cumsum(Op):
    """out[i] = Σ a[j] over j ≤ i (``reverse``: over j ≥ i) along one dimension."""

    formula, adjoint = "Σ_running(a)", ("Σ_running_reverse(ḡ)",)

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        dim = normalize_dim(attrs["dim"], len(specs[0].shape))
        return {"dim": dim, "reverse": attrs["reverse"]}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(specs[0].shape, whole(specs[0].dtype))

    @staticmethod
    def forward(a: Array, *, dim: int, reverse: bool) -> Any:
        kind = a.dtype if a.dtype.kind not in "iub" else np.dtype(np.int64)
        if not a.ndim:
            return a.astype(kind)
        wide: Any = np.float32 if kind.itemsize == 2 else kind
        if kind == np.float32:
            wide = np.float64
        if not reverse:
            return np.cumsum(a, dim, wide).astype(kind, copy=False)
        sums = np.cumsum(np.flip(a, dim), dim, wide)
        return np.ascontiguousarray(np.flip(sums, dim)).astype(kind, copy=False)

    @staticmethod
    def vjp_a(g: Tensor, dim: int, reverse: bool) -> Tensor:
        return apply(Cumsum, g, dim=dim, reverse=not reverse)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(2, 3), dim=1, reverse=False),
            Sample(probe(2, 3), dim=0, reverse=True),
            Sample(probe(), dim=0, reverse=False),
            Sample(probe(0, 2), dim=0, reverse=False),
        ]


class Argsort(Op):
    """The order that sorts along one dimension; NaN counts as the largest. Equal
    elements keep their order."""

    formula = "argsort(a)"

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        dim = normalize_dim(attrs["dim"], len(specs[0].shape))
        return {
            "dim": dim,
            "descending": truth_value(attrs["descending"], "argument 'descending'"),
        }

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(specs[0].shape, dtypes.int64)

    @staticmethod
    def forward(a: Array, *, dim: int, descending: bool) -> Any:
        if not a.ndim:
            return np.zeros((), np.int64)
        if not descending:
            return np.argsort(a, axis=dim, kind="stable")
        # The reverse of the order of the reversed: equal elements keep their order.
        order = np.argsort(np.flip(a, dim), axis=dim, kind="stable")
        return np.ascontiguousarray(a.shape[dim] - 1 - np.flip(order, dim))

    @staticmethod
    def samples() -> list[Sample]:
        tied = np.array([[2.0, 1.0, 2.0], [0.0, 0.0, -1.0]])
        return [
            Sample(tied, dim=1, descending=False),
            Sample(tied, dim=-1, descending=True),
            Sample(tied, dim=0, descending=True),
        ]
