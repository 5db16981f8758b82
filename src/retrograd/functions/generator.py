"""Sources of random numbers: a seed, and a counter of what was drawn."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..dispatch import constant, recorder
from ..ops.families import Tensor

__all__ = ["Generator", "default_generator", "manual_seed", "seed", "initial_seed",
           "get_rng_state", "set_rng_state"]  # fmt: skip


def _signed(v: int) -> int:
    return v - (1 << 64) if v >= 1 << 63 else v


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
        from ..tensor import device as place

        self._lock = threading.Lock()
        self.device = place(device)
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Begin anew: the same seed gives the same numbers."""
        seed = int(seed)
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        self._seed, self._counter = seed % (1 << 64), 0
        return self

    def seed(self) -> int:
        """Begin anew with a seed from the operating system."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the drawing began with."""
        return self._seed

    def get_state(self) -> Tensor:
        """Seed and counter, as an int64 tensor."""
        state = [_signed(self._seed), _signed(self._counter)]
        return constant(np.array(state, np.int64))

    def set_state(self, state: Tensor) -> None:
        """Go on from a state that :meth:`get_state` gave."""
        seed, counter = state.tolist()
        self._seed, self._counter = seed % (1 << 64), counter % (1 << 64)

    def clone_state(self) -> Generator:
        """Another generator at the same place."""
        return self.__deepcopy__(None)

    def _take(self, words: int) -> Any:
        """The state for a draw of so many 32-bit words; the counter moves on."""
        tracing = recorder().tracing
        if tracing is not None:
            words = tracing.words(words)
        with self._lock:
            state = np.array([_signed(self._seed), _signed(self._counter)], np.int64)
            self._counter += -(-words // 4)
        out = constant(state)
        capture = recorder().capture
        if capture is not None:
            capture.draws.append((out, self, words))
        return out

    def __deepcopy__(self, memo: Any) -> Generator:
        copy = Generator(self.device)
        copy._seed, copy._counter = self._seed, self._counter
        return copy

    def __getstate__(self) -> Any:
        return {"_seed": self._seed, "_counter": self._counter, "device": self.device}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


default_generator = Generator.__new__(Generator)
default_generator.__setstate__({"device": "cpu"})
default_generator.manual_seed(67280421310721)


def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    device_type: str = "cuda",
) -> Iterator[None]:
    """Within the block numbers are drawn and seeds set without effect on what follows.
    *devices* besides the CPU are not there.

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> with rg.random.fork_rng():
    ...     _ = rg.manual_seed(1)
    >>> rg.initial_seed()
    0
    """
    if not enabled:
        yield
        return
    before = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(before)
