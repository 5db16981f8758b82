"""New tensors of random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from ..ops.families import Tensor
from ..ops.op import Op, Spec, broadcast_shapes, whole_number
from ..ops.random import (
    Bernoulli,
    Binomial,
    Normal,
    Permutation,
    Poisson,
    RandomInt,
    Uniform,
)
from ..trace import Handle, is_tensor
from . import generator as _generator
from .filled import check_layout, given_size, kind_of, on_cpu, size_of, wanting
from .generator import *  # noqa: F403
from .generator import default_generator
from .generator import fork_rng as fork_rng
from .out import maker, with_out, write

__all__ = ["rand", "randn", "randint", "randperm", "rand_like", "randn_like",
           "randint_like", "bernoulli", "normal", "multinomial", "poisson",
           "binomial"]  # fmt: skip
__all__ += _generator.__all__


def draw(
    op: type[Op], shape: Any, kind: dtypes.dtype, generator: Any, **attrs: Any
) -> Any:
    """A tensor of numbers of one of the simple distributions."""
    # Two words a number at most, so that a draw never runs into the next.
    n = Spec(shape, kind).size
    if n >= 2**60:  # before the generator moves on: the next draw must not suffer
        raise RuntimeError(f"a tensor of shape {list(shape)} is larger than any memory")
    state = (generator or default_generator)._take(4 * ((n + 1) // 2))
    return apply(op, state, shape=shape, dtype=kind, **attrs)


def no_whole_numbers(kind: dtypes.dtype, what: str) -> None:
    """NotImplementedError for a type that is no floating one."""
    if not kind.is_floating_point:
        raise NotImplementedError(
            f'"{what}" not implemented for {kind.name!r}: draw floating numbers, or '
            "integers with randint"
        )


def _evenly(name: str, op: type[Op], what: str) -> Any:
    def make(
        *size: Any,
        generator: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **layout: Any,
    ) -> Tensor:
        shape = given_size(name, size, layout)
        check_layout(name, layout)
        on_cpu(device)
        kind = kind_of(dtype)
        no_whole_numbers(kind, name)
        out = draw(op, shape, kind, generator)
        return wanting(out, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = what
    return maker(make)


rand = _evenly("rand", Uniform, "Numbers evenly distributed in [0, 1).")
randn = _evenly("randn", Normal, "Numbers from the normal distribution N(0, 1).")


def _bounds(name: str, low: Any, high: Any, kind: dtypes.dtype) -> tuple[int, int]:
    """Both ends as integers that the type can hold."""
    low, high = (
        whole_number(value, f"{name}(): argument {word!r}")
        for word, value in (("low", low), ("high", high))
    )
    for value in (low, high):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{name}(): {value} does not fit into 64 bits")
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= "
            f"to={high}"
        )
    if not kind.is_floating_point:
        whole = kind.category == dtypes.INTEGRAL
        limits = dtypes.iinfo(kind) if whole else None
        least, most = (limits.min, limits.max) if limits else (0, 1)
        if low < least:
            raise RuntimeError(f"from is out of bounds for {kind.name}")
        if high - 1 > most:
            raise RuntimeError(f"to - 1 is out of bounds for {kind.name}")
    return low, high


@maker
def randint(
    *bounds: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Integers in [low, high): ``randint(high, size)`` or ``randint(low, high, size)``."""
    given = list(bounds)
    size = options.pop("size", None)
    if size is None:
        if len(given) < 2 - ("high" in options):
            raise TypeError("randint() missing 1 required positional argument: 'size'")
        size = given.pop()
    high = options.pop("high", None)
    if high is None and given:
        high = given.pop()
    low = options.pop("low", given.pop() if given else 0)
    check_layout("randint", options)
    on_cpu(device)
    if given or not isinstance(size, (tuple, list)):
        raise TypeError(
            f"randint(): argument 'size' must be tuple of ints, not {type(size).__name__}"
        )
    kind = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    low, high = _bounds("randint", low, high, kind)
    out = draw(
        RandomInt, size_of("randint", (size,)), kind, generator, low=low, high=high
    )
    return wanting(out, requires_grad)


@maker
def randperm(
    n: int,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """0 … n − 1 in random order."""
    check_layout("randperm", layout)
    on_cpu(device)
    if not hasattr(n, "__index__"):
        raise TypeError(f"randperm(): argument 'n' must be int, not {type(n).__name__}")
    (n,) = size_of("randperm", (n,))
    kind = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    if kind is dtypes.bool_:
        raise NotImplementedError('"randperm" not implemented for bool: use integers')
    if kind.is_floating_point:
        bits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[kind.name]
        if n > (1 << bits) + 1:
            raise RuntimeError(
                f"n cannot be greater than {(1 << bits) + 1} for {kind.name}"
            )
    elif n and n - 1 > dtypes.iinfo(kind).max:
        raise RuntimeError(
            f"value cannot be converted to type {kind.name} without overflow"
        )
    state = (generator or default_generator)._take(2 * n)
    out: Tensor = apply(Permutation, state, n=n)
    out = out if kind is dtypes.int64 else out.to(kind)
    return wanting(out, requires_grad)


# -- like another ---------------------------------------------------------------------


def rand_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    """As rand, in the shape and type of *input*."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, **options)


def randn_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    """As randn, in the shape and type of *input*."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, **options)


def randint_like(
    input: Tensor, *bounds: int, dtype: Any = None, **options: Any
) -> Tensor:
    """As randint, in the shape and type of *input*."""
    return randint(
        *bounds, size=tuple(input.shape), dtype=dtype or input.dtype, **options
    )


# -- of given distributions -----------------------------------------------------------


@with_out
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None) -> Tensor:
    """1 with the probability that *input* (or the number *p*) says, else 0."""
    source = generator or default_generator
    if p is None:
        no_whole_numbers(input.dtype, "bernoulli")
        state = source._take(2 * input.numel())
        return apply(Bernoulli, state, input, dtype=input.dtype)
    if isinstance(p, Handle):
        chance: Any = p
        if not chance.dtype.is_floating_point:
            raise RuntimeError(f"expected probabilities tensor to have floating type, got {chance.dtype.name}")  # fmt: skip
        chance = chance.detach().expand(*input.shape)
    elif not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    else:
        chance = constant(np.full(tuple(input.shape), p))
    state = source._take(2 * input.numel())
    return apply(Bernoulli, state, chance, dtype=input.dtype)


@maker
def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """Numbers from N(mean, std²). Mean and std are tensors, whose type the result has, or,
    with *size*, numbers: then it has the default type unless *dtype* is given.
    """
    on_cpu(layout.pop("device", None))
    check_layout("normal", layout)
    given: list[Any] = [x for x in (mean, std) if isinstance(x, Handle)]
    if size is None:
        if not given:
            raise TypeError("normal() received numbers for mean and std but no size")
        size = broadcast_shapes(*[tuple(x.shape) for x in given])
        kind = given[0].dtype
    else:
        if not isinstance(size, (tuple, list)) or any(x.ndim for x in given):
            raise TypeError(
                "normal() takes mean and std as tensors, or as numbers with a tuple for "
                "the size"
            )
        kind = kind_of(dtype)
    no_whole_numbers(kind, "normal")
    if not isinstance(std, Handle) and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if is_tensor(std) and bool((std.detach() < 0).any()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    mean, std = (x.detach() if is_tensor(x) else x for x in (mean, std))
    out = draw(Normal, size_of("normal", (size,)), kind, generator) * std + mean
    out = out.to(kind)
    return wanting(out, requires_grad)


@with_out
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Whole numbers k with the probability λᵏ e^−λ / k!, the rates λ in *input*."""
    no_whole_numbers(input.dtype, "poisson")
    state = (generator or default_generator)._take(4)
    return apply(Poisson, state, input)


@with_out
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """How many of *count* trials succeed, each with the probability *prob*."""
    for name, x in (("count", count), ("prob", prob)):
        if not x.dtype.is_floating_point:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: "
                f"{x.dtype.name}"
            )
    if count.dtype is not prob.dtype:
        raise RuntimeError(
            f"Found dtype {prob.dtype.name} but expected {count.dtype.name}"
        )
    state = (generator or default_generator)._take(4)
    return apply(Binomial, state, count, prob)


def _check_weights(rows: Any, input: Tensor, count: int, replacement: bool) -> None:
    """RuntimeError where there is nothing to draw from."""
    if not replacement and count > input.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if (rows < 0).any() or not np.isfinite(rows).all():
        raise RuntimeError(
            "probability tensor contains either `inf`, `nan` or element < 0"
        )
    if (rows.sum(1) <= 0).any():
        raise RuntimeError(
            "invalid multinomial distribution (sum of probabilities <= 0)"
        )


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *,
                generator: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """Indices drawn with the probabilities in the last dimension of *input*."""
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{input.dtype.name}"
        )
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(
            f"multinomial expects Long tensor out, got: {out.dtype.name}"
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if input.shape[-1] > 1 << 24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    weights = input.detach().double()
    rows = weights.reshape(-1, weights.shape[-1]).numpy()
    _check_weights(rows, input, num_samples, replacement)
    n, k = rows.shape
    drawn = np.zeros((n, num_samples), np.int64)
    if replacement:
        u = rand(n, num_samples, dtype=dtypes.float64, generator=generator).numpy()
        total = np.cumsum(rows, 1)
        for row, t, r in zip(drawn, total, u, strict=True):
            # the last of the places with a weight is the end of the row
            last = np.searchsorted(t, t[-1], "left")
            row[:] = np.minimum(np.searchsorted(t, r * t[-1], "right"), last)
    else:
        # The largest of log u / w are a weighted draw: Efraimidis and Spirakis 2006.
        u = rand(n, k, dtype=dtypes.float64, generator=generator).numpy()
        with np.errstate(divide="ignore", over="ignore"):
            keys = np.where(rows > 0, np.log1p(-u) / rows, -np.inf)
        drawn[:] = np.argsort(-keys, axis=1, kind="stable")[:, :num_samples]
    made: Tensor = constant(drawn.reshape(*input.shape[:-1], num_samples))
    return made if out is None else write(out, made, "multinomial")
