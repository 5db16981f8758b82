"""Families of element-wise primitives: what their members have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import dtypes
from .op import Elementwise, Sample, Spec, probe

# Its operators and methods are bound at run time, out of a type checker's sight.
Tensor = Any

# Arguments of functions: refusals looks at what is given by these names.
Ints = int | tuple[int, ...] | list[int]
Sizes = tuple[int, ...] | list[int]
#: sizes of which None leaves one as it is
Lengths = int | tuple[int | None, ...] | list[int | None]
#: a tensor or several
Tensors = Any
Number = Any  # of Python, or a tensor without dimensions

Interval = tuple[float, float]


class Unary(Elementwise):
    """out[i] = f(a[i])."""

    #: where samples of each input are taken from: clear of kinks and poles
    domain: ClassVar[tuple[Interval, ...]] = ((-2.0, 2.0),)

    @classmethod
    def samples(cls) -> list[Sample]:
        ((low, high),) = cls.domain
        shapes: list[tuple[int, ...]] = [(2, 3), (), (0, 3)]
        return [Sample(probe(*s, low=low, high=high)) for s in shapes]


class Analytic(Unary):
    """A function of real numbers: integers become the default floating type."""

    promotion = "float"


class Binary(Elementwise):
    """out[i] = f(a[i], b[i]) under broadcasting."""

    domain: ClassVar[tuple[Interval, ...]] = ((-2.0, 2.0), (-2.0, 2.0))

    @classmethod
    def samples(cls) -> list[Sample]:
        return cls.pairs()

    @classmethod
    def pairs(cls) -> list[Sample]:
        """Operands that broadcast against each other in every way."""
        (low, high), (low2, high2) = cls.domain
        shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((2, 3), (2, 3)),
            ((2, 1, 3), (4, 1)),
            ((3,), ()),
            ((), (2,)),
            ((), ()),
            ((0, 3), (1, 3)),
        ]
        return [
            Sample(
                probe(*a, low=low, high=high),
                probe(*b, low=low2, high=high2, seed=1),
            )
            for a, b in shapes
        ]


def refuse_bool(
    spec: Spec, why: str, kind: type[RuntimeError] = NotImplementedError
) -> None:
    """An error where truth values meet an operation for numbers: of PyTorch's *kind*."""
    if spec.dtype is dtypes.bool_:
        raise kind(why)


def unknown(why: str) -> Any:
    """A rule for a derivative that is not implemented: says so when it is asked for."""

    def rule(g: Tensor) -> Tensor:
        raise NotImplementedError(why)

    rule.refuses = True  # type: ignore[attr-defined]
    return staticmethod(rule)
