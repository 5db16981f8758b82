"""The Gauss-Newton diagonal by random signs, against the matrix written out."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.optim import gauss_newton_diagonal


def exact(model: nn.Module, x: rg.Tensor) -> list[np.ndarray]:
    """1/N Σ Jᵀ (diag(p) − ppᵀ) J, its diagonal, one score at a time."""
    parameters = list(model.parameters())
    found = [np.zeros(tuple(w.shape)) for w in parameters]
    for row in x:
        scores = model(row[None])[0]
        p = scores.detach().softmax(0).numpy()
        jacobian = [rg.autograd.grad(s, parameters, retain_graph=True) for s in scores]
        middle = np.diag(p) - np.outer(p, p)
        for k in range(len(parameters)):
            J = np.stack([g[k].numpy() for g in jacobian])
            found[k] += np.einsum("a...,ab,b...->...", J, middle, J) / len(x)
    return found


def test_its_mean_is_the_diagonal() -> None:
    rg.manual_seed(0)
    model, x = (
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
        rg.randn(5, 3),
    )
    rounds = [
        [h.numpy() for h in gauss_newton_diagonal(model(x), model.parameters())]
        for _ in range(1500)
    ]
    for k, diagonal in enumerate(exact(model, x)):
        drawn = np.stack([r[k] for r in rounds])
        error = drawn.std(0) / len(drawn) ** 0.5
        assert (drawn >= 0).all()
        assert (np.abs(drawn.mean(0) - diagonal) < 5 * error + 1e-7).all()


def test_networks_side_by_side_are_averaged_each_for_itself() -> None:
    w = rg.tensor([[0.0, 0.0], [3.0, 0.0]], requires_grad=True)
    rg.manual_seed(0)
    drawn = [
        gauss_newton_diagonal(w[:, None].expand(2, 1, 2), [w])[0].numpy()
        for _ in range(1500)
    ]
    p = 1 / (1 + np.exp(-np.array([[0.0], [3.0]])))
    error = np.std(drawn, 0) / len(drawn) ** 0.5
    assert (np.abs(np.mean(drawn, 0) - p * (1 - p)) < 5 * error).all()
    with pytest.raises(ValueError, match="samples, classes"):
        gauss_newton_diagonal(w[0], [w])
