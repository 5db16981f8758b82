"""Gradients of slices: joined, whatever the slices are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch

X = np.random.default_rng(3).normal(size=(5, 6))

Cut = Callable[[Any], list[Any]]
CUTS: dict[str, Cut] = {
    "steps": lambda x: [x[i] for i in range(5)],
    "steps backwards": lambda x: [x[i] for i in reversed(range(5))],
    "gates": lambda x: [x[:, :2], x[:, 2:4], x[:, 4:]],
    "with gaps": lambda x: [x[:, 1:2], x[:, 3:5]],
    "one part": lambda x: [x[1:3]],
    "one twice": lambda x: [x[1:3], x[1:3]],
    "windows": lambda x: [x[:, i : i + 3] for i in range(4)],
    "nested and repeated": lambda x: [x[0:4], x[1:2], x[1], x[3:5]],
    "all": lambda x: [x[:], x[0:5, 0:6], x[:, :]],
    "none": lambda x: [x[2:2], x[:, 6:]],
    "none and some": lambda x: [x[2:2], x[2:4], x[4:4]],
    "two dimensions": lambda x: [x[1, 2:4], x[:2, 1:]],
    "both dimensions": lambda x: [x[1:3], x[:, 2:5]],
    "steps of two": lambda x: [x[::2], x[1::2], x[:, ::3]],
    "new dimensions": lambda x: [x[None, 2], x[:, None, 1:3]],
    "a part of a part": lambda x: [x[1][2], x[1:4][:, 2:][1]],
    "and the whole": lambda x: [x[1], x * 2, x[2:], x.sum(0)],
    "first the whole": lambda x: [x.exp(), x[0]],
    "size one": lambda x: [x[:, :1][:, 0], x[:1][0]],
}


def total(lib: Any, parts: list[Any]) -> Any:
    """Σ over parts of Σ w · sin(part), with other weights for each."""
    loss: Any = 0.0
    for k, part in enumerate(parts):
        w = np.cos(np.arange(part.numel()) + k).reshape(tuple(part.shape))
        loss = loss + (part.sin() * lib.tensor(w)).sum()
    return loss


@pytest.mark.parametrize("leaf", [True, False], ids=["leaf", "computed"])
@pytest.mark.parametrize("name", CUTS)
def test_gradients_of_slices_are_pytorchs(name: str, leaf: bool) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (rg, torch):
        x = lib.tensor(X, requires_grad=True)
        loss = total(lib, CUTS[name](x if leaf else x * x))
        (g,) = lib.autograd.grad(loss, [x], create_graph=True)
        (h,) = lib.autograd.grad((g * g).sum(), [x])
        found.append((g.detach().numpy(), h.numpy()))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CUTS)
def test_the_graph_with_joined_gradients_comes_back(name: str) -> None:
    """The second and third time the recorded path, perhaps machine code, is used."""
    grads = []
    for _ in range(4):
        x = rg.tensor(X, requires_grad=True)
        total(rg, CUTS[name](x * 1.5)).backward()
        grads.append(x.grad.numpy().copy())
    for g in grads[1:]:
        np.testing.assert_allclose(g, grads[0], rtol=1e-13, atol=1e-14)


def recorded(loss: Any) -> Counter[str]:
    """What backward() of *loss* records."""
    rec = dispatch.recorder()
    start = rec.state
    loss.backward()
    found: Counter[str] = Counter()
    state: Any = rec.state
    while state is not start:
        if state.op is not None:
            found[state.op.name] += 1
        state = state.parent
    return found


def test_many_parts_are_joined_once() -> None:
    x = rg.tensor(np.ones((50, 3)), requires_grad=True)
    found = recorded(rg.stack([part.sin() for part in x]).sum())
    assert found["cat"] == 1
    assert not found["view_write"] and not found["zeros"]


def test_windows_share_rows() -> None:
    """Windows of three over ten places: three rows of some that do not touch."""
    x = rg.tensor(np.ones(10), requires_grad=True)
    found = recorded(sum(x[i : i + 3].sin().sum() for i in range(8)))
    assert found["cat"] == 3
    assert not found["view_write"]


def test_one_part_is_padded() -> None:
    x = rg.tensor(np.ones((50, 3)), requires_grad=True)
    found = recorded(x[4:7].sum())
    assert found["pad"] == 1
    assert not found["view_write"] and not found["zeros"]


def test_a_hook_sees_the_whole_gradient() -> None:
    x = rg.tensor(X, requires_grad=True)
    y = x * 2
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y[0] * 3 + y[1]).sum().backward()
    expected = np.zeros_like(X)
    expected[0], expected[1] = 3, 1
    assert seen == [expected.tolist()]
    assert x.grad.tolist() == (expected * 2).tolist()


def test_a_slice_in_lower_precision_keeps_its_type() -> None:
    x = rg.tensor(X, dtype=rg.float32, requires_grad=True)
    (x[1].double() * 2).sum().backward()
    assert x.grad.dtype is rg.float32
    assert x.grad.tolist() == [[0.0] * 6, [2.0] * 6, *[[0.0] * 6] * 3]
