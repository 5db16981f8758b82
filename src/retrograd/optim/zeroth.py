"""Optimizers without derivatives: they only ask for values of the objective.

For objectives that are flat, a staircase, or unknown. All move the parameters that they are
given, in place, and have one method, ``step(closure)``: *closure* returns the objective as a
number or a 0-d tensor at the parameters as they are; lower is better. Nothing is recorded and
no gradient is needed. ``step`` returns the lowest value that it met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..dispatch import constant
from ..functions.random import randint, randn
from ..tensor import Tensor

Closure = Callable[[], Any]
Array = np.ndarray[Any, Any]


class Zeroth:
    """What they share: the parameters as one vector, and asking for a value there."""

    def __init__(self, params: Iterable[Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params should be an iterable of Tensors: put it in a list")
        self.params = list(params)
        if not self.params:
            raise ValueError("optimizer got an empty parameter list")
        for p in self.params:
            if not isinstance(p, Tensor):
                raise TypeError(f"can optimize Tensors only, not {type(p).__name__}")
            if not p.dtype.is_floating_point:
                raise ValueError(f"can optimize floating point only, not {p.dtype}")
        self.evaluations = 0

    def vector(self) -> Array:
        """All parameters, flat, in double precision."""
        flat = [p.detach().numpy().astype(np.float64).ravel() for p in self.params]
        return np.concatenate(flat)

    def move_to(self, vector: Array) -> None:
        """Write a vector into the parameters."""
        start = 0
        with no_grad():
            for p in self.params:
                part = vector[start : start + p.numel()].reshape(tuple(p.shape))
                p.copy_(constant(np.asarray(part, p.dtype.np)))
                start += p.numel()

    def value(self, closure: Closure, vector: Array) -> float:
        """The objective at a vector."""
        self.move_to(vector)
        self.evaluations += 1
        with no_grad():
            found = closure()
        return float(found.item() if isinstance(found, Tensor) else found)

    def step(self, closure: Closure) -> float:
        raise NotImplementedError


class EvolutionStrategy(Zeroth):
    """Gradient of the objective smoothed by noise, from antithetic samples:
    g = 1/(2nσ) Σ (F(θ + σε) − F(θ − σε)) ε;  θ ← θ − η g, ε ~ N(0, 1).

    σ is *sigma*, n *pairs*, η *lr*. E_ε F(θ + σε) is differentiable wherever it exists,
    stairs or not; using +ε and −ε removes every even term of F from the noise. With
    *ranks* the values of a step are replaced by their centred ranks, so that only their
    order counts and outliers do not. Salimans et al. 2017, arXiv:1703.03864.

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> w = rg.tensor([3.0, -2.0])
    >>> optimizer = rg.optim.zeroth.EvolutionStrategy([w], lr=0.2, sigma=0.1)
    >>> for _ in range(200):
    ...     _ = optimizer.step(lambda: (w ** 2).sum())
    >>> w.abs().max().item() < 0.1
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        sigma: float = 0.1,
        pairs: int = 8,
        *,
        ranks: bool = False,
        generator: Any = None,
    ) -> None:
        super().__init__(params)
        if not lr >= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not sigma > 0:
            raise ValueError(f"Invalid sigma value: {sigma}")
        if pairs < 1:
            raise ValueError(f"Invalid number of pairs: {pairs}")
        self.lr, self.sigma, self.pairs = lr, sigma, pairs
        self.ranks, self.generator = ranks, generator

    def gradient(self, closure: Closure) -> tuple[Array, float]:
        """The estimate at the parameters, which are left as they are; the lowest value."""
        start = self.vector()
        noise = randn(self.pairs, len(start), generator=self.generator).numpy()
        noise = noise.astype(np.float64)
        values = np.array(
            [
                [self.value(closure, start + s * self.sigma * e) for s in (1, -1)]
                for e in noise
            ]
        )
        self.move_to(start)
        scores = values
        if self.ranks:
            order = values.ravel().argsort(kind="stable").argsort(kind="stable")
            scores = (order / (values.size - 1) - 0.5).reshape(values.shape)
        difference = scores[:, 0] - scores[:, 1]
        return difference @ noise / (2 * self.pairs * self.sigma), float(values.min())

    def step(self, closure: Closure) -> float:
        gradient, lowest = self.gradient(closure)
        self.move_to(self.vector() - self.lr * gradient)
        return lowest


class SPSA(Zeroth):
    """Simultaneous perturbation: two values a step, whatever the number of parameters.
    g = (F(θ + cΔ) − F(θ − cΔ)) / 2c · Δ, Δ = ±1;  θ ← θ − aₖ g.

    aₖ = lr/(k + 1 + A)^α, cₖ = c/(k + 1)^γ with *stability* A and Spall's α = 0.602,
    γ = 0.101. J. C. Spall, IEEE Transactions on Automatic Control 37 (1992) 332;
    constants from IEEE Transactions on Aerospace and Electronic Systems 34 (1998) 817.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        c: float = 0.1,
        *,
        stability: float = 0.0,
        alpha: float = 0.602,
        gamma: float = 0.101,
        generator: Any = None,
    ) -> None:
        super().__init__(params)
        if not lr >= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not c > 0:
            raise ValueError(f"Invalid c value: {c}")
        self.lr, self.c, self.stability = lr, c, stability
        self.alpha, self.gamma, self.generator = alpha, gamma, generator
        self.steps = 0

    def step(self, closure: Closure) -> float:
        self.steps += 1
        rate = self.lr / (self.steps + self.stability) ** self.alpha
        width = self.c / self.steps**self.gamma
        start = self.vector()
        signs = randint(0, 2, (len(start),), generator=self.generator).numpy()
        delta = 2.0 * signs - 1.0
        above = self.value(closure, start + width * delta)
        below = self.value(closure, start - width * delta)
        self.move_to(start - rate * (above - below) / (2 * width) * delta)
        return min(above, below)


class CMAES(Zeroth):
    """Covariance matrix adaptation: samples from N(m, σ²C), whose mean, size and shape
    follow the better half of what was tried. By the library ``cma`` of its author.

    The parameters are left at the mean after each step; ``best`` is the best vector met.
    Hansen, Ostermeier 2001; needs ``pip install 'retrograd[zeroth]'``. For up to some
    hundred parameters: the matrix has their number squared. *seed* None draws one from
    the library's generator; *options* go to ``cma.CMAEvolutionStrategy``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        sigma: float = 0.5,
        *,
        population: int | None = None,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(params)
        if not sigma > 0:
            raise ValueError(f"Invalid sigma value: {sigma}")
        try:
            import cma
        except ImportError:
            raise ImportError(
                "CMAES uses the library cma, which is not installed: "
                "pip install 'retrograd[zeroth]'"
            ) from None
        drawn = int(randint(1, 1 << 31, (1,)).item()) if seed is None else seed
        chosen = {"verbose": -9, "seed": drawn, **(options or {})}
        if population is not None:
            chosen["popsize"] = population
        self.strategy = cma.CMAEvolutionStrategy(self.vector(), sigma, chosen)
        self.best: Array = self.vector()

    def step(self, closure: Closure) -> float:
        tried = self.strategy.ask()
        values = [self.value(closure, np.asarray(v)) for v in tried]
        self.strategy.tell(tried, values)
        self.best = np.array(self.strategy.best.x)
        self.move_to(np.array(self.strategy.mean))
        return min(values)


__all__ = ["CMAES", "SPSA", "EvolutionStrategy"]
