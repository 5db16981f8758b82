"""``autograd.Function`` under vmap, next to PyTorch: with a rule of its own, and with one
that is made of ``forward`` and ``backward``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def product(lib: Any, outputs: int, written: bool) -> Any:
    """x·sin y, and perhaps eˣ + y."""

    class Product(lib.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = not written

        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return (x * y.sin(), x.exp() + y)[:outputs]

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any = None) -> Any:
            x, y = ctx.saved_tensors
            gx, gy = g * y.sin(), g * x * y.cos()
            return (gx, gy) if h is None else (gx + h * x.exp(), gy + h)

    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        full = [
            a.movedim(d, 0) if d is not None else a.expand(info.batch_size, *a.shape)
            for a, d in zip(args, in_dims, strict=True)
        ]
        return Product.apply(*full), (0,) * outputs

    if written:
        Product.vmap = staticmethod(vmap)
    return Product


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("dims", [(0, 0), (0, None), (None, 0), (1, 0)])
def test_values_and_derivatives(
    dims: tuple[int | None, int | None], outputs: int, written: bool
) -> None:
    a = np.arange(9.0).reshape(3, 3) / 5
    arrays = [
        m if d is not None else m[1]
        for m, d in zip((a, a[::-1] + 1), dims, strict=True)
    ]
    sides = []
    for lib in (rg, torch):
        f = product(lib, outputs, written).apply
        x, y = [lib.tensor(m.copy()) for m in arrays]
        w = lib.tensor(a)
        many = lib.func.vmap(f, in_dims=dims)

        def total(x: Any, y: Any, many: Any = many, w: Any = w) -> Any:
            return sum((t * w * (i + 1)).sum() for i, t in enumerate(many(x, y)))

        def one(x: Any, y: Any, f: Any = f) -> Any:
            return sum(t.sum() for t in f(x, y))

        found = [*many(x, y), *lib.func.grad(total, argnums=(0, 1))(x, y)]
        found += lib.func.vmap(lib.func.grad(one, argnums=(0, 1)), in_dims=dims)(x, y)
        p, q = x.clone().requires_grad_(), y.clone().requires_grad_()
        total(p, q).backward()
        found += [p.grad, q.grad]
        m = lib.tensor(a)
        found.append(
            lib.func.vmap(
                lambda z, f=f, lib=lib: lib.func.vmap(f, in_dims=(0, None))(z, z)[0]
            )(m)
        )
        sides.append([t.detach().numpy() for t in found])
    for mine, theirs in zip(*sides, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14)


def test_the_rule_is_told_of_the_batch() -> None:
    told = []
    for lib in (rg, torch):

        class Scaled(lib.autograd.Function):  # type: ignore[misc]
            @staticmethod
            def forward(x: Any, n: float) -> Any:
                return x * n

            @staticmethod
            def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
                pass

            @staticmethod
            def vmap(info: Any, in_dims: Any, x: Any, n: float) -> Any:
                told.append((info.batch_size, info.randomness, in_dims, n))
                return x * 100, 0

        out = lib.func.vmap(Scaled.apply, in_dims=(0, None), randomness="same")
        assert out(lib.ones(3), 2.0).tolist() == [100, 100, 100]
        assert Scaled.apply(lib.ones(3), 2.0).tolist() == [2, 2, 2]
    assert told == [(3, "same", (0, None), 2.0)] * 2


def test_two_rules_are_refused() -> None:
    for lib in (rg, torch):
        f = product(lib, 1, True)
        f.generate_vmap_rule = True
        with pytest.raises(RuntimeError, match="both generate_vmap_rule=True and"):
            lib.func.vmap(f.apply)(lib.ones(3), lib.ones(3))


def test_a_rule_that_returns_no_out_dims() -> None:
    for lib in (rg, torch):
        f = product(lib, 1, True)
        f.vmap = staticmethod(lambda info, in_dims, x, y: x)
        with pytest.raises(RuntimeError):
            lib.func.vmap(f.apply)(lib.ones(3), lib.ones(3))
