"""Checkpointed programs have PyTorch's gradients, and refuse what it refuses."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def module(lib: Any) -> Any:
    return importlib.import_module(f"{lib.__name__}.utils.checkpoint")


def leaves(lib: Any) -> list[Any]:
    numbers = np.random.default_rng(0)
    return [
        lib.tensor(numbers.normal(size=s), requires_grad=True)
        for s in ((5, 4), (4, 4), (4,))
    ]


def closure(lib: Any, x: Any, w: Any, b: Any) -> Any:
    check = module(lib).checkpoint
    for _ in range(3):
        x = check(lambda h: ((h @ w).tanh() + b).exp(), x, use_reentrant=False)
    return x.log().sum()


def nested(lib: Any, x: Any, w: Any, b: Any) -> Any:
    check = module(lib).checkpoint

    def inner(h: Any, *, power: int) -> Any:
        return (h @ w).sigmoid() ** power

    def outer(h: Any, weights: dict[str, Any]) -> Any:
        h = check(inner, h.sin() * weights["b"], use_reentrant=False, power=2)
        return check(inner, h, use_reentrant=False, power=3), h.cos()

    one, two = check(outer, x, {"b": b}, use_reentrant=False)
    return (one * two).sum()


def reentrant(lib: Any, x: Any, w: Any, b: Any) -> Any:
    check = module(lib).checkpoint
    h = check(lambda h, w: (h @ w).relu() * b, x, w, use_reentrant=True)
    return h.pow(2).mean()


def sequence(lib: Any, x: Any, w: Any, b: Any) -> Any:
    parts = [lambda h: h @ w, lib.tanh, lambda h: h + b, lib.exp, lib.sin]
    return module(lib).checkpoint_sequential(parts, 2, x, use_reentrant=False).sum()


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("program", [closure, nested, reentrant, sequence])
def test_gradients(program: Any, read: bool) -> None:
    found = []
    for lib in (torch, rg):
        given = leaves(lib)
        loss = program(lib, *given)
        if read:
            loss.item()
        loss.backward()
        found.append([loss.item(), *[t.grad.numpy() for t in given]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-11)


@pytest.mark.parametrize("program", [closure, nested, sequence])
def test_second_derivatives(program: Any) -> None:
    found = []
    for lib in (torch, rg):
        given = leaves(lib)
        loss = program(lib, *given)
        first = lib.autograd.grad(loss, given, create_graph=True)
        second = lib.autograd.grad(sum((g * g).sum() for g in first), given)
        found.append([g.detach().numpy() for g in (*first, *second)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)


def test_refusals() -> None:
    for lib in (torch, rg):
        tools = module(lib)
        (x, *_) = leaves(lib)
        with pytest.warns(UserWarning, match="use_reentrant"):
            tools.checkpoint(lib.exp, x)
        with pytest.raises(ValueError, match="Unexpected keyword arguments: power"):
            tools.checkpoint(lib.exp, x, use_reentrant=True, power=2)
        with pytest.raises(ValueError, match="context_fn"):
            tools.checkpoint(lib.exp, x, use_reentrant=True, debug=True)
        loss = tools.checkpoint(lib.exp, x, use_reentrant=False).exp().sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
