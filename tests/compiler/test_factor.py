"""Common factors of derivatives: what is left, and that the numbers stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd.compiler import passes
from retrograd.compiler.factor import factored

from .test_stages import recorded


def derivative(f: Callable[[Any], Any], shape: tuple[int, ...] = (3, 5)) -> Any:
    """The program of f and of its derivative, weighted by numbers."""
    rng = np.random.default_rng(0)
    x = rg.tensor(rng.standard_normal(shape), requires_grad=True)
    w = rg.tensor(rng.standard_normal(shape))
    y = f(x)
    (y * w).sum().backward()
    return recorded(y, x.grad)


def names(program: Any) -> list[str]:
    return [n.op.name for n in program.nodes]


def test_softmax_needs_only_its_output() -> None:
    program = passes.optimized(derivative(lambda x: F.softmax(x, -1)))
    program.verify()
    made = names(program)
    assert made.count("div") == 1 and made.count("exp") == 1
    # y·(g − Σ g·y)
    assert made[made.index("div") + 1 :] == [
        "expand", "mul", "mul", "sum", "neg", "add", "mul"
    ]  # fmt: skip


def test_gelu_has_one_factor() -> None:
    program = passes.optimized(derivative(F.gelu))
    *_, last = program.wanted.values()
    assert last.op.name == "mul"
    factor = last.inputs[1]
    assert factor.op.name == "add"  # Φ(x) + x φ(x)


def test_what_a_user_computes_stays_as_it_was_written() -> None:
    x, a, b = (rg.randn(3, 5) for _ in range(3))
    s = x.exp().sum(1, keepdim=True)
    program = recorded(x * a + x * b, (-a / s).sum(1), x.exp() / s * s)
    assert str(factored(program)) == str(program)


def test_what_others_use_is_not_computed_again() -> None:
    x = rg.randn(3, 5, requires_grad=True)
    a, b = rg.randn(3, 5), rg.randn(3, 5)
    p = rg.randn(3, 5, requires_grad=True)
    (dx,) = rg.autograd.grad((x * a + x * b).sum(), x)
    program = passes.optimized(recorded(dx, p * a))
    assert len(program.nodes) <= len(passes.common(recorded(dx, p * a)).nodes)


PLAIN: dict[str, Callable[[Any], Any]] = {
    "softmax": lambda x: F.softmax(x, -1),
    "softmax along columns": lambda x: F.softmax(x, 0),
    "log-softmax": lambda x: F.log_softmax(x, -1),
    "gelu": F.gelu,
    "tanh gelu": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "layer norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "rms norm": lambda x: F.rms_norm(x, x.shape[-1:]),
    "normalize": lambda x: F.normalize(x, dim=-1),
    "ratio": lambda x: x.exp() / x.exp().sum(),
    "products": lambda x: x * x.sin() * 2 + x * x.cos() / 3 - x * -x,
    "negative sums": lambda x: (
        -(x / -x.var(-1, keepdim=True)).sum(-1, keepdim=True) * x
    ),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
}


@pytest.mark.parametrize("name", PLAIN)
def test_both_executors_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
    found = []
    for executor in ("interpreter", "native"):
        monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
        rng = np.random.default_rng(3)
        x = rg.tensor(rng.standard_normal((4, 9)), requires_grad=True)
        w = rg.tensor(rng.standard_normal((4, 9)))
        y = PLAIN[name](x)
        (dx,) = rg.autograd.grad((y * w).sum(), x, create_graph=True)
        (ddx,) = rg.autograd.grad((dx * w).sum(), x)
        found.append((y.detach().numpy(), dx.detach().numpy(), ddx.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_softmax_of_forbidden_rows_has_no_nan() -> None:
    """Rows of scores that are all −∞, as attention has them."""
    mask = rg.tensor([[True, False], [False, False]])
    q = rg.randn(2, 4, dtype=rg.float64, requires_grad=True)
    y = F.scaled_dot_product_attention(q, q, q, attn_mask=mask)
    y.sum().backward()
    assert q.grad is not None and np.isfinite(q.grad.numpy()).all()


def test_the_tangent_of_a_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    """What meets e/s is a leaf there, no operation."""
    pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
    rng = np.random.default_rng(0)
    x, v, w = (rg.tensor(rng.standard_normal((3, 5))) for _ in range(3))
    gradient = rg.func.grad(lambda x: (F.softmax(x, -1) * w).sum())
    found = []
    for executor in ("interpreter", "native"):
        monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
        _, tangent = rg.func.jvp(gradient, (x,), (v,))
        found.append(tangent.numpy())
    np.testing.assert_allclose(*found, 1e-12, 1e-14)
