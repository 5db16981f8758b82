"""One small program at every stage, as text; and what each pass does alone."""

from __future__ import annotations

from typing import Any

import pytest

import retrograd as rg
from retrograd.compiler import passes
from retrograd.compiler import program as P
from retrograd.compiler.fuse import Columns, Fusion, Loop, Product
from retrograd.compiler.memory import ALIGN, Life, arrange
from retrograd.trace import Const, State


def recorded(*tensors: Any) -> P.Program:
    """The program that makes pending tensors."""
    wanted = [t._key for t in tensors]
    found: set[State] = set()
    stack = list(wanted)
    while stack:
        state = stack.pop()
        if type(state) is State and state not in found:
            found.add(state)
            stack.extend(state.inputs)
    return P.from_trace(sorted(found, key=lambda s: s.depth), wanted)


def regression() -> tuple[Any, ...]:
    """A layer, its loss, and the gradients of both parameters, all pending."""
    x, y = rg.zeros(3, 4).numpy(), rg.zeros(3, 2).numpy()
    w = rg.nn.Parameter(rg.zeros(2, 4))
    b = rg.nn.Parameter(rg.zeros(2))
    out = rg.nn.functional.linear(rg.from_numpy(x), w, b)
    loss = rg.nn.functional.mse_loss(out, rg.from_numpy(y))
    loss.backward()
    return loss, w.grad, b.grad, w, b


def test_every_stage_of_a_small_program() -> None:
    loss, dw, db, *_ = regression()
    program = recorded(loss, dw, db)
    program.verify()
    for one in passes.PASSES:
        program = one(program)
        program.verify()
    assert str(program).splitlines() == [
        "%0: f32[4,2] = permute <f32[2,4]> dims=(1, 0)",
        "%1: f32[3,2] = matmul <f32[3,4]> %0",
        "%2: f32[3,2] = add %1 <f32[2]>",
        "%3: f32[3,2] = sub %2 <f32[3,2]>",
        "%4: f32[3,2] = mul %3 %3",
        "%5: f32[] = sum %4 dim=(0, 1) keepdim=False",
        "%6: f32[] = div %5 6.0",
        "%7: f32[3,2] = expand 0.16666667 shape=(3, 2)",
        "%8: f32[3,2] = mul %7 %3",
        "%9: f32[3,2] = add %8 %8",
        "%10: f32[2] = sum %9 dim=(0,) keepdim=False",
        "%11: f32[2,3] = permute %9 dims=(1, 0)",
        "%12: f32[2,4] = matmul %11 <f32[3,4]>",
        "→ %6 %12 %10",
    ]
    kernels = [(type(k), [n.op.name for n in k.nodes]) for k in Fusion(program).kernels]
    assert kernels == [
        (Product, ["matmul"]),
        (Loop, ["add", "sub", "mul", "sum", "div", "mul", "add"]),
        (Columns, ["sum"]),
        (Product, ["matmul"]),
    ]


def test_fold_computes_constants() -> None:
    x = rg.ones(3)
    y = x * (rg.tensor(2.0) * 3)
    program = passes.fold(recorded(y))
    program.verify()
    (z,) = (rg.ones(3) / 4,)
    assert "div" in str(passes.fold(recorded(z)))
    assert len(program.nodes) == 2  # a tensor's value is no constant: it may change


def test_common_computes_once() -> None:
    x = rg.ones(3)
    program = recorded(x.exp() + x.exp())
    assert [n.op.name for n in program.nodes] == ["exp", "exp", "add"]
    program = passes.dead(passes.common(program))
    assert [n.op.name for n in program.nodes] == ["exp", "add"]


def test_common_tells_zeros_apart() -> None:
    x = rg.ones(3)
    program = passes.common(recorded(x * 0.0 + x * -0.0))
    assert [n.op.name for n in program.nodes] == ["mul", "mul", "add"]


def test_laws_are_exact() -> None:
    x = rg.ones(2, 3)
    program = passes.dead(passes.laws(recorded(1 * x / 1 + 0)))
    # x + 0 is not x: it turns −0 into 0
    assert [n.op.name for n in program.nodes] == ["add"]
    program = passes.dead(passes.laws(recorded((x @ rg.ones(3, 4)).t())))
    assert [n.op.name for n in program.nodes] == ["permute", "permute", "matmul"]
    assert all(type(n) is not Const for n in program.wanted.values())


def test_softmax_is_one_kernel() -> None:
    x = rg.ones(5, 7)
    program = passes.optimized(recorded(rg.softmax(x, 1)))
    (kernel,) = Fusion(program).kernels
    assert isinstance(kernel, Loop)
    assert kernel.rows == (5,) and kernel.inner == (7,)
    assert max(kernel.phase.values()) == 2


def test_an_update_is_one_sweep() -> None:
    w, g, m = rg.ones(4, 3), rg.ones(4, 3), rg.ones(4, 3)
    new = m * 0.9 + g
    program = passes.optimized(recorded(new, w - 0.1 * new))
    (kernel,) = Fusion(program).kernels
    assert [n.op.name for n in kernel.nodes] == ["mul", "add", "mul", "sub"]


@pytest.mark.parametrize("seed", range(20))
def test_buffers_that_live_at_once_never_overlap(seed: int) -> None:
    import random

    rng = random.Random(seed)
    lives = []
    for _ in range(40):
        first = rng.randrange(30)
        lives.append(Life(rng.randrange(1, 500), first, first + rng.randrange(8)))
    offsets, top = arrange(lives)
    for i, (a, x) in enumerate(zip(lives, offsets, strict=True)):
        assert x % ALIGN == 0 and x + a.size <= top
        for b, y in list(zip(lives, offsets, strict=True))[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert x + a.size <= y or y + b.size <= x
    assert top <= sum(-(-life.size // ALIGN) * ALIGN for life in lives)


def test_kernels_alike_share_their_code(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llvmlite")
    from retrograd.compiler import build

    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "auto")
    layers = [rg.nn.Linear(9, 9) for _ in range(4)]
    model = rg.nn.Sequential(*(p for layer in layers for p in (layer, rg.nn.Tanh())))
    (model(rg.ones(5, 9)).sum() * 2.0).backward()
    plans: list[Any] = []
    monkeypatch.setattr("retrograd.execute.cache.native", plans.append)
    monkeypatch.setattr("retrograd.execute.cache.wants_native", lambda *_: True)
    assert model[0].weight.grad is not None and model[0].weight.grad.sum().item()
    made = build.Build(plans[0])
    shared = made.text(made.steps[0])
    layout = made.steps[0].layout
    products = [k for k in made.fusion.kernels if type(k) is Product]
    descriptions = {
        build.Description(k, made.fusion, made.outside).key for k in products
    }
    assert None not in descriptions and len(descriptions) < len(products)
    monkeypatch.setattr(build, "Description", lambda *_: _Nothing())
    assert made.text(made.steps[0]) == shared and made.steps[0].layout == layout


class _Nothing:
    """A kernel of which nothing is known."""

    key: Any = None
    buffers: tuple[Any, ...] = ()
