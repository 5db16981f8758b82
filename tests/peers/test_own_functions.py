"""Functions with a derivative of one's own, beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
from peers.both import programs_of, same, tried

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _values(lib: Any, used: tuple[int, ...], zeros: bool) -> Any:
    seen = []

    class Both(lib.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            ctx.set_materialize_grads(zeros)
            positive = x > 0
            ctx.mark_non_differentiable(positive)
            return x * y, positive, x + y

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any, c: Any) -> Any:
            seen.append((a is None, c is None))
            x, y = ctx.saved_tensors
            a, c = (0 * x if g is None else g for g in (a, c))
            # not linear in the gradients: all have to be there at once
            return a * y + c + 3 * a * c, a * x + c

    x = lib.tensor([1.0, 2.0, -3.0], dtype=lib.float64, requires_grad=True)
    y = lib.tensor([4.0, 5.0, 6.0], dtype=lib.float64, requires_grad=True)
    outs = Both.apply(x, y)
    loss = sum((outs[i] * (i + 2)).sum() for i in used)
    loss.backward()
    squares = sum((o * o).sum() for o in Both.apply(x, y)[::2])
    (dx,) = lib.autograd.grad(squares, x, create_graph=True)
    more = lib.autograd.grad(dx.sum(), (x, y))
    flags = [o.requires_grad for o in outs]
    return [t.tolist() for t in (x.grad, y.grad, dx, *more)], flags, seen


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("used", [(0, 2), (0,), (2,)])
def test_one_backward_for_all_outputs(used: tuple[int, ...], zeros: bool) -> None:
    assert _values(rg, used, zeros) == _values(torch, used, zeros)


def _leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def _function(lib: Any, forward: Any, backward: Any, **more: Any) -> Any:
    names = {"forward": forward, "backward": backward, **more}
    kinds = {k: staticmethod(f) for k, f in names.items()}
    return type("Own", (lib.autograd.Function,), kinds)


def _exp(lib: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    return _function(lib, forward, lambda ctx, g: g * ctx.saved_tensors[0])


def a_saved_output_has_its_history(lib: Any) -> Any:
    exp, x = _exp(lib), _leaf(lib, 0.5, 1.0)
    (first,) = lib.autograd.grad(exp.apply(x).sum(), x, create_graph=True)
    (second,) = lib.autograd.grad((first * first).sum(), x)
    checks = [lib.autograd.gradcheck(exp.apply, (x,))]
    checks.append(lib.autograd.gradgradcheck(exp.apply, (x,)))
    return [[round(v, 9) for v in g.tolist()] for g in (first, second)], checks


def saved_outputs_of_several(lib: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        a, b = x.exp(), x * x
        ctx.save_for_backward(a, x)
        return a, b

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        a, x = ctx.saved_tensors
        return g * a + 2 * h * x

    both, x = _function(lib, forward, backward), _leaf(lib, 0.5, 1.0)
    return lib.autograd.gradgradcheck(lambda x: sum(both.apply(x)), (x,))


def what_was_saved_stays_as_it_is(lib: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    times = _function(lib, forward, lambda ctx, g: g * ctx.saved_tensors[0])
    x = _leaf(lib, 1.0, 2.0)

    def changed(read: bool) -> Any:
        z = x * 3
        y = times.apply(z)
        if read:
            y.tolist()
        z.add_(1)
        y.sum().backward()

    def output_changed() -> Any:
        y = _exp(lib).apply(x)
        y.mul_(2)
        y.sum().backward()

    def twice() -> Any:
        y = times.apply(x)
        y.sum().backward()
        y.sum().backward()

    def kept() -> Any:
        y = times.apply(x)
        y.sum().backward(retain_graph=True)
        y.sum().backward()

    return tried(lambda: changed(False), lambda: changed(True), output_changed, twice,
                 kept), x.grad.tolist()  # fmt: skip


def what_backward_returns(lib: Any) -> Any:
    def run(*wrong: Any) -> Any:
        own = _function(lib, lambda ctx, x: x * 1, lambda ctx, g: wrong)
        own.apply(_leaf(lib, 1.0, 2.0)).sum().backward()

    def save(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(3)
        return x * 1

    saves = _function(lib, save, lambda ctx, g: g)
    return tried(
        lambda: run(3.0),
        lambda: run(lib.ones(5, dtype=lib.float64)),
        lambda: run(lib.ones(2, dtype=lib.float64), lib.ones(2)),
        lambda: run(),
        lambda: saves.apply(_leaf(lib, 1.0)).sum().backward(),
    )


def what_its_node_has(lib: Any) -> Any:
    def forward(ctx: Any, x: Any, k: float = 2.0) -> Any:
        ctx.k = k
        ctx.save_for_backward(x)
        return x * k

    own = _function(lib, forward, lambda ctx, g, *_: (g * ctx.k, None))
    x = _leaf(lib, 1.0)
    f = own.apply(x, 3.0).grad_fn
    leaf = f.next_functions[0][0].variable
    named = own.apply(x, k=5.0).tolist()
    return (
        f.name(),
        type(f).__name__,
        f.k,
        f.saved_tensors[0].tolist(),
        leaf is x,
        named,
    )


def forward_mode_of_ones_own(lib: Any) -> Any:
    def forward(ctx: Any, x: Any, k: float) -> Any:
        ctx.k = k
        return x * k

    own = _function(lib, forward, lambda ctx, g: (g * ctx.k, None),
                    jvp=lambda ctx, t, _: t * ctx.k * 10)  # fmt: skip
    dual = lib.autograd.forward_ad
    with dual.dual_level():
        x = dual.make_dual(lib.ones(2), lib.full((2,), 3.0))
        return dual.unpack_dual(own.apply(x, 2.0)).tangent.tolist()


def forward_mode_of_several(lib: Any) -> Any:
    def setup(ctx: Any, inputs: Any, output: Any) -> Any:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    def jvp(ctx: Any, a: Any, b: Any) -> Any:
        x, y = ctx.saved_tensors
        return a * y + x * b, 7 * a

    own = _function(lib, lambda x, y: (x * y, x + y), lambda ctx, g, h: (g + h, g - h),
                    setup_context=setup, jvp=jvp)  # fmt: skip
    x, y = lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0])
    outs = lib.func.jvp(own.apply, (x, y), (lib.ones(2), lib.ones(2) * 2))
    return [[t.tolist() for t in part] for part in outs]


def test_a_function_is_applied() -> None:
    with pytest.raises(RuntimeError, match="Exp.apply|Own.apply"):
        _exp(rg)()(_leaf(rg, 1.0))


PROGRAMS = programs_of(globals())


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning"
)  # of its forward mode
@pytest.mark.parametrize("eager", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: Callable[[Any], Any], eager: bool) -> None:
    same(torch, program, eager)
