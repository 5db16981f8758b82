"""What the lectures say about perturbations and about derivatives as matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.calculus import derivative
from retrograd.func import jvp
from retrograd.ops.op import probe

f64 = {"dtype": rg.float64}


def t(array: Any) -> Any:
    return rg.tensor(np.asarray(array), **f64)


# A5: the perturbation view


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "sin", "exp"])
def test_A5_every_local_derivative_is_a_perturbation(name: str) -> None:
    """z = h(s): ds becomes dz = ds · h′(s), and C(z) changes by dC = dz · dC/dz."""
    h = getattr(rg, name)
    s, ds = t(probe(4)), t(1e-4 * probe(4, seed=1))
    z, dz = jvp(h, (s,), (ds,))
    np.testing.assert_allclose(
        (h(s + ds) - z).numpy(), dz.numpy(), atol=1e-7
    )  # ½ h″ ds²
    target = t(probe(4, seed=2))
    cost, dcost = jvp(lambda z: ((z - target) ** 2).sum(), (z,), (dz,))
    assert dcost.item() == pytest.approx((dz * 2 * (z - target)).sum().item())
    whole = ((h(s + ds) - target) ** 2).sum() - cost
    assert whole.item() == pytest.approx(dcost.item(), abs=1e-6)


# A11: matrix calculus


def test_A11_layer_by_its_input_and_its_bias() -> None:
    """∂(β + Ωh)/∂h = Ωᵀ and ∂(β + Ωh)/∂β = I, by columns as on the slides."""
    beta, Omega, h = probe(2), probe(2, 3), probe(3, seed=1)
    by_h = derivative(lambda h: t(beta) + t(Omega) @ h, t(h))
    by_beta = derivative(lambda b: b + t(Omega) @ t(h), t(beta))
    np.testing.assert_allclose(by_h.numpy(), Omega.T)
    np.testing.assert_allclose(by_beta.numpy(), np.eye(2))
    assert "denominator layout" in repr(by_h)
    np.testing.assert_allclose(by_h.to("numerator").numpy(), Omega)


def test_A11_scalar_by_vector_and_by_matrix() -> None:
    a, A = probe(4), probe(4, 3)
    by_vector = derivative(lambda a: (a**2).sum(), t(a))
    assert by_vector.shape == (4, 1)  # a column
    np.testing.assert_allclose(by_vector.numpy()[:, 0], 2 * a)
    by_matrix = derivative(lambda A: (A**2).sum(), t(A))
    np.testing.assert_allclose(by_matrix.numpy(), 2 * A)  # the shape of A


def test_A11_homework() -> None:
    """f = Ba: ∂f/∂a = Bᵀ."""
    B, a = probe(3, 4), probe(4, seed=1)
    np.testing.assert_allclose(derivative(lambda a: t(B) @ a, t(a)).numpy(), B.T)
