"""Automatic mixed precision, against PyTorch's on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")

rng = np.random.default_rng(0)
A, B = (rng.standard_normal((3, 3)).astype("f") for _ in range(2))
V = rng.standard_normal(3).astype("f")
OPS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "matmul": lambda lib, a, b, v: a @ b,
    "vector": lambda lib, a, b, v: a @ v,
    "add": lambda lib, a, b, v: a @ b + a,
    "linear": lambda lib, a, b, v: lib.nn.functional.linear(a, b, v),
    "conv1d": lambda lib, a, b, v: lib.nn.functional.conv1d(a[None], b[:, :, None], v),
    "transposed": lambda lib, a, b, v: lib.nn.functional.conv_transpose1d(
        a[None], b[:, :, None]
    ),
    "bmm": lambda lib, a, b, v: lib.bmm(a[None], b[None]),
    "addmm": lambda lib, a, b, v: lib.addmm(v, a, b),
    "baddbmm": lambda lib, a, b, v: lib.baddbmm(a[None], a[None], b[None]),
    "mv": lambda lib, a, b, v: lib.mv(a, v),
    "addmv": lambda lib, a, b, v: lib.addmv(v, a, v),
    "dot": lambda lib, a, b, v: lib.dot(v, v) + lib.vdot(v, v) + lib.inner(v, v),
    "matrix and vector": lambda lib, a, b, v: a @ v,
    "two vectors": lambda lib, a, b, v: v @ v,
    "mv, and then as a product": lambda lib, a, b, v: lib.mv(a, v) * (a @ v),
    "inner": lambda lib, a, b, v: lib.inner(a, a),
    "outer": lambda lib, a, b, v: lib.outer(v, v),
    "vecdot": lambda lib, a, b, v: lib.linalg.vecdot(a, b),
    "trace": lambda lib, a, b, v: lib.trace(a @ b),
    "inverse": lambda lib, a, b, v: lib.linalg.inv(a @ a.mT + lib.eye(3)),
    "einsum": lambda lib, a, b, v: lib.einsum("ij,jk", a, b),
    "attention": lambda lib, a, b, v: lib.nn.functional.scaled_dot_product_attention(
        a[None], b[None], a[None]
    ),
    "softmax": lambda lib, a, b, v: (a @ b).softmax(1),
    "relu": lambda lib, a, b, v: (a @ b).relu(),
    "mean": lambda lib, a, b, v: (a @ b).mean(),
    "cat": lambda lib, a, b, v: lib.cat([a @ b, a]),
    "mse": lambda lib, a, b, v: lib.nn.functional.mse_loss(a @ b, a),
    "l1": lambda lib, a, b, v: lib.nn.functional.l1_loss(a @ b, a),
    "huber": lambda lib, a, b, v: lib.nn.functional.huber_loss(a @ b, a),
    "logits": lambda lib, a, b, v: lib.nn.functional.binary_cross_entropy_with_logits(
        a @ b, a
    ),
    "cross entropy": lambda lib, a, b, v: lib.nn.functional.cross_entropy(
        a @ b, lib.tensor([0, 1, 2])
    ),
    "kl": lambda lib, a, b, v: lib.nn.functional.kl_div(
        a @ b, (b @ a).softmax(1), reduction="batchmean"
    ),
    "poisson": lambda lib, a, b, v: lib.nn.functional.poisson_nll_loss(a @ b, a @ b),
    "prod": lambda lib, a, b, v: (a @ b).prod(),
    "cdist": lambda lib, a, b, v: lib.cdist(a @ b, a @ b),
    "float64": lambda lib, a, b, v: a.double() @ b.double(),
}


@pytest.mark.parametrize("name", OPS)
def test_types_and_values(name: str) -> None:
    found = []
    for lib in (torch, rg):
        leaves = [lib.tensor(x, requires_grad=True) for x in (A, B, V)]
        with lib.autocast("cpu", dtype=lib.bfloat16):
            out = OPS[name](lib, *leaves)
        out.float().sum().backward()
        grads = [x.grad for x in leaves if x.grad is not None]
        found.append((str(out.dtype).split(".")[1], out, grads))
    (kind, theirs, wanted), (mine_kind, mine, grads) = found
    assert mine_kind == kind
    close = {"rtol": 0.03, "atol": 0.03}  # eight bits, and sums of a few
    np.testing.assert_allclose(
        mine.detach().float().numpy(), theirs.detach().float().numpy(), **close
    )
    assert len(grads) == len(wanted)
    for g, w in zip(grads, wanted, strict=True):
        assert g.dtype is rg.float32
        np.testing.assert_allclose(g.numpy(), w.numpy(), **close)


def test_blocks() -> None:
    a, b = rg.tensor(A), rg.tensor(B)

    @rg.autocast("cpu")
    def product() -> Any:
        return a @ b

    for _ in range(3):
        assert (a @ b).dtype is rg.float32
        with rg.autocast("cpu"):
            assert (a @ b).dtype is rg.bfloat16
            assert rg.is_autocast_enabled("cpu")
            with rg.autocast("cpu", enabled=False):
                assert (a @ b).dtype is rg.float32
            assert (a @ b).dtype is rg.bfloat16
            x = rg.tensor(A, requires_grad=True)
            (x @ b).sum().backward()  # within the block: the rules do not cast
            assert x.grad is not None and x.grad.dtype is rg.float32
        assert not rg.is_autocast_enabled("cpu")
        assert product().dtype is rg.bfloat16
    with pytest.warns(UserWarning, match="CUDA is not available"):
        with rg.autocast("cuda"):
            assert (a @ b).dtype is rg.float32
    with pytest.warns(UserWarning, match="not supported"):
        rg.autocast("cpu", dtype=rg.float64)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type"):
        rg.autocast("toaster")


def train(lib: Any, scaled: bool) -> list[Any]:
    """Five steps of an optimizer with scaled losses; in the third a gradient overflows."""
    w = lib.tensor(A.astype("d"), requires_grad=True)
    optimizer = lib.optim.SGD([w], lr=0.1, momentum=0.9)
    scaler = lib.amp.GradScaler(
        "cpu", init_scale=8.0, growth_interval=2, enabled=scaled
    )
    found = []
    for step in range(5):
        optimizer.zero_grad()
        loss = (w * w).sum()
        scaler.scale(loss).backward()
        if step == 2:
            w.grad[0, 0] = float("inf")
        if step != 1:
            scaler.unscale_(optimizer)
        if step != 2 or scaled:
            scaler.step(optimizer)
        scaler.update()
        found += [w.detach().numpy().copy(), scaler.get_scale()]
    return [*found, scaler.state_dict()]


@pytest.mark.parametrize("scaled", [True, False])
def test_scaled_losses(scaled: bool) -> None:
    for theirs, mine in zip(train(torch, scaled), train(rg, scaled), strict=True):
        if isinstance(theirs, dict):
            assert mine == theirs
        else:
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_a_scaler_says_what_is_wrong() -> None:
    for lib in (torch, rg):
        w = lib.ones(2, requires_grad=True)
        optimizer, scaler = lib.optim.SGD([w]), lib.amp.GradScaler("cpu")
        with pytest.raises(AssertionError):
            scaler.update()
        scaler.scale(w.sum()).backward()
        scaler.unscale_(optimizer)
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.step(optimizer)
        with pytest.raises(RuntimeError, match="empty"):
            scaler.load_state_dict({})
        with pytest.warns(UserWarning, match="CUDA is not available"):
            assert not lib.amp.GradScaler("cuda").is_enabled()
        with pytest.raises(AssertionError, match="growth factor"):
            lib.amp.GradScaler("cpu", growth_factor=1.0)


def test_functions_of_ones_own() -> None:
    found = []
    for lib in (torch, rg):
        seen: list[str] = []

        class Product(lib.autograd.Function):  # type: ignore[name-defined,misc]
            @staticmethod
            @lib.amp.custom_fwd(device_type="cpu", cast_inputs=lib.float32)
            def forward(ctx: Any, a: Any, b: Any, seen: Any = seen) -> Any:
                ctx.save_for_backward(a, b)
                seen.append(str((a @ b).dtype).split(".")[1])
                return a @ b

            @staticmethod
            @lib.amp.custom_bwd(device_type="cpu")
            def backward(ctx: Any, g: Any, seen: Any = seen) -> Any:
                a, b = ctx.saved_tensors
                seen.append(str((g @ b).dtype).split(".")[1])
                return g @ b.mT, a.mT @ g

        a, b = (lib.tensor(x, requires_grad=True) for x in (A, B))
        with lib.autocast("cpu"):
            out = Product.apply(a, b)
        out.sum().backward()
        found.append((seen, a.grad.numpy()))
    assert found[1][0] == found[0][0] == ["float32", "float32"]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-6)
