"""Philox4x32-10 against its published vectors, and the numbers made of it."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.ops.random import philox

# Random123's kat_vectors: counter, key, result (Salmon et al., SC 2011).
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_published_vectors(counter: str, key: str, result: str) -> None:
    low, high = numbers(key)
    given = np.array([numbers(counter)], np.uint64)
    assert philox(given, (low, high))[0].tolist() == numbers(result)


def test_the_same_numbers_in_any_order_of_execution() -> None:
    rg.manual_seed(5)
    a, b = rg.rand(7), rg.randn(9)
    first = (a.tolist(), b.tolist())
    rg.manual_seed(5)
    a, b = rg.rand(7), rg.randn(9)
    assert (b.tolist(), a.tolist()) == (first[1], first[0])


def test_generators_are_independent_and_repeat() -> None:
    one, other = rg.Generator().manual_seed(1), rg.Generator().manual_seed(2)
    a = rg.rand(100, generator=one)
    b = rg.rand(100, generator=other)
    again = rg.rand(100, generator=rg.Generator().manual_seed(1))
    assert a.tolist() == again.tolist()
    assert not rg.isclose(a, b).any()


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_moments(dtype: rg.dtype) -> None:
    rg.manual_seed(0)
    n = 200_000
    u = rg.rand(n, dtype=dtype).numpy().astype(np.float64)
    z = rg.randn(n, dtype=dtype).numpy().astype(np.float64)
    assert u.min() >= 0 and u.max() < 1
    # five standard errors of each moment
    assert abs(u.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / np.sqrt(n)
