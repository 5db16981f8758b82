"""How a loss curves along each weight, for rates of each weight's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..autograd import grad
from ..functions.random import randint


def gauss_newton_diagonal(
    scores: Any, params: Iterable[Any], *, retain_graph: bool = False
) -> list[Any]:
    """An estimate of the diagonal of G = 1/N Σ_n Jₙᵀ (diag(pₙ) − pₙpₙᵀ) Jₙ for each parameter.

    G is the Gauss-Newton matrix of the mean cross-entropy of *scores* [N, C] with p =
    softmax(scores) and J their Jacobian by the parameters; positive, unlike the Hessian. With
    random signs v and u = √p ⊙ v − p Σ(√p ⊙ v), whose mean square is the matrix between
    the J, the square of one backward pass of Σ u·scores/√N has the diagonal as its mean
    over v. Scores [S, N, C] are those of S networks side by side, each with its own
    average. LeCun et al., Efficient BackProp, 1998, §9.1 descends by the rates η/(h + μ)
    with h a running mean of such estimates.

    >>> import retrograd as rg
    >>> bias = rg.tensor([0.0, 0.0], requires_grad=True)
    >>> diagonal = rg.optim.gauss_newton_diagonal
    >>> drawn = [diagonal(bias.expand(1, 2), [bias])[0][0].item() for _ in range(200)]
    >>> abs(sum(drawn) / 200 - 0.25) < 0.1  # p (1 − p)
    True
    """
    if scores.ndim not in (2, 3):
        raise ValueError(
            f"scores should be [samples, classes], or [networks, samples, classes], but have "
            f"shape {list(scores.shape)}"
        )
    p = scores.detach().softmax(-1)
    signed = p.sqrt() * (2.0 * randint(0, 2, tuple(p.shape)) - 1.0)
    u = signed - p * signed.sum(-1, keepdim=True)
    found = grad(
        (scores * u).sum() / scores.shape[-2] ** 0.5,
        list(params),
        retain_graph=retain_graph,
    )
    return [g**2 for g in found]
