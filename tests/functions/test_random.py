"""What is drawn follows its distribution: held against the closed form, fixed seeds.

A sample of n numbers is compared with the distribution function at its own order
statistics (Kolmogorov's D) or with the probabilities of whole numbers (χ²). The bounds
are passed by a right sampler for all but one seed in a million.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

N = 20_000
Array = np.ndarray[Any, Any]


def distance(sample: Array, cdf: Callable[[Array], Array]) -> float:
    """√n · sup |empirical − cdf|."""
    x = np.sort(sample.astype(np.float64))
    f, n = cdf(x), x.size
    above = np.arange(1, n + 1) / n - f
    below = f - np.arange(n) / n
    return float(math.sqrt(n) * max(above.max(), below.max()))


def normal_cdf(x: Array) -> Array:
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


CONTINUOUS: dict[str, tuple[Callable[[Any], Any], Callable[[Array], Array]]] = {
    "rand": (lambda d: rg.rand(N, dtype=d), lambda x: x),
    "randn": (lambda d: rg.randn(N, dtype=d), normal_cdf),
    "rand_like": (lambda d: rg.rand_like(rg.zeros(N, dtype=d)), lambda x: x),
    "randn_like": (lambda d: rg.randn_like(rg.zeros(N, dtype=d)), normal_cdf),
    "normal": (
        lambda d: rg.normal(2.0, 3.0, (N,), dtype=d),
        lambda x: normal_cdf((x - 2) / 3),
    ),
    "normal of tensors": (
        lambda d: rg.normal(rg.full((N,), 2.0, dtype=d), rg.tensor(3.0, dtype=d)),
        lambda x: normal_cdf((x - 2) / 3),
    ),
    "uniform_": (
        lambda d: rg.zeros(N, dtype=d).uniform_(-1, 3),
        lambda x: (x + 1) / 4,
    ),
    "normal_": (
        lambda d: rg.zeros(N, dtype=d).normal_(-1, 2),
        lambda x: normal_cdf((x + 1) / 2),
    ),
    "exponential_": (
        lambda d: rg.zeros(N, dtype=d).exponential_(1.5),
        lambda x: 1 - np.exp(-1.5 * x),
    ),
    "log_normal_": (
        lambda d: rg.zeros(N, dtype=d).log_normal_(0.5, 0.7),
        lambda x: normal_cdf((np.log(x) - 0.5) / 0.7),
    ),
    "cauchy_": (
        lambda d: rg.zeros(N, dtype=d).cauchy_(1.0, 2.0),
        lambda x: 0.5 + np.arctan((x - 1) / 2) / np.pi,
    ),
}


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64], ids=str)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name: str, dtype: rg.dtype) -> None:
    draw, cdf = CONTINUOUS[name]
    rg.manual_seed(1)
    made = draw(dtype)
    assert made.dtype is dtype
    # 2 exp(−2 · 2.7²) is less than 10⁻⁶
    assert distance(made.numpy(), cdf) < 2.7


def chi_squared(sample: Array, probabilities: Array) -> tuple[float, int]:
    """Σ (seen − expected)²/expected over 0, 1, …, and what is beyond as one."""
    k = probabilities.size
    seen = np.bincount(np.minimum(sample.astype(np.int64), k), minlength=k + 1)
    expected = np.append(probabilities, max(0.0, 1 - probabilities.sum())) * sample.size
    some = expected > 5
    rest = expected[~some].sum()
    terms = (seen[some] - expected[some]) ** 2 / expected[some]
    if rest > 5:
        terms = np.append(terms, (seen[~some].sum() - rest) ** 2 / rest)
    return float(terms.sum()), terms.size - 1


K = np.arange(60)
LOG_FACTORIAL = np.array([math.lgamma(k + 1) for k in K])


def poisson(rate: float) -> Array:
    return np.exp(K * math.log(rate) - rate - LOG_FACTORIAL)


def binomial(n: int, p: float) -> Array:
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


WHOLE: dict[str, tuple[Callable[[], Any], Array]] = {
    "randint": (lambda: rg.randint(7, (N,)), np.full(7, 1 / 7)),
    "randint from": (lambda: rg.randint(-2, 3, (N,)) + 2, np.full(5, 1 / 5)),
    "randint_like": (lambda: rg.randint_like(rg.zeros(N), 4), np.full(4, 1 / 4)),
    "random_": (lambda: rg.zeros(N).random_(9), np.full(9, 1 / 9)),
    "random_ from": (lambda: rg.zeros(N).random_(2, 6) - 2, np.full(4, 1 / 4)),
    "random_ bool": (lambda: rg.zeros(N, dtype=rg.bool).random_(), np.full(2, 0.5)),
    "random_ uint8": (
        lambda: rg.zeros(N, dtype=rg.uint8).random_(),
        np.full(256, 1 / 256),
    ),
    "bernoulli": (lambda: rg.bernoulli(rg.full((N,), 0.3)), np.array([0.7, 0.3])),
    "bernoulli p": (lambda: rg.bernoulli(rg.zeros(N), 0.3), np.array([0.7, 0.3])),
    "bernoulli_": (
        lambda: rg.zeros(N, dtype=rg.int64).bernoulli_(0.8),
        np.array([0.2, 0.8]),
    ),
    "bernoulli_ of tensor": (
        lambda: rg.zeros(N).bernoulli_(rg.tensor(0.1, dtype=rg.float64)),
        np.array([0.9, 0.1]),
    ),
    "geometric_": (
        lambda: rg.zeros(N).geometric_(0.3),
        np.where(K > 0, 0.3 * 0.7 ** (K - 1.0), 0.0),
    ),
    "poisson": (lambda: rg.poisson(rg.full((N,), 2.5)), poisson(2.5)),
    "poisson large": (lambda: rg.poisson(rg.full((N,), 30.0)), poisson(30.0)),
    "binomial": (
        lambda: rg.binomial(rg.full((N,), 12.0), rg.tensor(0.35)),
        binomial(12, 0.35),
    ),
    "multinomial": (
        lambda: rg.multinomial(rg.tensor([1.0, 0.0, 2.0, 5.0]), N, True),
        np.array([1, 0, 2, 5]) / 8,
    ),
    "multinomial first": (
        lambda: rg.multinomial(rg.tensor([1.0, 0.0, 2.0, 5.0]).expand(N, 4), 2)[:, 0],
        np.array([1, 0, 2, 5]) / 8,
    ),
    # 1 first and 2 next: 1/8 · 2/7, …
    "multinomial second": (
        lambda: rg.multinomial(rg.tensor([1.0, 2.0, 5.0]).expand(N, 3), 2)[:, 1],
        np.array([1 / 4 / 6 + 5 / 8 / 3, 1 / 8 * 2 / 7 + 5 / 8 * 2 / 3,
                  1 / 8 * 5 / 7 + 1 / 4 * 5 / 6]),
    ),
    "randperm": (
        lambda: rg.stack([rg.randperm(5) for _ in range(400)]).flatten()[::5],
        np.full(5, 1 / 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str) -> None:
    draw, probabilities = WHOLE[name]
    rg.manual_seed(2)
    value, freedom = chi_squared(draw().numpy(), probabilities)
    # five and a half deviations of Wilson and Hilferty's approximation
    spread = 2 / (9 * freedom)
    assert value < freedom * (1 - spread + 5.5 * math.sqrt(spread)) ** 3


def test_a_permutation_has_each_number_once() -> None:
    assert rg.randperm(1000).sort()[0].tolist() == list(range(1000))
    without = rg.multinomial(rg.rand(50, 20), 20)
    assert (without.sort(1)[0] == rg.arange(20)).all()


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16, rg.float32], ids=str)
def test_ends_are_never_reached(dtype: rg.dtype) -> None:
    rg.manual_seed(3)
    u = rg.rand(200_000, dtype=dtype)
    assert u.min().item() >= 0 and u.max().item() < 1
    assert rg.zeros(200_000, dtype=dtype).exponential_().min().item() > 0
    assert rg.zeros(200_000, dtype=dtype).geometric_(0.99).min().item() == 1


def test_a_generator_of_ones_own_repeats_and_leaves_the_default_alone() -> None:
    def draws(g: rg.Generator) -> list[Any]:
        x = rg.ones(3)
        made = [rg.rand(3, generator=g), rg.randn(3, generator=g),
                rg.randint(9, (3,), generator=g), rg.randperm(3, generator=g),
                rg.rand_like(x, generator=g), rg.randn_like(x, generator=g),
                rg.randint_like(x, 9, generator=g), rg.normal(x, x, generator=g),
                rg.bernoulli(x / 2, generator=g), rg.poisson(x, generator=g),
                rg.binomial(x * 9, x / 2, generator=g),
                rg.multinomial(x, 2, generator=g)]  # fmt: skip
        for name in ("uniform", "normal", "exponential", "cauchy", "log_normal",
                     "bernoulli", "random"):  # fmt: skip
            made.append(getattr(rg.zeros(3), name + "_")(generator=g))
        made.append(rg.zeros(3).geometric_(0.2, generator=g))
        return [m.tolist() for m in made]

    state = rg.get_rng_state().tolist()
    g = rg.Generator().manual_seed(7)
    first = draws(g)
    assert draws(rg.Generator().manual_seed(7)) == first
    assert draws(g) != first
    assert rg.get_rng_state().tolist() == state
    other = rg.Generator()
    other.set_state(g.get_state())
    assert rg.rand(2, generator=other).tolist() == rg.rand(2, generator=g).tolist()


def test_draws_that_nobody_reads_move_the_counter_all_the_same() -> None:
    rg.manual_seed(4)
    rg.rand(10)
    a = rg.rand(10).tolist()
    rg.manual_seed(4)
    rg.rand(10).tolist()
    assert rg.rand(10).tolist() == a


def test_gradients_of_what_is_drawn_are_zero() -> None:
    p = rg.full((3,), 0.5, requires_grad=True)
    for made in (rg.bernoulli(p), rg.poisson(p)):
        (g,) = rg.autograd.grad(made.sum(), p)
        assert g.tolist() == [0, 0, 0]
    y = p * 2
    y.uniform_()
    y.sum().backward()
    assert p.grad.tolist() == [0, 0, 0]


def test_a_leaf_that_wants_gradients_is_drawn_into_under_no_grad_only() -> None:
    p = rg.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        p.uniform_()
    with rg.no_grad():
        p.uniform_(1, 2)
    assert (p >= 1).all() and p.requires_grad and p.is_leaf
