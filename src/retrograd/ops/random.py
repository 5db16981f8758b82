"""Random numbers as operations: Philox4x32-10, a counter-based generator.

Each draw is a function of a key (the seed) and a counter alone, so the same numbers
come in whatever order, and in whatever executor, the draws are made. The state is an
input: an int64 tensor (seed, first counter).
Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from .families import Tensor
from .movement import constant_zeros
from .op import Array, Op, Sample, Shape, Spec, broadcast_shapes, probe

_CHUNK = 1 << 12
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85


def philox(counter: Array, key: tuple[int, int]) -> Array:
    """Ten rounds on counters [n, 4] of 32-bit words (held in uint64)."""
    c0, c1, c2, c3 = (np.ascontiguousarray(counter[:, i]) for i in range(4))
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def words(state: Array, n: int) -> Array:
    """The first *n* 32-bit words from the counter of *state* on."""
    seed, first = (int(v) & 0xFFFFFFFFFFFFFFFF for v in np.asarray(state))
    blocks = -(-n // 4)
    out = np.empty((blocks, 4), np.uint32)
    for start in range(0, blocks, _CHUNK):
        stop = min(start + _CHUNK, blocks)
        count = np.arange(first + start, first + stop, dtype=np.uint64)
        counter = np.zeros((stop - start, 4), np.uint64)
        counter[:, 0], counter[:, 1] = count & _LOW, count >> _SHIFT
        out[start:stop] = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return out.reshape(-1)[:n]


def wide_words(state: Array, n: int) -> Array:
    """The first *n* 64-bit words."""
    halves = words(state, 2 * n)
    wide = halves[::2].astype(np.uint64)
    wide <<= _SHIFT
    wide |= halves[1::2]
    return wide


def words_needed(size: int, dtype: dtypes.dtype) -> int:
    """How many 32-bit words a draw of *size* numbers takes."""
    return 2 * size if dtype.itemsize == 8 else size


def uniforms(state: Array, size: int, dtype: dtypes.dtype) -> Array:
    """Numbers in [0, 1): as many random bits as the type has digits."""
    if dtype is dtypes.float64:
        return (wide_words(state, size) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    # so many that no number is rounded up to 1
    digits = {"float16": 11, "bfloat16": 8}.get(dtype.name, 24)
    bits = words(state, size)
    bits >>= np.uint32(32 - digits)
    numbers = bits.astype(np.float32)
    numbers *= np.float32(2.0**-digits)
    return numbers.astype(dtype.np, copy=False)


class Uniform(Op):
    """Numbers evenly distributed in [0, 1)."""

    formula = "U[0, 1)"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(attrs["shape"], attrs["dtype"])

    @staticmethod
    def forward(state: Array, *, shape: Shape, dtype: dtypes.dtype) -> Array:
        return uniforms(state, Spec(shape, dtype).size, dtype).reshape(shape)


class Normal(Op):
    """Numbers from N(0, 1), two from each pair of uniforms: Box and Muller 1958,
    √(−2 ln u₁) · (cos 2πu₂, sin 2πu₂)."""

    formula = "N(0, 1)"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(attrs["shape"], attrs["dtype"])

    @staticmethod
    def forward(state: Array, *, shape: Shape, dtype: dtypes.dtype) -> Array:
        size = Spec(shape, dtype).size
        wide = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
        pairs = -(-size // 2)
        u = uniforms(state, 2 * pairs, wide).reshape(pairs, 2)
        radius = np.sqrt(-2 * np.log1p(-u[:, 0]))
        angle = u[:, 1] * u.dtype.type(2 * np.pi)
        out = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return out.reshape(-1)[:size].reshape(shape).astype(dtype.np)


class RandomInt(Op):
    """Integers in [low, high): a 64-bit word modulo the range, so that a number is off
    its probability by less than (high − low)/2⁶⁴."""

    formula = "U{low, …, high − 1}"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        if attrs["high"] <= attrs["low"]:
            raise RuntimeError(
                f"random_ expects 'from' to be less than 'to', but got from={attrs['low']} "
                f">= to={attrs['high']}"
            )
        return Spec(attrs["shape"], attrs["dtype"])

    @staticmethod
    def forward(
        state: Array, *, shape: Shape, dtype: dtypes.dtype, low: int, high: int
    ) -> Array:
        bits = wide_words(state, Spec(shape, dtype).size)
        drawn = (bits % np.uint64(high - low)).astype(np.int64) + low
        return drawn.reshape(shape).astype(dtype.np)


class Permutation(Op):
    """The numbers 0 … n − 1 in random order: the order of n random 64-bit words."""

    formula = "a permutation"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec((attrs["n"],), dtypes.int64)

    @staticmethod
    def forward(state: Array, *, n: int) -> Array:
        return np.argsort(wide_words(state, n), kind="stable").astype(np.int64)


class Bernoulli(Op):
    """1 with the probability *p*, else 0. A draw has no derivative by *p*: it is 0."""

    formula, adjoint = "u < p", ("", "0")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(specs[1].shape, attrs["dtype"])

    @staticmethod
    def forward(state: Array, p: Array, *, dtype: dtypes.dtype) -> Array:
        if not ((p >= 0) & (p <= 1)).all():
            raise RuntimeError("bernoulli expects every p to be in [0, 1]")
        wide = dtypes.float64 if p.dtype == np.float64 else dtypes.float32
        u = uniforms(state, p.size, wide).reshape(p.shape)
        return (u < p).astype(dtype.np)

    @staticmethod
    def vjp_p(p_spec: Spec) -> Tensor:
        return constant_zeros(p_spec)

    @staticmethod
    def samples() -> list[Sample]:
        p = probe(3, 2, low=0.1, high=0.9)
        return [Sample(np.array([3, 5]), p, dtype=dtypes.float64)]


def _sampler(state: Array) -> np.random.Generator:
    """NumPy's samplers on a counter-based generator of the same seed and counter."""
    seed, first = (int(v) & 0xFFFFFFFFFFFFFFFF for v in np.asarray(state))
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, first, 1]))


class Poisson(Op):
    """Whole numbers from the Poisson distribution of each rate."""

    formula, adjoint = "P(rate)", ("", "0")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[1]

    @staticmethod
    def forward(state: Array, rate: Array) -> Array:
        if not (rate >= 0).all():
            raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
        # past 2⁶² a draw would not fit; there the spread is below the digits
        wide = rate.astype(np.float64)
        drawn = _sampler(state).poisson(np.minimum(wide, 2.0**62))
        return np.where(wide < 2.0**62, drawn, wide).astype(rate.dtype)

    @staticmethod
    def vjp_rate(rate_spec: Spec) -> Tensor:
        return constant_zeros(rate_spec)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(np.array([3, 5]), probe(3, 2, low=0.5, high=20.0))]


class Binomial(Op):
    """How many of *count* trials succeed, each with the probability *prob*."""

    formula, adjoint = "B(count, prob)", ("", "0", "0")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        count, prob = specs[1:]
        return Spec(broadcast_shapes(count.shape, prob.shape), count.dtype)

    @staticmethod
    def forward(state: Array, count: Array, prob: Array) -> Array:
        n = np.maximum(count, 0).astype(np.int64)
        chance = np.clip(prob, 0, 1).astype(np.float64)
        return np.asarray(_sampler(state).binomial(n, chance)).astype(count.dtype)

    @staticmethod
    def vjp_count(count_spec: Spec) -> Tensor:
        return constant_zeros(count_spec)

    @staticmethod
    def vjp_prob(prob_spec: Spec) -> Tensor:
        return constant_zeros(prob_spec)

    @staticmethod
    def samples() -> list[Sample]:
        count = np.array([12.5, 3.5])
        return [Sample(np.array([3, 5]), count, probe(2, low=0.1, high=0.9))]
