"""Rarer functions beside PyTorch's: factors of indefinite matrices, reductions of
segments, Airy's function."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def same_refusal(call: Any) -> None:
    kinds = []
    for lib in (rg, torch):
        with pytest.raises(Exception) as caught:
            call(lib)
        kinds.append(caught.type.__name__)
    assert kinds[0] == kinds[1]


def symmetric(seed: int, *shape: int) -> Any:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=shape)
    a = a + np.swapaxes(a, -1, -2)
    if seed % 2:  # blocks of two rows
        a[..., np.arange(shape[-1]), np.arange(shape[-1])] *= seed % 3 * 0.1
    return a


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 7, 12])
def test_factors_of_indefinite_matrices(n: int) -> None:
    for seed in range(6):
        a = symmetric(seed, 2, n, n)
        mine = rg.linalg.ldl_factor_ex(rg.tensor(a))
        theirs = torch.linalg.ldl_factor_ex(torch.tensor(a))
        for x, y in zip(mine, theirs, strict=True):
            op_tables.same(x, y, 1e-9, 1e-9, f"{n} {seed}")
        if n == 0 or mine.info.any():
            continue
        b = rg.randn(2, n, 3, dtype=rg.float64, requires_grad=True)
        x = rg.linalg.ldl_solve(mine.LD, mine.pivots, b)
        np.testing.assert_allclose(
            a @ x.detach().numpy(), b.detach().numpy(), atol=1e-8
        )
        assert rg.autograd.gradcheck(
            lambda b, m=mine: rg.linalg.ldl_solve(m.LD, m.pivots, b), (b,)
        )
        one = rg.linalg.ldl_solve(mine.LD, mine.pivots, b[0])  # stacks broadcast
        np.testing.assert_allclose((rg.tensor(a) @ one)[1].detach(), b[0].detach())


def test_factors_of_indefinite_matrices_under_vmap_and_without_derivative() -> None:
    a = rg.tensor(symmetric(1, 3, 4, 4))
    b = rg.randn(3, 4, 2, dtype=rg.float64)

    def solved(a: Any, b: Any) -> Any:
        LD, pivots, _ = rg.linalg.ldl_factor_ex(a)
        return rg.linalg.ldl_solve(LD, pivots, b)

    together = rg.vmap(solved)(a, b)
    for i in range(3):
        np.testing.assert_allclose(together[i], solved(a[i], b[i]), rtol=1e-12)
    np.testing.assert_allclose(
        rg.vmap(solved, in_dims=(None, 0))(a[0], b)[1], solved(a[0], b[1]), rtol=1e-12
    )
    with pytest.raises(NotImplementedError, match=r"linalg\.solve"):
        solved(a.requires_grad_(), b).sum().backward()


def test_refused_factors() -> None:
    with pytest.raises(rg.linalg.LinAlgError, match="block 1 of D is zero"):
        rg.linalg.ldl_factor(rg.zeros(3, 3))
    same_refusal(lambda lib: lib.linalg.ldl_factor(lib.ones(2, 3)))
    same_refusal(lambda lib: lib.linalg.ldl_factor(lib.ones(3)))
    same_refusal(lambda lib: lib.linalg.ldl_factor(lib.ones(3, 3, dtype=lib.int64)))
    for change in (
        lambda LD, p, b: (LD, p, b[:2]),
        lambda LD, p, b: (LD, p[:2], b),
        lambda LD, p, b: (LD, p, b[:, 0]),
        lambda LD, p, b: (LD.double(), p, b),
    ):
        same_refusal(
            lambda lib, change=change: lib.linalg.ldl_solve(
                *change(*lib.linalg.ldl_factor(lib.eye(3)), lib.ones(3, 2))
            )
        )


SEGMENTS: list[tuple[Any, dict[str, Any]]] = [
    ((6,), {"lengths": [3, 0, 3]}),
    ((6,), {"lengths": [6]}),
    ((6, 2), {"lengths": [1, 2, 3]}),
    ((6, 2), {"offsets": [0, 2, 2, 6]}),
    ((6,), {"offsets": [0, 4]}),
    ((2, 3), {"lengths": [[1, 2], [0, 3]], "axis": 1}),
    ((2, 3, 2), {"lengths": [[1, 2], [0, 3]], "axis": -2}),
    ((2, 3, 2), {"offsets": [[0, 1, 3], [0, 0, 3]], "axis": 1}),
]


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
def test_reductions_of_segments(reduce: str) -> None:
    for (shape, where), initial in itertools.product(SEGMENTS, (None, 2.5)):
        found = []
        for lib in (rg, torch):
            x = (lib.arange(12, dtype=lib.float64) * 5 % 7)[: math.prod(shape)]
            x = x.reshape(shape).clone().requires_grad_()
            given = {k: lib.tensor(v) if k != "axis" else v for k, v in where.items()}
            if initial is not None:
                given["initial"] = initial
            out = lib.segment_reduce(x, reduce, **given)
            weights = lib.arange(1, out.numel() + 1, dtype=lib.float64).reshape(
                out.shape
            )
            usable = lib.isfinite(out)
            (g,) = lib.autograd.grad((out * weights)[usable].sum(), x)
            found.append((out.tolist(), g.tolist()))
        np.testing.assert_equal(found[0][0], found[1][0])
        for a, b in zip(*(np.ravel(g) for _, g in found), strict=True):
            assert a == pytest.approx(b, rel=1e-12), (shape, where, initial)


def test_a_segment_with_nan_and_second_derivatives() -> None:
    x = rg.tensor([1.0, math.nan, 3.0])
    for reduce in ("sum", "mean", "max", "min", "prod"):
        out = rg.segment_reduce(x, reduce, lengths=rg.tensor([2, 1]))
        assert math.isnan(out[0].item()) and out[1].item() == 3.0
    x = rg.tensor([1.0, 2.0, -3.0, 0.5], dtype=rg.float64, requires_grad=True)
    for reduce in ("sum", "mean", "max", "min", "prod"):
        assert rg.autograd.gradgradcheck(
            lambda x, r=reduce: rg.segment_reduce(x, r, lengths=rg.tensor([3, 1])), (x,)
        )


def test_refused_segments() -> None:
    x = [1.0, 2.0, 3.0]
    for given in (
        {},
        {"lengths": [2]},
        {"lengths": [-1, 4]},
        {"lengths": [[3]]},
        {"lengths": [1.0, 2.0]},
        {"lengths": [3], "indices": [0]},
    ):
        same_refusal(
            lambda lib, given=given: lib.segment_reduce(
                lib.tensor(x), "sum", **{k: lib.tensor(v) for k, v in given.items()}
            )
        )
    for reduce, values in (("median", x), ("sum", [1, 2, 3])):
        same_refusal(
            lambda lib, r=reduce, v=values: lib.segment_reduce(
                lib.tensor(v), r, lengths=lib.tensor([3])
            )
        )


def test_airy() -> None:
    """PyTorch's digits (but left of −2, where it has few), and SciPy's if it is there."""
    x = np.concatenate(
        [np.linspace(-12, 12, 97), [0.0, 1.999, 2.0, 2.001, -2.0, 100.0]]
    )
    mine = rg.special.airy_ai(rg.tensor(x))
    theirs = torch.special.airy_ai(torch.tensor(x))
    op_tables.same(mine[x > -2], theirs[x > -2], 1e-9, 1e-13, "airy_ai")
    edge = rg.special.airy_ai(rg.tensor([math.inf, -math.inf, math.nan, 1e30, 1e9]))
    np.testing.assert_equal(edge.numpy(), [0.0, 0.0, math.nan, 0.0, 0.0])
    assert rg.special.airy_ai(rg.tensor([1, 2])).dtype is rg.float32
    scipy = pytest.importorskip("scipy.special")
    t = rg.tensor(x, requires_grad=True)
    (slope,) = rg.autograd.grad(rg.special.airy_ai(t).sum(), t, create_graph=True)
    (curve,) = rg.autograd.grad(slope.sum(), t)
    value, derivative = scipy.airy(x)[:2]
    np.testing.assert_allclose(mine, value, rtol=2e-14, atol=2e-14)
    np.testing.assert_allclose(slope.detach(), derivative, rtol=2e-14, atol=2e-13)
    np.testing.assert_allclose(curve, x * value, rtol=2e-14, atol=2e-12)
