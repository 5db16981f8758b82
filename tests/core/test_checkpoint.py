"""Checkpoints change what is kept, and no number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.execute import cache
from retrograd.utils.checkpoint import checkpoint, checkpoint_sequential

Function = Callable[..., Any]


def kept(function: Function, *args: Any, **kwargs: Any) -> Any:
    return checkpoint(function, *args, use_reentrant=False, **kwargs)


def plain(function: Function, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def inputs(seed: int = 0) -> tuple[Any, Any, Any]:
    numbers = np.random.default_rng(seed)
    return tuple(
        rg.tensor(numbers.normal(size=shape), requires_grad=True)
        for shape in ((4, 3), (3, 3), (3,))
    )  # type: ignore[return-value]


def chain(call: Function, x: Any, w: Any, b: Any) -> Any:
    for _ in range(3):
        x = call(lambda h: (h @ w + b).tanh().exp().log1p(), x)
    return (x * x).sum()


def nested(call: Function, x: Any, w: Any, b: Any) -> Any:
    def inner(h: Any) -> Any:
        return (h @ w).tanh().sin() * h

    def outer(h: Any, scale: Any = 1.0) -> Any:
        h = (h + b).exp() * scale
        h = call(inner, h)
        h = call(inner, h.sin())
        return (h @ w).sigmoid()

    return call(outer, x, scale=0.1).sum() + call(outer, x * 2).sum()


def several(call: Function, x: Any, w: Any, b: Any) -> Any:
    def parts(h: Any, more: dict[str, Any]) -> Any:
        a = (h @ more["w"]).tanh()
        return {"a": a.exp(), "rest": (a.sin(), a.max(dim=1), 3)}

    found = call(parts, x, {"w": w})
    values, places = found["rest"][1]
    return found["a"].sum() + (found["rest"][0] * b).sum() + (values * places).sum()


def in_place(call: Function, x: Any, w: Any, b: Any) -> Any:
    def change(h: Any) -> Any:
        h = h.sin()
        h += b
        h[0] = h[1] * 2
        h.mul_(0.5)
        return h.tanh()

    return (call(change, x) @ w).sum()


def without_inputs(call: Function, x: Any, w: Any, b: Any) -> Any:
    """Everything comes from outside, some of it a view, and some detached."""
    row = x[1:]
    return call(
        lambda: (
            ((row @ w.T).exp() * (w.detach() @ b).sin()).tanh().sum() + (x @ b).sum()
        )
    )


def modules(call: Function, x: Any, w: Any, b: Any) -> Any:
    rg.manual_seed(5)
    net = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3)
    ).double()
    out = call(net, x).sum() + rg.rand(1).double() * (x @ w).sum() + b.sum()
    assert net[1].num_batches_tracked.item() == 1
    return out + net[1].running_mean.detach().sum()


def own_rule(call: Function, x: Any, w: Any, b: Any) -> Any:
    class Cube(rg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.save_for_backward(a)
            return a**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (a,) = ctx.saved_tensors
            return g * 3 * a**2

    return call(lambda h: Cube.apply((h @ w).sin()).exp() + b, x).sum()


PROGRAMS = [chain, nested, several, in_place, without_inputs, modules, own_rule]


def gradients(
    program: Function, call: Function, read: bool, seed: int = 0
) -> list[np.ndarray[Any, Any]]:
    leaves = inputs(seed)
    loss = program(call, *leaves)
    value = loss.item() if read else None
    loss.backward()
    found = [t.grad.numpy().copy() for t in leaves if t.grad is not None]
    assert value is None or value == loss.item()
    return [loss.detach().numpy().copy(), *found]


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_gradients(program: Function, read: bool) -> None:
    for repeat in range(4):  # recorded, found again, compiled
        expected = gradients(program, plain, read, seed=repeat)
        found = gradients(program, kept, read, seed=repeat)
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("program", PROGRAMS)
def test_at_once(program: Function) -> None:
    expected = gradients(program, plain, False)
    with rg.eager():
        found = gradients(program, kept, False)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("program", [chain, nested, in_place, without_inputs])
def test_second_derivatives(program: Function) -> None:
    found = []
    for call in (plain, kept):
        for read in (False, True):
            leaves = inputs()
            loss = program(call, *leaves)
            if read:
                loss.item()
            first = rg.autograd.grad(loss, leaves, create_graph=True)
            if read:
                first[0].sum().item()
            total = sum((g * g).sum() for g in first)
            second = rg.autograd.grad(total, leaves)
            found.append([g.detach().numpy() for g in (*first, *second)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)


def test_gradcheck() -> None:
    x, w, b = inputs()
    assert rg.autograd.gradcheck(lambda *t: nested(kept, *t), (x, w, b))
    assert rg.autograd.gradgradcheck(lambda *t: chain(kept, *t), (x, w, b))


def test_twice_backward() -> None:
    x, w, b = inputs()
    loss = chain(kept, x, w, b)
    loss.backward(retain_graph=True)
    once = x.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * once, rtol=1e-12)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_hooks_are_called_once() -> None:
    x, w, b = inputs()
    seen = []

    def function(h: Any) -> Any:
        h = (h @ w).exp()
        h.register_hook(lambda g: seen.append(g.numpy().copy()))
        return h.tanh() + b

    kept(function, x).sum().backward()
    assert len(seen) == 1


def test_what_enters_may_not_be_overwritten() -> None:
    x, w, b = inputs()
    entering = x * 1.0
    loss = kept(lambda h: (h @ w).exp().tanh() + b, entering).sum()
    with rg.no_grad():
        entering.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_reading_inside() -> None:
    """What was computed up to there runs; the gradients are right all the same."""
    found = []
    for call in (plain, kept):
        x, w, b = inputs()

        def function(h: Any, w: Any = w, b: Any = b) -> Any:
            h = (h @ w).exp()
            scale = 2.0 if h.sum().item() > 0 else 1.0
            return (h * scale).tanh() + b.sin()

        call(function, x).sum().backward()
        found.append([t.grad.tolist() for t in (x, w, b)])
    assert found[0] == found[1]


def test_errors_leave_nothing_behind() -> None:
    x, w, _ = inputs()
    with pytest.raises(RuntimeError, match="matmul"):
        kept(lambda h: h @ w @ x, x)
    assert rg.dispatch.recorder().region is None
    assert len(gradients(chain, kept, False)) == 4


def deep(call: Function, n: int, read: bool) -> int:
    """The peak of a chain of *n* blocks, in units of one activation."""
    numbers = np.random.default_rng(0)
    weights = [
        rg.tensor(numbers.normal(size=(8, 8)), requires_grad=True) for _ in range(n)
    ]
    x = rg.tensor(numbers.normal(size=(16000, 8)), requires_grad=True)
    tracemalloc.start()
    h = x
    for w in weights:
        h = call(lambda h, w=w: (h @ w).tanh().exp().cos().sin().tanh(), h)
    loss = (h * h).sum()
    del h
    if read:
        loss.item()
    loss.backward()
    weights[0].grad.sum().item()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(peak / (16000 * 8 * 8))


@pytest.mark.parametrize("read", [False, True])
def test_less_memory(read: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "EXECUTOR", "interpreter")
    without = [deep(plain, n, read) for n in (10, 20)]
    with_ = [deep(kept, n, read) for n in (10, 20)]
    assert without[1] - without[0] >= 4 * 10  # four values of each block
    assert with_[1] - with_[0] <= 11  # what enters each block
    assert with_[1] < without[1] / 2


def test_machine_code_needs_less_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither shares what is computed twice, nor computes it early."""
    native = pytest.importorskip("retrograd.compiler.native")
    pytest.importorskip("llvmlite")
    monkeypatch.setattr(cache, "EXECUTOR", "native")
    sizes: list[int] = []
    start = native.Native.__init__

    def spy(self: Any, plan: Any) -> None:
        start(self, plan)
        parts = [s for s in self.steps if type(s) is native.Segment]
        sizes.append(sum(s.arena.nbytes for s in parts))

    monkeypatch.setattr(native.Native, "__init__", spy)
    largest = []
    for call in (plain, kept):
        x = rg.tensor(np.ones((500, 8)), requires_grad=True)
        weights = [
            rg.tensor(np.eye(8) * (i + 1), requires_grad=True) for i in range(12)
        ]
        h = x
        for w in weights:
            h = call(lambda h, w=w: ((h @ w).tanh() @ w).exp().tanh(), h)
        h.sum().backward()
        del h
        x.grad.sum().item()
        largest.append(max(sizes, default=0))
        sizes.clear()
    assert 0 < largest[1] < largest[0] / 2


def test_segments_of_a_sequence() -> None:
    rg.manual_seed(0)
    net = nn.Sequential(*[m for _ in range(5) for m in (nn.Linear(6, 6), nn.Tanh())])
    x = rg.randn(3, 6, requires_grad=True)
    found = []
    for run in (
        lambda: net(x),
        lambda: checkpoint_sequential(net, 3, x, use_reentrant=False),
        lambda: checkpoint_sequential(list(net), 1, x, use_reentrant=True),
    ):
        net.zero_grad()
        x.grad = None
        run().sum().backward()
        found.append([x.grad.tolist(), *[p.grad.tolist() for p in net.parameters()]])
    assert found[0] == found[1] == found[2]


def test_without_gradients_nothing_is_marked() -> None:
    x, w, _ = inputs()
    with rg.no_grad():
        assert not kept(lambda h: (h @ w).exp(), x).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        y = checkpoint(lambda h: (h @ w).exp(), x.detach(), use_reentrant=True)
    assert not y.requires_grad
    assert kept(lambda h: (h @ w).exp(), x.detach()).requires_grad


def test_arguments() -> None:
    x, _, _ = inputs()
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(rg.exp, x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: a"):
        checkpoint(rg.exp, x, use_reentrant=True, a=1)
    with pytest.raises(ValueError, match="context_fn"):
        checkpoint(rg.exp, x, use_reentrant=True, context_fn=lambda: (None, None))
    with pytest.raises(NotImplementedError, match="smaller function"):
        checkpoint(rg.exp, x, use_reentrant=False, context_fn=lambda: (None, None))
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(rg.exp, x, use_reentrant=False, determinism_check="all")
    with pytest.raises(ValueError, match="Unexpected keyword arguments: b"):
        checkpoint_sequential([rg.exp], 1, x, use_reentrant=False, b=1)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint_sequential([rg.exp, rg.sin], 2, x)
