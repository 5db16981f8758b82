"""Functions with a derivative of one's own and several outputs, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import retrograd as rg

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
