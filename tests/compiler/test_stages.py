"""One small program at every stage, as text; and what each pass does alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import retrograd as rg
from retrograd.compiler import passes
from retrograd.compiler import program as P
from retrograd.compiler.fuse import Columns, Fusion, Loop, Product
from retrograd.compiler.memory import ALIGN, Life, arrange, least_size
from retrograd.compiler.recompute import recompute
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
    assert least_size(lives) <= top
    assert top <= sum(-(-life.size // ALIGN) * ALIGN for life in lives)


def test_the_order_of_placing_that_needs_less_counts() -> None:
    # by birth the second stands in the way of the third; by size nothing does
    lives = [Life(64, 0, 0), Life(64, 0, 3), Life(128, 1, 3)]
    assert least_size(lives) == 192
    assert arrange(lives)[1] == 192
    late = [Life(64, 0, 1), Life(64, 0, 9), Life(640, 2, 9)]
    assert arrange(late)[1] == least_size(late) == 704


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


def golden() -> P.Program:
    """A program on which each pass has something to do."""
    data = rg.zeros(3, 4).numpy()
    x = rg.from_numpy(data)
    w = rg.nn.Parameter(rg.zeros(2, 4))
    h = (x * 1 - x.mean(0)) / (x.mean(0).exp() + 1)
    loss = -(h @ w.t()).sum()
    loss.backward()
    return recorded(loss, w.grad, (h + 1).sum(0))


def test_the_golden_text_of_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    watch = lambda stage, program: seen.append(f"# {stage}\n{program}")  # noqa: E731
    monkeypatch.setattr(passes, "watchers", [watch])
    program = passes.optimized(golden())
    passes.staged("recompute", recompute(program)[0])
    kernels = [
        f"{type(k).__name__.lower()}: {' '.join(n.op.name for n in k.nodes)}"
        for k in Fusion(program).kernels
    ]
    seen.append("\n".join(["# kernels", *kernels]))
    path = Path(__file__).parent.parent / "golden" / "stages.txt"
    assert "\n\n".join(seen) + "\n" == path.read_text(encoding="utf-8")


def test_passes_can_be_watched_from_outside() -> None:
    code = (
        "import retrograd as rg\n"
        "x = rg.ones(3)\n"
        "print((x * 1 + 2).tolist())\n"
    )  # fmt: skip
    env = {**os.environ, "RETROGRAD_PASSES": "print", "RETROGRAD_EXECUTOR": "native"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[3.0, 3.0, 3.0]\n"
    stages = ["recorded", *(p.__name__ for p in passes.PASSES), "recompute"]
    headings = [line[2:] for line in done.stderr.splitlines() if line.startswith("# ")]
    assert stages == headings[-len(stages) :]
    last = done.stderr.strip().split("\n\n")[-1]
    assert "add <f32[3]> 2.0" in last and "mul" not in last


def test_a_pass_that_breaks_the_program_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(program: P.Program) -> P.Program:
        return P.Program(program.nodes[1:], program.wanted)

    monkeypatch.setattr(passes, "WATCH", "verify")
    monkeypatch.setattr(passes, "PASSES", (careless,))
    with pytest.raises(AssertionError, match="used before made"):
        passes.optimized(recorded(rg.ones(3).exp().sin()))


def test_dead_drops_what_nobody_uses() -> None:
    x = rg.ones(3)
    kept = x.exp()
    program = recorded(kept, x.sin())
    program.wanted.pop(next(s for s in program.wanted if s is not kept._key))
    assert [n.op.name for n in passes.dead(program).nodes] == ["exp"]


def test_recompute_keeps_what_is_dear_and_drops_what_is_cheap() -> None:
    x = rg.ones(64, 8)
    centred = x - x.mean(0)
    scaled = centred / (centred.square().mean(0) + 1).sqrt()
    program = passes.optimized(recorded(scaled, (scaled * 3).sum(0)))
    again, _ = recompute(program)
    again.verify()
    # the centred input is needed before the variance is known, and after it
    before = [n.op.name for n in program.nodes].count("sub")
    assert [n.op.name for n in again.nodes].count("sub") == before + 1
    dear = passes.optimized(recorded((x.exp() - x.exp().mean(0)).square().sum(0)))
    assert [n.op.name for n in recompute(dear)[0].nodes].count("exp") == 1


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_a_derivative_follows_from_the_dear_value_that_is_kept(name: str) -> None:
    """Of a layer h = tanh(z) the next one keeps h; 1 − h² is computed on the way back."""
    x, first, second = (rg.zeros(*shape) for shape in ((64, 8), (8, 8), (8, 8)))
    for w in (first, second):
        w.requires_grad_()
    hidden = getattr(x @ first, name)()
    getattr(hidden @ second, name)().sum().backward()
    program, _ = recompute(passes.optimized(recorded(first.grad, second.grad)))
    program.verify()
    fusion = Fusion(program)
    kept = {
        fusion.view(key).buffer
        for i, kernel in enumerate(fusion.kernels)
        for node in kernel.nodes
        for key in node.inputs
        if fusion.home.get(fusion.view(key).buffer, i) != i
    }
    elementwise = [
        n.op.name for n in kept if type(fusion.kernels[fusion.home[n]]) is Loop
    ]
    assert elementwise.count(name) == 1 and elementwise.count("sub") == 0
