"""Matrix calculus against the lectures' identities, and entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.calculus import (
    DENOMINATOR,
    NUMERATOR,
    Derivative,
    derivative,
    hessian,
    shape_in,
    vec,
)
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
    with pytest.raises(NotImplementedError, match=r"jacrev.*\[2, 1, 3, 3\]"):
        derivative(lambda x: t(Omega)[:, None] * x, t(h))
    with pytest.raises(ValueError, match="layout must be"):
        derivative(rg.sin, t(h), layout="rows")


# -- matrices by columns -----------------------------------------------------------------

A, X, B = probe(2, 3, seed=11), probe(3, 4, seed=12), probe(4, 2, seed=13)


def columns(array: Any) -> Any:
    return np.asarray(array).T.reshape(-1)


def test_vec_puts_columns_below_each_other() -> None:
    assert vec(t(A)).tolist() == columns(A).tolist()
    assert vec(t(h)).tolist() == h.tolist()
    with pytest.raises(ValueError, match=r"vec takes a matrix.*\[1, 2, 3\]"):
        vec(rg.zeros(1, 2, 3))


def test_vec_of_a_product_is_a_kronecker_product() -> None:
    """∂ vec(AXB) / ∂ vec(X) = Bᵀ ⊗ A, and by each of the factors."""
    product = [
        lambda M: M @ t(X) @ t(B),
        lambda M: t(A) @ M @ t(B),
        lambda M: t(A) @ t(X) @ M,
    ]
    expected = [
        np.kron((X @ B).T, np.eye(2)),
        np.kron(B.T, A),
        np.kron(np.eye(2), A @ X),
    ]
    for f, point, jacobian in zip(product, (A, X, B), expected, strict=True):
        found = derivative(f, t(point), layout=NUMERATOR)
        close(found, jacobian)
        close(found.T, jacobian.T)
        assert repr(found).startswith("∂ vec matrix[2×2] / ∂ vec matrix")


def test_a_transpose_is_the_commutation_matrix() -> None:
    K = derivative(lambda X: X.T, t(X), layout=NUMERATOR).numpy()
    assert (K @ columns(X)).tolist() == columns(X.T).tolist()
    close(derivative(lambda X: X.T, t(X.T)), K)


def test_matrices_and_vectors_by_each_other() -> None:
    x = probe(3, seed=14)
    by_vector = derivative(rg.outer, t(x), t(beta), layout=NUMERATOR)
    close(by_vector, np.kron(beta[:, None], np.eye(3)))
    assert repr(by_vector).startswith("∂ vec matrix[3×2] / ∂ vector[3]")
    by_matrix = derivative(lambda A: A @ t(x), t(A), layout=NUMERATOR)
    close(by_matrix, np.kron(x[None], np.eye(2)))
    assert repr(by_matrix).startswith("∂ vector[2] / ∂ vec matrix[2×3]")


def test_chains_go_through_matrices() -> None:
    """A scalar of a matrix of a matrix (or a vector, or a scalar), in both layouts."""
    for inner, point in [
        (lambda M: t(A) @ M @ t(B), X),
        (lambda v: rg.outer(v, v), beta),
        (lambda s: s * t(A @ X @ B) + s**2, np.float64(0.7)),
    ]:

        def outer(M: Any) -> Any:
            return rg.linalg.det(M) + M.sum().sin()

        F = inner(t(point))
        first, then = derivative(inner, t(point)), derivative(outer, F)
        whole = derivative(lambda x, f=inner: outer(f(x)), t(point))
        chained = first @ then
        assert (chained.of, chained.by, chained.layout) == ((), whole.by, DENOMINATOR)
        np.testing.assert_allclose(chained.numpy(), whole.numpy(), rtol=1e-12)
        np.testing.assert_allclose(
            (then.T @ first.T).numpy(), whole.T.numpy(), rtol=1e-12
        )


def test_identities_of_traces_and_determinants() -> None:
    M, C = probe(3, 3, seed=15) + 3 * np.eye(3), probe(3, 3, seed=16)
    inverse = np.linalg.inv(M)
    close(derivative(lambda X: rg.trace(t(C) @ X), t(M)), C.T)
    close(derivative(lambda X: rg.trace(X.T @ t(C) @ X), t(M)), (C + C.T) @ M)
    close(derivative(rg.logdet, t(M)), inverse.T)
    close(derivative(rg.linalg.det, t(M)), np.linalg.det(M) * inverse.T)
    close(
        derivative(rg.linalg.inv, t(M), layout=NUMERATOR), -np.kron(inverse.T, inverse)
    )
    close(derivative(lambda X: (X * X).sum(), t(M)), 2 * M)


def test_second_derivatives() -> None:
    C, x = probe(3, 3, seed=16), probe(3, seed=17)
    for layout in (NUMERATOR, DENOMINATOR):
        close(hessian(lambda x: x @ t(C) @ x, t(x), layout=layout), C + C.T)
    close(hessian(lambda X: (X**3).sum() / 6, t(A)), np.diag(columns(A)))
    close(hessian(rg.sin, t(np.float64(0.3))), -np.sin(0.3))
    twice = derivative(lambda x: derivative(lambda x: (x**4).sum(), x), t(x))
    close(twice, np.diag(12 * x**2))
    with pytest.raises(NotImplementedError, match="one of a scalar is a matrix"):
        hessian(rg.sin, t(x))


def test_sums_and_multiples() -> None:
    x = t(h)
    sine, square = derivative(rg.sin, x), derivative(rg.square, x)
    both = derivative(lambda x: 2 * x.sin() - x.square(), x)
    close(2 * sine - square, both.numpy())
    close(-(square + sine * -2.0), both.numpy())
    with pytest.raises(ValueError, match="bring both to one"):
        sine + square.T
    with pytest.raises(TypeError, match="multiplied by a number, or chained"):
        sine * square


def test_no_minus_zero_is_shown() -> None:
    found = derivative(lambda a, b: a * b, t([1.0, -1.0]), t([1.0, 1.0]), argnum=1)
    assert "-0" not in repr(found)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: derivative(t(h), t(h)), TypeError, "first argument is the function"),
        (lambda: derivative(rg.sin), TypeError, "the point is missing"),
        (lambda: derivative(rg.sin, [1.0]), TypeError, r"is a list.*rg\.tensor"),
        (lambda: derivative(rg.sin, rg.tensor([1])), TypeError, r"x\.float\(\)"),
        (
            lambda: derivative(rg.sin, t(h), argnum=1),
            IndexError,
            "argnum=1.*1 argument",
        ),
        (lambda: derivative(lambda x: 1.0, t(h)), TypeError, "returned a float"),
        (lambda: derivative(lambda x: (x, x), t(h)), TypeError, "returned a tuple"),
    ],
)
def test_what_is_wrong_is_named(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text):
        call()
