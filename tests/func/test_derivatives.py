"""grad, vjp, jvp and what is made of them, against closed forms and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
import retrograd.autograd.forward_ad as fwAD
from retrograd.func import (
    functionalize,
    grad,
    grad_and_value,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
    vmap,
)
from retrograd.ops.op import probe

x, v = rg.tensor(probe(3)), rg.tensor(probe(3, seed=1))
X = rg.tensor(probe(4, 3))


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    assert a.shape == b.shape
    np.testing.assert_allclose(
        a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def f(a: Any) -> Any:
    return (a.sin() * a.prod()).sum() + rg.nn.functional.softmax(a, -1)[0]


# -- reverse mode -------------------------------------------------------------------------


def test_grad_of_grad_of_grad() -> None:
    two, g = rg.tensor(2.0), lambda a: a**4
    for expected in (32.0, 48.0, 48.0, 24.0):
        g = grad(g)
        assert g(two).item() == expected


def test_variables_of_different_levels_are_told_apart() -> None:
    """d/dx [x · d/dy (x · y)] = 2x: the inner derivative must not see the outer x."""
    inner = grad(lambda x: x * grad(lambda y: x * y)(rg.tensor(2.0)))
    assert inner(rg.tensor(3.0)).item() == 6.0

    def outer(x: Any) -> Any:
        return x * jvp(lambda y: x + y, (rg.tensor(1.0),), (rg.tensor(1.0),))[1]

    assert grad(outer)(rg.tensor(3.0)).item() == 1.0
    one = rg.tensor(1.0)
    _, t = jvp(lambda x: x * jvp(lambda y: x * y, (one,), (one,))[1], (one,), (one,))
    assert t.item() == 2.0
    assert grad(lambda y: (y * one).sum())(one).item() == 1.0  # the same tensor outside


def test_arguments_and_aux() -> None:
    def g(a: Any, d: Any, k: float) -> Any:
        return (a * d["u"]).sum() * k + d["w"][0].sum(), {"twice": a * 2}

    d = {"u": v, "w": (x, x)}
    (ga, gd), aux = grad(g, (0, 1), has_aux=True)(x, d, 3.0)
    close(ga, 3 * v)
    close(gd["u"], 3 * x)
    close(gd["w"][0], rg.ones_like(x))
    close(gd["w"][1], rg.zeros_like(x))
    close(aux["twice"], 2 * x)
    value = grad_and_value(lambda *a: g(*a)[0], argnums=-2)(x, d, 3.0)
    close(value[0]["u"], 3 * x)
    close(value[1], 3 * (x * v).sum() + x.sum())


def test_only_wanted_gradients_are_attached() -> None:
    g = grad(f)(x)
    assert not g.requires_grad
    w = rg.tensor(probe(3, seed=2), requires_grad=True)
    g = grad(lambda a: (a * w).sin().sum())(x)
    assert g.requires_grad
    g.sum().backward()
    close(w.grad, (w * x).cos() - w * x * (w * x).sin())
    assert w.grad is not None and x.grad is None
    with rg.no_grad():
        assert not grad(lambda a: (a * w).sin().sum())(x).requires_grad
    a = rg.tensor(probe(3), requires_grad=True)
    assert a.grad is None and grad(f)(a).requires_grad and a.grad is None
    assert not jvp(grad(f), (x,), (v,))[1].requires_grad
    assert not vmap(grad(f))(X).requires_grad


def test_no_grad_inside_is_honoured_in_reverse() -> None:
    def g(a: Any) -> Any:
        with rg.no_grad():
            c = a**2
        return (a - c).sum()

    close(grad(g)(x), rg.ones_like(x))
    close(jvp(g, (x,), (v,))[1], (v - 2 * x * v).sum())  # forward mode has no such rule


def test_values_may_be_read_inside() -> None:
    def g(a: Any) -> Any:
        n = 0
        while a.norm().item() > 0.5:
            a, n = a / 2, n + 1
        return (a**2).sum() if bool(a[0] < 100) else a.sum()

    close(grad(g)(x), rg.tensor(2 * x.numpy() / 4**2))
    close(jvp(g, (x,), (v,))[1], (2 * x * v / 4**2).sum())
    close(jvp(grad(g), (x,), (v,))[1], 2 * v / 4**2)


def test_in_place_inside() -> None:
    def g(a: Any) -> Any:
        b = a * 1
        b[0] = 0
        b += a
        b.mul_(a)
        return b.sum()

    close(grad(g)(x), rg.tensor(2 * x.numpy() * [1, 2, 2]))
    close(jvp(g, (x,), (v,))[1], (grad(g)(x) * v).sum())


def test_pullback_is_used_often() -> None:
    out, pull = vjp(lambda a, b: (a * b, {"s": a.sum()}), x, v)
    first = pull((v, {"s": rg.tensor(2.0, dtype=rg.float64)}))
    close(first[0], v * v + 2)
    close(pull((x, {"s": rg.tensor(0.0, dtype=rg.float64)}))[1], x * x)
    out[0].sum().item()
    close(pull((v, {"s": rg.tensor(2.0, dtype=rg.float64)}))[0], first[0])
    close(
        vjp(lambda a: (a**3).sum(), x)[1](rg.tensor(1.0, dtype=rg.float64))[0], 3 * x**2
    )
    close(vjp(lambda a: rg.zeros(2), x)[1](rg.ones(2))[0], rg.zeros_like(x))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: grad(lambda a: a * 2)(x), "scalar"),
        (lambda: grad(lambda a: 2.0)(x), "returns a Tensor"),
        (lambda: grad(f, 1)(x), "argnum=1"),
        (lambda: grad(f, (0, 0))(x), "unique"),
        (lambda: grad(f)(rg.tensor([1, 2])), "floating"),
        (lambda: grad(lambda a: a.sum(), has_aux=True)(x), "tuple"),
        (lambda: vjp(lambda a: a, x)[1](x, x), "structure"),
        (lambda: vjp(lambda a: (a, "s"), x), "unsupported type str"),
        (lambda: jvp(f, x, v), "tuple"),
        (lambda: jvp(f, (x,), (v, v)), "structure"),
        (lambda: jvp(f, (x,), (v[:2],)), "shape"),
        (lambda: jvp(f, (x,), (v.float(),)), "float32"),
        (lambda: jvp(lambda a: rg.ones(2), (x,), (v,), strict=True), "independent"),
        (lambda: linearize(rg.sin, x)[1](v[:2]), r"f64\[3\]"),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        call()


# -- forward mode -------------------------------------------------------------------------


def test_the_perturbation_view() -> None:
    """The lectures: dz = ds · h′(s) and dC = dz · dC/dz."""
    s, ds = rg.tensor(0.3, dtype=rg.float64), rg.tensor(1e-3, dtype=rg.float64)
    z, dz = jvp(rg.sigmoid, (s,), (ds,))
    close(dz, ds * z * (1 - z))
    cost, dcost = jvp(lambda z: (z - 1) ** 2, (z,), (dz,))
    close(dcost, dz * 2 * (z - 1))
    close(cost + dcost, (rg.sigmoid(s + ds) - 1) ** 2, 1e-6)


def test_jvp_of_trees_and_aux() -> None:
    def g(d: Any, k: Any) -> Any:
        return {"y": d["a"] * k}, d["a"] * 2

    out, along, aux = jvp(g, ({"a": x}, v), ({"a": v}, x), has_aux=True)
    close(out["y"], x * v)
    close(along["y"], v * v + x * x)
    close(aux, 2 * x)


def test_linearize() -> None:
    y, push = linearize(lambda a, b: (f(a) * b, b.exp()), x, v)
    close(y[0], f(x) * v)
    for da, db in ((v, x), (x, v)):
        expected = jvp(lambda a, b: (f(a) * b, b.exp()), (x, v), (da, db))[1]
        for found, e in zip(push(da, db), expected, strict=True):
            close(found, e)
    y[0].sum().item()
    close(push(v, x)[1], v.exp() * x)
    directions = vmap(linearize(f, x)[1])(rg.eye(3, dtype=rg.float64))
    close(directions, grad(f)(x))
    close(linearize(lambda a: rg.ones(2), x)[1](v), rg.zeros(2))


def test_dual_numbers() -> None:
    with fwAD.dual_level():
        a = fwAD.make_dual(x, v)
        y = a.sin() * a
        y += 1
        assert y.sum().item() == pytest.approx((x.sin() * x + 1).sum().item())
        value, tangent = fwAD.unpack_dual(y)
        close(value, x.sin() * x + 1)
        close(tangent, (x.cos() * x + x.sin()) * v)
        assert fwAD.unpack_dual(x).tangent is None
        assert fwAD.unpack_dual(value * 2).tangent is None
        with rg.no_grad():
            close(fwAD.unpack_dual(a * a).tangent, 2 * x * v)
        p = rg.tensor(probe(3), requires_grad=True)
        b = fwAD.make_dual(p, v)
        (g,) = rg.autograd.grad((b**3).sum(), b, create_graph=True)
        close(fwAD.unpack_dual(g).tangent, 6 * p * v)
        close(vmap(grad(f))(X), rg.stack([grad(f)(r) for r in X]))
        with pytest.raises(RuntimeError, match="Nested forward mode"):
            fwAD.enter_dual_level()
    assert fwAD.unpack_dual(y).tangent is None
    close(y, x.sin() * x + 1)
    with pytest.raises(RuntimeError, match="no level exists"):
        fwAD.make_dual(x, v)


# -- matrices -----------------------------------------------------------------------------


def test_jacobians_by_rows_and_by_columns() -> None:
    def g(a: Any, b: Any) -> Any:
        return (a * b.sum()).sin(), {"k": b.exp()[:2] * a.prod()}

    for argnums in (0, 1, (0, 1), (1,)):
        rows, columns = jacrev(g, argnums)(x, v), jacfwd(g, argnums)(x, v)
        chunks = jacrev(g, argnums, chunk_size=2)(x, v)
        pick = (lambda t: t) if isinstance(argnums, int) else (lambda t: t[-1])
        close(pick(rows[0]), pick(columns[0]))
        close(pick(rows[1]["k"]), pick(columns[1]["k"]))
        close(pick(rows[1]["k"]), pick(chunks[1]["k"]))
        assert pick(rows[1]["k"]).shape == (2, 3)
    matrix = jacrev(lambda a: a[:, None] * a)(x)
    assert matrix.shape == (3, 3, 3)
    close(matrix, jacfwd(lambda a: a[:, None] * a)(x))
    out, aux = jacrev(lambda a: (a**2, a), has_aux=True)(x)
    close(out, rg.diag(2 * x))
    close(aux, x)
    out, aux = jacfwd(lambda a: (a**2, {"a": a}), has_aux=True)(x)
    close(out, rg.diag(2 * x))
    close(aux["a"], x)


def test_hessian_is_symmetric_and_right() -> None:
    H = hessian(f)(x)
    close(H, H.T)
    close(H, jacrev(jacrev(f))(x))
    close(H, jacfwd(jacfwd(f))(x))
    close(H, jacrev(jacfwd(f))(x))
    close(hvp(f, (x,), (v,)), H @ v)
    close(vmap(lambda d: vjp(grad(f), x)[1](d)[0])(rg.eye(3, dtype=rg.float64)), H)
    step = 1e-6
    e = rg.eye(3, dtype=rg.float64) * step
    columns = [(grad(f)(x + d) - grad(f)(x - d)) / (2 * step) for d in e]
    close(H, rg.stack(columns, 1), 1e-7)

    def two(a: Any, b: Any) -> Any:
        return (a * b).sin().sum() * a.prod()

    blocks = hessian(two, (0, 1))(x, v)
    close(blocks[0][1], blocks[1][0].T)
    ha, hb = hvp(two, (x, v), (v, x))
    close(ha, blocks[0][0] @ v + blocks[0][1] @ x)
    close(hb, blocks[1][0] @ v + blocks[1][1] @ x)


def test_many_hessians_at_once() -> None:
    close(vmap(hessian(f))(X), rg.stack([hessian(f)(a) for a in X]))
    close(vmap(jacrev(rg.sin))(X), rg.stack([rg.diag(a.cos()) for a in X]))


def test_gradients_for_a_batch_of_seeds() -> None:
    a = rg.tensor(probe(3), requires_grad=True)
    b = rg.tensor(probe(3), requires_grad=True)
    y = a.sin() * a
    for read in (False, True):
        if read:
            y.sum().item()  # the forward pass has run
        (rows,) = rg.autograd.grad(
            y, a, rg.eye(3, dtype=rg.float64), retain_graph=True, is_grads_batched=True
        )
        close(rows, rg.diag(a.cos() * a + a.sin()))
    found = rg.autograd.grad(
        y, [a, b], rg.eye(3, dtype=rg.float64), is_grads_batched=True, allow_unused=True
    )
    assert found[1] is None
    with pytest.raises(ValueError, match="materialize_grads"):
        rg.autograd.grad(y, b, allow_unused=False, materialize_grads=True)
    (zero,) = rg.autograd.grad(a.sum(), b, materialize_grads=True)
    close(zero, rg.zeros_like(b))


def test_functionalize_changes_nothing() -> None:
    def g(a: Any) -> Any:
        return a.clone().add_(1)

    close(functionalize(g)(x), x + 1)
    with pytest.raises(RuntimeError, match="remove"):
        functionalize(g, remove="all")


# -- autograd.functional --------------------------------------------------------------------

F = rg.autograd.functional


def test_products_of_the_older_interface() -> None:
    J, H = jacrev(lambda a: a.sin() * a.sum())(x), hessian(f)(x)
    out, product = F.vjp(lambda a: a.sin() * a.sum(), x, v)
    close(product, v @ J)
    close(out, x.sin() * x.sum())
    close(F.jvp(lambda a: a.sin() * a.sum(), x, v)[1], J @ v)
    close(F.hvp(f, x, v)[1], H @ v)
    close(F.vhp(f, (x,), (v,))[1][0], v @ H)
    close(F.hessian(f, x), H)
    close(F.hessian(f, x, vectorize=True, outer_jacobian_strategy="forward-mode"), H)
    for options in ({}, {"vectorize": True}, {"strategy": "forward-mode"}):
        close(F.jacobian(lambda a: a.sin() * a.sum(), x, **options), J)
    a = rg.tensor(probe(3), requires_grad=True)
    assert not F.jacobian(f, a).requires_grad
    again = F.jacobian(f, a, create_graph=True)
    (second,) = rg.autograd.grad(again.sum(), a)
    close(second, H.sum(0))


def test_a_function_that_reads_values_has_a_jacobian() -> None:
    def g(a: Any) -> Any:
        return a * a if a[0].item() < 100 else a

    close(F.jacobian(g, x), rg.diag(2 * x))
    with pytest.raises(RuntimeError, match="strict mode"):
        F.jacobian(lambda a: rg.ones(2), x, strict=True)
    close(F.jacobian(lambda a: rg.ones(2), x), rg.zeros(2, 3).double())
    with pytest.raises(RuntimeError, match="v can only be None"):
        F.vjp(lambda a: a * 2, x)
    with pytest.raises(RuntimeError, match="single element"):
        F.hvp(lambda a: a * 2, x, v)
    with pytest.raises(TypeError, match="either a Tensor or a tuple"):
        F.jacobian(f, 3.0)
    with pytest.raises(RuntimeError, match="invalid size"):
        F.jvp(f, x, v[:2])
