"""Drawing random numbers from generators."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant, recorder
from ..ops.op import Spec
from ..ops.random import Normal, Permutation, RandomInt, Uniform
from ..trace import Handle
from .create import _size

__all__ = ["Generator", "default_generator", "manual_seed", "seed", "initial_seed",
           "get_rng_state", "set_rng_state", "rand", "randn", "randint", "randperm",
           "rand_like", "randn_like", "randint_like", "bernoulli", "normal", "multinomial"]  # fmt: skip


class Generator:
    """A source of random numbers: a seed, and a counter of what was drawn.

    >>> import retrograd as rg
    >>> g = rg.Generator().manual_seed(0)
    >>> a = rg.rand(2, generator=g)
    >>> g = g.manual_seed(0)
    >>> bool((a == rg.rand(2, generator=g)).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self._lock = threading.Lock()
        self.device = device
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Begin anew: the same seed gives the same numbers."""
        self._seed, self._counter = int(seed) % (1 << 64), 0
        return self

    def seed(self) -> int:
        """Begin anew with a seed from the operating system."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
        return self._seed

    def initial_seed(self) -> int:
        return self._seed

    def get_state(self) -> Any:
        """Seed and counter, as an int64 tensor."""
        return constant(
            np.array([_signed(self._seed), _signed(self._counter)], np.int64)
        )

    def set_state(self, state: Any) -> None:
        seed, counter = state.tolist()
        self._seed, self._counter = seed % (1 << 64), counter % (1 << 64)

    def _take(self, words: int) -> Any:
        """The state for a draw of so many 32-bit words; the counter moves on."""
        tracing = recorder().tracing
        if tracing is not None:
            words = tracing.words(words)
        with self._lock:
            state = np.array([_signed(self._seed), _signed(self._counter)], np.int64)
            self._counter += -(-words // 4)
        return constant(state)

    def __deepcopy__(self, memo: Any) -> Generator:
        copy = Generator(self.device)
        copy._seed, copy._counter = self._seed, self._counter
        return copy

    def __getstate__(self) -> Any:
        return {"_seed": self._seed, "_counter": self._counter, "device": self.device}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def _signed(v: int) -> int:
    return v - (1 << 64) if v >= 1 << 63 else v


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Set the state of the default generator."""
    default_generator.set_state(new_state)


def _draw(op: Any, shape: Any, dtype: Any, generator: Any, **attrs: Any) -> Any:
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    generator = generator or default_generator
    n = Spec(shape, dtype).size
    # Four words a number at most, so that a draw never runs into the next.
    state = generator._take(4 * ((n + 1) // 2) if op is not RandomInt else 2 * n)
    return apply(op, state, shape=shape, dtype=dtype, **attrs)


def _made(out: Any, requires_grad: bool) -> Any:
    return out.requires_grad_() if requires_grad else out


def rand(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """Numbers evenly distributed in [0, 1)."""
    return _made(_draw(Uniform, _size(size), dtype, generator), requires_grad)


def randn(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """Numbers from the normal distribution N(0, 1)."""
    return _made(_draw(Normal, _size(size), dtype, generator), requires_grad)


def randint(*args: Any, generator: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """Integers in [low, high): ``randint(high, size)`` or ``randint(low, high, size)``."""
    low, high, size = (
        (0, *args) if len(args) == 2 else (*args, *(None,) * (3 - len(args)))
    )
    low, high = kwargs.get("low", low), kwargs.get("high", high)
    size = kwargs.get("size", size)
    shape = _size((size,))
    return _draw(
        RandomInt, shape, dtype or dtypes.int64, generator, low=int(low), high=int(high)
    )


def randperm(n: int, *, generator: Any = None, dtype: Any = None, **_: Any) -> Any:
    """0 … n − 1 in random order."""
    state = (generator or default_generator)._take(2 * n)
    out = apply(Permutation, state, n=n)
    return out if dtype is None else out.to(dtypes.as_dtype(dtype))


def rand_like(input: Any, *, dtype: Any = None, generator: Any = None, requires_grad: bool = False, **_: Any) -> Any:  # fmt: skip
    """As rand, in the shape and type of *input*."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, generator=generator,
                requires_grad=requires_grad)  # fmt: skip


def randn_like(input: Any, *, dtype: Any = None, generator: Any = None, requires_grad: bool = False, **_: Any) -> Any:  # fmt: skip
    """As randn, in the shape and type of *input*."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, generator=generator,
                 requires_grad=requires_grad)  # fmt: skip


def randint_like(
    input: Any, *bounds: int, dtype: Any = None, generator: Any = None
) -> Any:
    """As randint, in the shape and type of *input*."""
    low, high = bounds if len(bounds) == 2 else (0, *bounds)
    return randint(
        low, high, tuple(input.shape), dtype=dtype or input.dtype, generator=generator
    )


def bernoulli(input: Any, p: Any = None, *, generator: Any = None) -> Any:
    """1 with the probability that *input* (or *p*) says, else 0."""
    probability = input.detach() if p is None else p
    u = _draw(Uniform, tuple(input.shape), None, generator)
    return (u < probability).to(input.dtype)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, **kwargs: Any) -> Any:  # fmt: skip
    """Numbers from N(mean, std²); mean and std are numbers or tensors."""
    if size is None:
        shapes = [tuple(x.shape) for x in (mean, std) if isinstance(x, Handle)]  # type: ignore[attr-defined]
        size = np.broadcast_shapes(*shapes)
    return randn(tuple(size), generator=generator, **kwargs) * std + mean


def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Any:  # fmt: skip
    """Indices drawn with the probabilities in the last dimension of *input*."""
    weights = input.detach().double()
    rows = weights.reshape(-1, weights.shape[-1]).numpy()
    if (rows < 0).any() or not np.isfinite(rows).all() or (rows.sum(1) <= 0).any():
        raise RuntimeError(
            "probability tensor contains either `inf`, `nan` or element < 0"
        )
    n, k = rows.shape
    if replacement:
        u = rand(n, num_samples, dtype=dtypes.float64, generator=generator).numpy()
        total = np.cumsum(rows, 1)
        found = [
            np.searchsorted(t / t[-1], r, "right")
            for t, r in zip(total, u, strict=True)
        ]
        drawn = np.minimum(np.stack(found), k - 1)
    else:
        if num_samples > int((rows > 0).sum(1).min()):
            raise RuntimeError(
                "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
            )
        # The largest of log u / w are a weighted draw: Efraimidis and Spirakis 2006.
        u = rand(n, k, dtype=dtypes.float64, generator=generator).numpy()
        with np.errstate(divide="ignore"):
            keys = np.where(rows > 0, np.log1p(-u) / rows, -np.inf)
        drawn = np.argsort(-keys, axis=1, kind="stable")[:, :num_samples]
    return constant(drawn.astype(np.int64).reshape(*input.shape[:-1], num_samples))


# What in-place methods draw: new values in the shape and type of a tensor.


def uniform_like(input: Any, a: float = 0.0, b: float = 1.0, generator: Any = None, **kw: Any) -> Any:  # fmt: skip
    a, b = kw.get("from", a), kw.get("to", b)
    return _draw(Uniform, tuple(input.shape), input.dtype, generator) * (b - a) + a


def normal_like(
    input: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None
) -> Any:
    return _draw(Normal, tuple(input.shape), input.dtype, generator) * std + mean


def bernoulli_like(input: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    return bernoulli(input, p, generator=generator)


def exponential_like(input: Any, lambd: float = 1.0, *, generator: Any = None) -> Any:
    u = _draw(Uniform, tuple(input.shape), input.dtype, generator)
    return -(-u).log1p() / lambd


def random_like(
    input: Any, low: int = 0, high: int | None = None, *, generator: Any = None
) -> Any:
    if high is None:
        low, high = (0, low) if low else (0, 1 << 24)
    drawn = _draw(
        RandomInt, tuple(input.shape), dtypes.int64, generator, low=low, high=high
    )
    return drawn.to(input.dtype)
