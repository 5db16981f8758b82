"""Random numbers written into a tensor: methods only, ``x.uniform_()`` and the like.

What is drawn does not depend on what was there, so no gradient flows to it.
"""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..ops.families import Tensor
from ..ops.random import Normal, RandomInt, Uniform
from .random import _bounds, bernoulli, draw, no_whole_numbers

__all__ = ["uniform_", "normal_", "log_normal_", "exponential_", "cauchy_",
           "geometric_", "bernoulli_", "random_"]  # fmt: skip


def _write(input: Tensor, drawn: Tensor) -> Tensor:
    return input._assign(drawn)


def uniform_(
    input: Tensor, *ends: float, generator: Any = None, **named: float
) -> Tensor:
    """U[from, to): even between two ends, 0 and 1 if none are given."""
    low = named.get("from", ends[0] if ends else 0.0)
    high = named.get("to", ends[1] if len(ends) > 1 else 1.0)
    no_whole_numbers(input.dtype, "uniform_")
    largest = dtypes.finfo(input.dtype).max
    for word, end in (("from", low), ("to", high)):
        if not abs(end) <= largest:
            raise RuntimeError(f"{word} is out of bounds for {input.dtype.name}")
    if low > high:
        raise RuntimeError(
            "uniform_ expects to return a [from, to) range, but found "
            f"from={low} > to={high}"
        )
    u = draw(Uniform, tuple(input.shape), input.dtype, generator)
    return _write(input, u * (high - low) + low)


def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None
) -> Tensor:
    """N(mean, std²)."""
    no_whole_numbers(input.dtype, "normal_")
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    z = draw(Normal, tuple(input.shape), input.dtype, generator)
    return _write(input, z * std + mean)


def log_normal_(
    input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None
) -> Tensor:
    """e^z of z from N(mean, std²)."""
    no_whole_numbers(input.dtype, "log_normal_")
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    z = draw(Normal, tuple(input.shape), input.dtype, generator)
    return _write(input, (z * std + mean).exp())


def _continuous(input: Tensor, what: str) -> None:
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"{what} distribution is a continuous probability distribution. dtype must "
            f"be a floating point but you specified {input.dtype.name}"
        )


def exponential_(input: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """λ e^−λx for x > 0: −ln(1 − u)/λ."""
    _continuous(input, "Exponential")
    if not lambd > 0:
        raise RuntimeError(
            f"exponential_ expects lambda > 0.0, but found lambda={lambd}"
        )
    u = draw(Uniform, tuple(input.shape), dtypes.float64, generator)
    least = dtypes.finfo(input.dtype).eps / 2  # a draw is never 0
    x = (-(-u).log1p()).clamp(min=least) / lambd
    return _write(input, x.to(input.dtype))


def cauchy_(
    input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None
) -> Tensor:
    """σ / π(σ² + (x − median)²): median + σ tan π(u − ½)."""
    _continuous(input, "Cauchy")
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    u = draw(Uniform, tuple(input.shape), dtypes.float64, generator)
    x = ((u - 0.5) * math.pi).tan() * sigma + median
    return _write(input, x.to(input.dtype))


def geometric_(input: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """How many trials until the first success: p(1 − p)ᵏ⁻¹ for k = 1, 2, …"""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    if input.dtype is dtypes.bool_:
        raise NotImplementedError('"geometric_" not implemented for bool: use integers')
    u = draw(Uniform, tuple(input.shape), dtypes.float64, generator)
    k = ((-u).log1p() / math.log1p(-p)).ceil().clamp(min=1.0)
    return _write(input, k.to(input.dtype))


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """1 with the probability *p* (a number or a tensor), else 0."""
    return _write(input, bernoulli(input, p, generator=generator))


def random_(input: Tensor, *ends: int, generator: Any = None, **named: int) -> Tensor:
    """Integers: ``random_(from, to)``, ``random_(to)`` from 0, or of all that the type
    has (of a floating type, as far as it has every one)."""
    kind = input.dtype
    low = named.get("from", ends[0] if len(ends) > 1 else 0)
    high = named.get("to", ends[-1] if ends else None)
    if high is None:
        if kind.is_floating_point:
            digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
            high = (1 << digits[kind.name]) + 1
        else:
            whole = kind.category == dtypes.INTEGRAL
            high = dtypes.iinfo(kind).max + 1 if whole else 2
    low, high = _bounds("random_", low, high, kind)
    drawn = draw(RandomInt, tuple(input.shape), kind, generator, low=low, high=high)
    return _write(input, drawn)
