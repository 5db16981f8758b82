"""Matrix calculus against the lectures' identities, and entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.calculus import DENOMINATOR, NUMERATOR, Derivative, derivative, shape_in
from retrograd.ops.op import probe

h, beta, Omega = probe(3, seed=1), probe(2, seed=2), probe(2, 3, seed=3)


def t(array: Any) -> Any:
    return rg.tensor(np.asarray(array))


def layer(beta: Any, Omega: Any, h: Any) -> Any:
    return beta + Omega @ h


def close(a: Derivative, b: Any) -> None:
    assert a.shape == np.shape(b)
    np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-14)


# The lectures write derivatives by columns: the denominator layout.


def test_a_layer_by_its_input_is_the_weights_transposed() -> None:
    args = (t(beta), t(Omega), t(h))
    close(derivative(layer, *args, argnum=2), Omega.T)
    close(derivative(layer, *args, argnum=2, layout=NUMERATOR), Omega)


def test_a_layer_by_its_bias_is_the_identity() -> None:
    args = (t(beta), t(Omega), t(h))
    for layout in (NUMERATOR, DENOMINATOR):
        close(derivative(layer, *args, argnum=0, layout=layout), np.eye(2))


def test_homework_of_a_matrix_times_a_vector() -> None:
    B, a = probe(3, 4), probe(4, seed=5)
    close(derivative(lambda a: t(B) @ a, t(a)), B.T)


def test_an_activation_is_a_diagonal_of_ones_and_zeros() -> None:
    close(derivative(rg.relu, t(h)), np.diag((h > 0).astype(float)))


def test_a_loss_by_the_weights_is_an_outer_product() -> None:
    """∂ℓ/∂Ω = ∂ℓ/∂f · hᵀ."""
    y = probe(2, seed=7)

    def loss(Omega: Any) -> Any:
        return ((layer(t(beta), Omega, t(h)) - t(y)) ** 2).sum()

    f = beta + Omega @ h
    close(derivative(loss, t(Omega)), np.outer(2 * (f - y), h))
    close(derivative(loss, t(Omega), layout=NUMERATOR), np.outer(2 * (f - y), h).T)


def test_backward_pass_of_two_layers_is_a_product_from_right_to_left() -> None:
    """∂ℓ/∂f₀ = ∂h₁/∂f₀ · ∂f₁/∂h₁ · ∂ℓ/∂f₁."""
    f0 = t(probe(3, seed=8))
    h1 = rg.relu(f0)
    f1 = layer(t(beta), t(Omega), h1)
    of_h1 = derivative(rg.relu, f0)
    of_f1 = derivative(lambda h: layer(t(beta), t(Omega), h), h1)
    of_loss = derivative(lambda f: (f**2).sum(), f1)
    whole = derivative(lambda f: (layer(t(beta), t(Omega), rg.relu(f)) ** 2).sum(), f0)
    close(of_h1 @ of_f1 @ of_loss, whole.numpy())
    back = of_loss.T @ of_f1.T @ of_h1.T  # from left to right in the other layout
    assert back.layout == NUMERATOR
    close(back, whole.T.numpy())
    with pytest.raises(ValueError, match="from right to left"):
        of_loss @ of_f1
    with pytest.raises(ValueError, match=r"bring both to one.*\.to\('denominator'\)"):
        of_h1 @ of_f1.T


FUNCTIONS: dict[tuple[int, ...], Any] = {
    (): lambda x: (x.sin() * x.exp()).sum(),
    (2,): lambda x: rg.stack([x.sin().sum(), (x * x).sum()]),
    (2, 3): lambda x: rg.stack([x.sin().sum() * k for k in range(6)]).reshape(2, 3),
}


@pytest.mark.parametrize("layout", [NUMERATOR, DENOMINATOR])
@pytest.mark.parametrize(
    ("of", "by"),
    [((), ()), ((), (3,)), ((2,), ()), ((2,), (3,)), ((2,), (7,)), ((), (2, 3)), ((2, 3), ())],
)  # fmt: skip
def test_entry_by_entry(of: Any, by: Any, layout: str) -> None:
    """Each entry against a central difference, in the place that the layout says."""
    x, step = np.asarray(probe(*by, seed=4)), 1e-6
    found = derivative(FUNCTIONS[of], t(x), layout=layout)
    assert (found.of, found.by, found.layout) == (of, by, layout)
    assert tuple(found.shape) == shape_in(layout, of, by)
    for j in np.ndindex(*by):
        e = np.zeros(by)
        e[j] = step
        ahead, behind = FUNCTIONS[of](t(x + e)), FUNCTIONS[of](t(x - e))
        change = (ahead - behind).numpy() / (2 * step)
        for i in np.ndindex(*of):
            rows = (i or (0,)) if len(by) < 2 else ()
            columns = (j or (0,)) if len(of) < 2 else ()
            if len(by) == 2:
                columns = columns[::-1]  # numerator layout: the transpose of x
            place = (*rows, *columns)
            if layout == DENOMINATOR:
                place = place[::-1]
            if not of and not by:
                place = ()
            assert found.numpy()[place] == pytest.approx(change[i], abs=1e-8)


def test_the_layout_is_named() -> None:
    text = repr(derivative(lambda x: x.sum(), t(h)))
    assert text.startswith("∂ scalar / ∂ vector[3], denominator layout:\ntensor([[1.]")
    assert "numerator layout" in repr(derivative(rg.sin, t(h), layout=NUMERATOR))


def test_what_is_no_matrix_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"jacrev.*\[2, 3, 3\]"):
        derivative(lambda x: t(Omega) * x, t(h))
    with pytest.raises(ValueError, match="layout must be"):
        derivative(rg.sin, t(h), layout="rows")
