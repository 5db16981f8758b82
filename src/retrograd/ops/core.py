"""Primitives that the tensor itself stands on: copies and severed histories."""

from __future__ import annotations

from typing import Any

import numpy as np

from .op import Array, Op, Sample, Spec, probe


class Clone(Op):
    """out = a, in memory of its own."""

    formula, adjoint = "a", ("ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Array:
        return np.array(a, order="C")

    @staticmethod
    def vjp_a(g: Any) -> Any:
        return g

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3, 2)), Sample(probe())]


class Barrier(Op):
    """out = a, but not before b is there, and never the same value as a to an executor:
    what is computed from it is not shared with what is computed from a."""

    formula, adjoint = "a", ("ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array, b: Array) -> Array:
        return a

    @staticmethod
    def vjp_a(g: Any) -> Any:
        return g

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3, 2), probe(2)), Sample(probe(), probe(4))]


class Detach(Op):
    """out = a, without a derivative; shares the memory of a."""

    formula = "a"
    view = True

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Array:
        return a


class Overwrite(Op):
    """out = a where *before* was: a change of numbers alone, through which the gradient
    goes to what was before (so that the rule is not the derivative, on purpose)."""

    name, formula, adjoint, view = "_overwrite", "a", ("0", "ḡ"), True

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array, before: Array | None = None) -> Array:
        return a

    @staticmethod
    def vjp_before(g: Any) -> Any:
        return g


class Variable(Op):
    """out = a, as a value of its own that derivatives are taken with respect to. If it
    is *tracked*, its gradient is wanted whether or not that of a is."""

    formula, adjoint = "a", ("ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array, *, tracked: bool) -> Array:
        return a

    @staticmethod
    def vjp_a(g: Any) -> Any:
        return g

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3, 2), tracked=False)]


class Release(Op):
    """out = a, whose gradient leads nowhere any more, so that none is wanted. It has a
    derivative in forward mode: that of a."""

    formula = "a"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Array:
        return a
