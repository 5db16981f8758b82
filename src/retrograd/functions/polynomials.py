"""Orthogonal polynomials of degree n, by their recurrences. n is a number or a tensor
(whose values are read at once); the polynomial of a negative degree is 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from ..ops.elementwise import Where
from ..ops.families import Tensor
from ..ops.op import broadcast_shapes
from ..trace import is_tensor

Operand = Any  # a Tensor or a Python number
Recurrence = Callable[[int, Tensor, Tensor, Tensor], Tensor]


def _evaluated(x: Operand, n: Operand, first: Any, following: Recurrence) -> Tensor:
    """pₙ(x) where p₀ = 1, p₁ = first(x) and pₖ₊₁ = following(k, x, pₖ, pₖ₋₁)."""
    if not is_tensor(x):
        kind: Any = n.dtype if n.dtype.is_floating_point else dtypes.get_default_dtype()
        x = constant(np.asarray(x, kind.np))
    elif not x.dtype.is_floating_point:
        x = x.to(dtypes.get_default_dtype())
    if is_tensor(n):
        values: Any = n.detach().numpy()
        degrees = np.asarray(values, np.float64).astype(np.int64)
    else:
        degrees = np.asarray(int(n))
    highest = int(degrees.max(initial=-1))
    shape = broadcast_shapes(x.shape, degrees.shape)
    out = constant(np.zeros(shape, x.dtype.np))
    below: Any = None
    here: Any = constant(np.ones(x.shape, x.dtype.np))
    for k in range(highest + 1):
        if np.any(degrees == k):
            out = apply(Where, constant(degrees == k), here, out)
        if k == 0:
            below, here = here, first(x)
        else:
            below, here = here, following(k, x, here, below)
    return out


def _chebyshev(k: int, x: Tensor, here: Tensor, below: Tensor) -> Tensor:
    return 2 * x * here - below


def chebyshev_polynomial_t(input: Operand, n: Operand) -> Tensor:
    """Chebyshev's polynomial of the first kind: Tₙ(cos t) = cos(nt)."""
    return _evaluated(input, n, lambda x: x, _chebyshev)


def chebyshev_polynomial_u(input: Operand, n: Operand) -> Tensor:
    """Chebyshev's polynomial of the second kind: Uₙ(cos t) = sin((n + 1)t) / sin t."""
    return _evaluated(input, n, lambda x: 2 * x, _chebyshev)


def chebyshev_polynomial_v(input: Operand, n: Operand) -> Tensor:
    """Chebyshev's polynomial of the third kind:
    Vₙ(cos t) = cos((n + ½)t) / cos(t/2)."""
    return _evaluated(input, n, lambda x: 2 * x - 1, _chebyshev)


def chebyshev_polynomial_w(input: Operand, n: Operand) -> Tensor:
    """Chebyshev's polynomial of the fourth kind:
    Wₙ(cos t) = sin((n + ½)t) / sin(t/2)."""
    return _evaluated(input, n, lambda x: 2 * x + 1, _chebyshev)


def shifted_chebyshev_polynomial_t(input: Operand, n: Operand) -> Tensor:
    """Tₙ(2 · input − 1)."""
    return chebyshev_polynomial_t(2 * input - 1, n)


def shifted_chebyshev_polynomial_u(input: Operand, n: Operand) -> Tensor:
    """Uₙ(2 · input − 1)."""
    return chebyshev_polynomial_u(2 * input - 1, n)


def shifted_chebyshev_polynomial_v(input: Operand, n: Operand) -> Tensor:
    """Vₙ(2 · input − 1)."""
    return chebyshev_polynomial_v(2 * input - 1, n)


def shifted_chebyshev_polynomial_w(input: Operand, n: Operand) -> Tensor:
    """Wₙ(2 · input − 1)."""
    return chebyshev_polynomial_w(2 * input - 1, n)


def hermite_polynomial_h(input: Operand, n: Operand) -> Tensor:
    """The physicists' Hermite polynomial: exp(x²) (−d/dx)ⁿ exp(−x²)."""
    return _evaluated(
        input, n, lambda x: 2 * x, lambda k, x, p, q: 2 * x * p - 2 * k * q
    )


def hermite_polynomial_he(input: Operand, n: Operand) -> Tensor:
    """The probabilists' Hermite polynomial: exp(x²/2) (−d/dx)ⁿ exp(−x²/2)."""
    return _evaluated(input, n, lambda x: x, lambda k, x, p, q: x * p - k * q)


def laguerre_polynomial_l(input: Operand, n: Operand) -> Tensor:
    """Laguerre's polynomial: exp(x)/n! · (d/dx)ⁿ (exp(−x) xⁿ)."""
    return _evaluated(
        input,
        n,
        lambda x: 1 - x,
        lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1),
    )


def legendre_polynomial_p(input: Operand, n: Operand) -> Tensor:
    """Legendre's polynomial: 1/(2ⁿ n!) · (d/dx)ⁿ (x² − 1)ⁿ."""
    return _evaluated(
        input,
        n,
        lambda x: x,
        lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1),
    )
