"""LBFGS, steps that are differentiable, and hooks, against PyTorch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.both import double

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def rosenbrock(lib: Any, x: Any, y: Any) -> Any:
    z = lib.cat([x.reshape(-1), y.reshape(-1)])
    return (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()


def quadratic(lib: Any, x: Any, y: Any) -> Any:
    w = lib.arange(1.0, 5.0, dtype=lib.float64).reshape(2, 2)
    return (w * (x - 0.3) ** 2).sum() + (y.sum() - 2) ** 2 + (x.sum() * y).exp().sum()


def wavy(lib: Any, x: Any, y: Any) -> Any:
    return (x * x / 20 + (3 * x).sin()).sum() + ((y - 1) ** 4).sum()


OPTIONS: list[dict[str, Any]] = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7},
    {"line_search_fn": "strong_wolfe", "max_eval": 4, "lr": 0.5},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.5},
    {"line_search_fn": "strong_wolfe", "tolerance_change": 0.05},
    {"lr": 0.01},
    {"lr": 0.05, "history_size": 2, "max_iter": 5},
    {"lr": 0.02, "max_iter": 1},
]


def run(
    lib: Any, f: Callable[..., Any], options: dict[str, Any], steps: int
) -> tuple[list[Any], Any, list[float]]:
    x = lib.tensor([[-0.5, 0.7], [0.9, -0.2]], dtype=lib.float64, requires_grad=True)
    y = lib.tensor([0.3, 1.4], dtype=lib.float64, requires_grad=True)
    optimizer = lib.optim.LBFGS([x, y], **options)
    losses = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = f(lib, x, y)
        loss.backward()
        return loss

    for _ in range(steps):
        losses.append(float(optimizer.step(closure)))
    return [x, y], optimizer, losses


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # PyTorch's own search does
@pytest.mark.parametrize("f", [rosenbrock, quadratic, wavy])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_lbfgs(options: dict[str, Any], f: Callable[..., Any]) -> None:
    theirs = run(torch, f, options, 3)
    ours = run(rg, f, options, 3)
    # rounding grows along the way
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-11)
    for a, b in zip(theirs[0], ours[0], strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-10)
    saved, mine = theirs[1].state_dict(), ours[1].state_dict()
    assert saved["param_groups"] == mine["param_groups"]
    assert saved["state"].keys() == mine["state"].keys()
    for key in ("func_evals", "n_iter"):
        assert saved["state"][0][key] == mine["state"][0][key]
    if saved["state"][0].get("d") is not None:
        assert set(saved["state"][0]) == set(mine["state"][0])
        assert len(saved["state"][0]["old_dirs"]) == len(mine["state"][0]["old_dirs"])


def convert(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: convert(v) for k, v in value.items()}
    if isinstance(value, list):
        return [convert(v) for v in value]
    return value.numpy() if isinstance(value, torch.Tensor) else value


def test_lbfgs_continues_what_pytorch_began() -> None:
    options = {"lr": 0.1, "max_iter": 4}
    (x, y), reference, _ = run(torch, quadratic, options, 2)
    copies = [rg.tensor(p.detach().numpy().copy(), requires_grad=True) for p in (x, y)]
    optimizer = rg.optim.LBFGS(copies, **options)
    optimizer.load_state_dict(convert(reference.state_dict()))
    for _ in range(3):
        for lib, (a, b), o in ((torch, (x, y), reference), (rg, copies, optimizer)):

            def closure(lib: Any = lib, a: Any = a, b: Any = b, o: Any = o) -> Any:
                o.zero_grad()
                loss = quadratic(lib, a, b)
                loss.backward()
                return loss

            o.step(closure)
    for p, q in zip((x, y), copies, strict=True):
        np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), rtol=1e-9)


def test_lbfgs_refuses() -> None:
    for lib in (torch, rg):
        p, q = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True)
        with pytest.raises(ValueError, match="parameter groups"):
            lib.optim.LBFGS([{"params": [p]}, {"params": [q]}])
        with pytest.raises(TypeError, match="closure"):
            lib.optim.LBFGS([p]).step()
        optimizer = lib.optim.LBFGS([p], line_search_fn="wolfe")

        def closure(p: Any = p, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
            optimizer.step(closure)


UNROLLED: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("Adamax", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Rprop", {}),
    ("ASGD", {"t0": 1}),
]


def unroll(
    lib: Any, name: str, options: dict[str, Any], start: Any, scale: Any, steps: int
) -> tuple[Any, Any]:
    """Steps down a quadratic with this curvature: where they lead, and the loss there."""
    p = start.clone()
    optimizer = getattr(lib.optim, name)([p], differentiable=True, **options)
    for _ in range(steps):
        p.grad = scale * p.clone() + 0.1
        optimizer.step()
    return p, (scale * p * p).sum()


def point(lib: Any) -> list[Any]:
    return [
        lib.tensor(values, dtype=lib.float64, requires_grad=True)
        for values in ([1.0, -2.0, 0.5], [2.0, 1.0, 3.0])
    ]


@pytest.mark.parametrize(("name", "options"), UNROLLED)
def test_a_differentiable_step(name: str, options: dict[str, Any]) -> None:
    # PyTorch overwrites what a second step would need.
    found = []
    for lib in (torch, rg):
        leaves = point(lib)
        with double(lib):
            p, loss = unroll(lib, name, {"lr": 0.1, **options}, *leaves, steps=1)
        found.append([p, loss, *lib.autograd.grad(loss, leaves)])
    for a, b in list(zip(*found, strict=True))[: 2 if "momentum" in options else 4]:
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), 1e-12)


@pytest.mark.parametrize(("name", "options"), UNROLLED)
def test_the_derivative_of_three_steps(name: str, options: dict[str, Any]) -> None:
    if name in ("ASGD", "NAdam"):
        options = {**options, "lr": 0.125}  # exact in single precision
    inputs = tuple(point(rg))
    if name not in ("Rprop", "ASGD"):
        inputs += (rg.tensor(0.1, dtype=rg.float64, requires_grad=True),)

    def after(start: Any, scale: Any, *lr: Any) -> Any:
        given = {**options, **({"lr": lr[0]} if lr else {})}
        return unroll(rg, name, given, start, scale, steps=3)

    assert rg.autograd.gradcheck(after, inputs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_the_gradient_of_a_learning_rate(name: str) -> None:
    found = []
    for lib in (torch, rg):
        lr = lib.tensor(0.05, dtype=lib.float64, requires_grad=True)
        with double(lib):
            _, loss = unroll(lib, name, {"lr": lr}, *point(lib), steps=1)
        loss.backward()
        found.append(lr.grad.item())
    assert found[1] == pytest.approx(found[0], rel=1e-12)


def test_betas_that_are_tensors() -> None:
    found = []
    for lib in (torch, rg):
        p = lib.tensor([1.0, -2.0], dtype=lib.float64, requires_grad=True)
        betas = [lib.tensor(b, dtype=lib.float64) for b in (0.8, 0.9)]
        optimizer = lib.optim.Adam([p], lr=0.1, betas=betas)
        for _ in range(5):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
        found.append(p.tolist())
    assert found[1] == pytest.approx(found[0], rel=1e-12)


def test_hooks_of_all_optimizers() -> None:
    calls: dict[Any, list[str]] = {torch: [], rg: []}
    for lib in (torch, rg):
        module = importlib.import_module(f"{lib.__name__}.optim.optimizer")
        said = calls[lib]
        pre = module.register_optimizer_step_pre_hook(
            lambda o, a, k, said=said: said.append("all pre")
        )
        post = module.register_optimizer_step_post_hook(
            lambda o, a, k, said=said: said.append("all post")
        )
        p = lib.ones(2, requires_grad=True)
        p.grad = lib.ones(2)
        one = lib.optim.SGD([p], lr=0.1)
        one.register_step_pre_hook(lambda o, a, k, said=said: said.append("pre"))
        one.register_step_post_hook(lambda o, a, k, said=said: said.append("post"))
        two = lib.optim.Adam([p])
        one.step()
        two.step()
        pre.remove()
        post.remove()
        two.step()
    assert calls[torch] == calls[rg]
    assert len(calls[rg]) == 6
