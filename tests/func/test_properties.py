"""Laws on random programs: vmap is the loop, forward and reverse mode are adjoint, the
transformations nest in every order, and both executors agree."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap
from retrograd.ops.op import probe

F = rg.nn.functional
#: steps of a program on vectors of length 3; c is a vector from outside
STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "sin": lambda x, c: x.sin(),
    "exp": lambda x, c: (x / 4).exp(),
    "mul": lambda x, c: x * c,
    "square": lambda x, c: x * x / 2,
    "softmax": lambda x, c: F.softmax(x, 0) * 2,
    "outer": lambda x, c: rg.outer(x, c).sum(0),
    "matvec": lambda x, c: rg.outer(c, c) @ x / 4,
    "scan": lambda x, c: x.cumsum(0),
    "roll": lambda x, c: x.roll(1),
    "index": lambda x, c: x[rg.tensor([2, 0, 0])],
    "cat": lambda x, c: rg.cat([x[1:], c[:1]]),
    "where": lambda x, c: rg.where(x > c, x, -x),
    "max": lambda x, c: x + x.max(),
    "norm": lambda x, c: x / (1 + (x * x).sum()).sqrt(),
    "in place": lambda x, c: written(x, c),
    "detach": lambda x, c: x * c.detach() + x.detach() * 0.5,
    "branch": lambda x, c: x * 2 if bool((c > 0).any()) else x.tanh(),
    "prod": lambda x, c: x * x.prod() / 8,
    "gelu": lambda x, c: F.gelu(x),
}


def written(x: Any, c: Any) -> Any:
    y = x.clone()
    y[0] = c[1] * x[2]
    y += 1
    return y


programs = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5)
C = rg.tensor(probe(3, seed=9))
X = rg.tensor(probe(4, 3))
V = rg.tensor(probe(4, 3, seed=2))


def function_of(steps: list[str]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for name in steps:
            x = STEPS[name](x, C)
        return x

    return f


def close(a: Any, b: Any) -> None:
    assert a.shape == b.shape
    np.testing.assert_allclose(
        a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(programs)
def test_laws(steps: list[str]) -> None:
    f = function_of(steps)
    x, v, u = X[0], V[0], V[1]
    close(vmap(f)(X), rg.stack([f(a) for a in X]))
    _, along = jvp(f, (x,), (v,))
    (back,) = vjp(f, x)[1](u)
    if "detach" not in steps:
        step = 1e-6
        change = (f(x + step * v) - f(x - step * v)) / (2 * step)
        np.testing.assert_allclose(along.numpy(), change.numpy(), rtol=1e-5, atol=1e-6)
    close((u * along).sum(), (back * v).sum())
    J = jacrev(f)(x)
    close(J, jacfwd(f)(x))
    close(J @ v, along)
    close(linearize(f, x)[1](v), along)
    (leaf := x.detach().clone()).requires_grad_()
    f(leaf).backward(u)
    close(leaf.grad, back)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(programs)
def test_nested_in_every_order(steps: list[str]) -> None:
    f = function_of(steps)

    def g(a: Any) -> Any:
        return (f(a) * C).sin().sum()

    H = rg.stack([jacrev(grad(g))(a) for a in X])
    for outer, inner in itertools.product((jacrev, jacfwd), repeat=2):
        close(vmap(outer(inner(g)))(X), H)
    close(vmap(hessian(g))(X), H)
    products = (H @ V[:, :, None])[:, :, 0]
    close(vmap(lambda a, v: jvp(grad(g), (a,), (v,))[1])(X, V), products)
    rows = (V[:, None] @ H)[:, 0]
    close(vmap(lambda a, v: vjp(grad(g), a)[1](v)[0])(X, V), rows)
    close(jvp(vmap(grad(g)), (X,), (V,))[1], products)
    close(jvp(grad(lambda x: vmap(g)(x).sum()), (X,), (V,))[1], products)
    close(grad(lambda x: (vmap(grad(g))(x) * V).sum())(X), rows)
    close(grad(lambda x: jvp(vmap(g), (x,), (V,))[1].sum())(X), rows)
    close(
        vmap(lambda c: vmap(g)(X * c))(C),
        rg.stack([rg.stack([g(a * c) for a in X]) for c in C]),
    )


@pytest.mark.parametrize("executor", ["interpreter", "native"])
def test_both_executors(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per-sample gradients, Hessians and tangents in either executor, repeated until
    the program has been compiled."""
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
    net = rg.nn.Sequential(
        rg.nn.Linear(3, 5), rg.nn.Tanh(), rg.nn.Linear(5, 2)
    ).double()
    params = {k: p.detach() for k, p in net.named_parameters()}
    targets = rg.tensor([0, 1, 1, 0])

    def loss(p: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(rg.func.functional_call(net, p, (x,)), y)

    f = function_of(["softmax", "index", "in place", "matvec", "gelu", "where"])
    for _ in range(4):
        found = vmap(grad(loss), (None, 0, 0))(params, X, targets)
        tangent = jvp(lambda p: loss(p, X, targets), (params,), (params,))[1]
        second = vmap(jacfwd(jacrev(f)))(X)
        for i in range(4):
            net.zero_grad()
            F.cross_entropy(net(X[i]), targets[i]).backward()
            for k, p in net.named_parameters():
                close(found[k][i], p.grad)
            close(second[i], jacrev(jacrev(f))(X[i]))
        slope = sum((found[k].mean(0) * params[k]).sum() for k in params)
        close(tangent, slope)
