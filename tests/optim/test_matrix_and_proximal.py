"""Gradient descent with a matrix for its rate, and with the proximal step of L1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim import SGD, PreconditionedSGD, ProximalSGD


def parameter(*values: float) -> Any:
    return rg.tensor(list(values), dtype=rg.float64, requires_grad=True)


def descend(optimizer: Any, w: Any, hessian: Any, target: Any, steps: int) -> None:
    """Steps along the gradient of ½(w − target)ᵀ H (w − target)."""
    H, t = (rg.tensor(a, dtype=rg.float64) for a in (hessian, target))
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * ((w - t) @ H @ (w - t))).backward()
        optimizer.step()


H = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
P = np.array([[2.0, -0.5, 0.0], [-0.5, 1.0, 0.2], [0.0, 0.2, 0.5]])
TARGET = np.array([1.0, -0.02, 0.5])


def test_a_matrix_rate_is_its_closed_form() -> None:
    w = parameter(0.0, 0.0, 0.0)
    descend(PreconditionedSGD([w], lr=0.2, preconditioner=P), w, H, TARGET, 7)
    shrink = np.linalg.matrix_power(np.eye(3) - 0.2 * P @ H, 7)
    np.testing.assert_allclose(w.tolist(), TARGET - shrink @ TARGET, rtol=1e-12)


def test_the_inverse_hessian_is_newtons_step() -> None:
    w = parameter(5.0, -3.0, 2.0)
    P = rg.tensor(np.linalg.inv(H))
    descend(PreconditionedSGD([w], lr=1.0, preconditioner=P), w, H, TARGET, 1)
    np.testing.assert_allclose(w.tolist(), TARGET, rtol=1e-12)


@pytest.mark.parametrize(
    "how", [{}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}]
)
@pytest.mark.parametrize("matrix", [None, np.eye(3)])
def test_the_identity_is_plain_descent(how: dict[str, Any], matrix: Any) -> None:
    a, b = parameter(1.0, 2.0, 3.0), parameter(1.0, 2.0, 3.0)
    plain = SGD([a], lr=0.1, weight_decay=0.1, **how)
    given = PreconditionedSGD(
        [b], lr=0.1, weight_decay=0.1, preconditioner=matrix, **how
    )
    descend(plain, a, H, TARGET, 6)
    descend(given, b, H, TARGET, 6)
    np.testing.assert_allclose(a.tolist(), b.tolist(), rtol=1e-12)


def test_groups_have_matrices_of_their_own_and_may_change_them() -> None:
    a = parameter(1.0, 1.0)
    b = rg.ones(2, 2, dtype=rg.float64, requires_grad=True)
    optimizer = PreconditionedSGD(
        [{"params": [a], "preconditioner": np.diag([1.0, 0.0])},
         {"params": [b], "preconditioner": np.diag([1.0, 2.0, 3.0, 4.0])}], lr=0.5,
    )  # fmt: skip
    for _ in range(4):
        optimizer.zero_grad()
        (a.sum() + b.sum()).backward()
        optimizer.step()
    assert a.tolist() == [-1.0, 1.0]
    assert b.tolist() == [[-1.0, -3.0], [-5.0, -7.0]]
    optimizer.param_groups[0]["preconditioner"] = rg.tensor([[0.0, 0], [0, 1]])
    for _ in range(4):
        optimizer.zero_grad()
        (a.sum() + b.sum()).backward()
        optimizer.step()
    assert a.tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        (np.diag([1.0, -1e-3]), "negative eigenvalue, -0.001"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "negative eigenvalue, -1"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
        (np.ones((2, 3)), "square"),
        (np.ones(2), "square"),
        (np.diag([1.0, np.nan]), "NaN"),
        (np.eye(3), "2 elements"),
    ],
)
def test_what_is_not_positive_semi_definite_is_refused(matrix: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PreconditionedSGD([parameter(1.0, 1.0)], preconditioner=matrix)
    with pytest.raises(ValueError, match=why):
        PreconditionedSGD([parameter(1.0, 1.0)], preconditioner=rg.tensor(matrix))


def test_a_singular_matrix_is_allowed() -> None:
    v = np.array([[0.3], [0.7]], np.float32)
    w = parameter(1.0, 1.0)
    descend(
        PreconditionedSGD([w], lr=0.1, preconditioner=v @ v.T), w, np.eye(2), [0, 0], 3
    )
    assert w.tolist() != [1.0, 1.0]


def soft(v: Any, t: float) -> Any:
    return np.sign(v) * np.maximum(np.abs(v) - t, 0)


def test_the_proximal_step_is_ista() -> None:
    w, expected = parameter(0.3, -0.2, 0.1), np.array([0.3, -0.2, 0.1])
    descend(ProximalSGD([w], lr=0.2, l1=0.3), w, H, TARGET, 9)
    for _ in range(9):
        expected = soft(expected - 0.2 * H @ (expected - TARGET), 0.06)
    assert 0.0 in expected
    np.testing.assert_allclose(w.tolist(), expected, rtol=1e-12)


@pytest.mark.parametrize("how", [{}, {"momentum": 0.5}, {"momentum": 0.9}])
def test_it_finds_the_lasso_solution_with_exact_zeros(how: dict[str, Any]) -> None:
    """For H = 1 the solution is the target, shrunk by λ: a closed form."""
    w = parameter(4.0, 4.0, -4.0)
    descend(ProximalSGD([w], lr=0.3, l1=0.1, **how), w, np.eye(3), TARGET, 400)
    np.testing.assert_allclose(w.tolist(), soft(TARGET, 0.1), atol=1e-8)
    assert w.tolist()[1] == 0.0


def test_groups_have_their_own_penalty_and_a_schedule_moves_both() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = ProximalSGD([{"params": [a], "l1": 1.0}, {"params": [b]}], lr=0.1)
    for rate in (0.1, 0.2, 0.3):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        (0 * (a + b)).sum().backward()
        optimizer.step()
    np.testing.assert_allclose([a.item(), b.item()], [0.4, 1.0])
    with pytest.raises(ValueError, match="Invalid l1 value: -1"):
        ProximalSGD([a], l1=-1)
