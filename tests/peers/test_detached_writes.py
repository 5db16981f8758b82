"""Writing to parts of ``.data`` and of detached tensors: the owner stays a leaf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def _held(x: Any) -> Any:
    part = x.data
    part[0] = 5.0
    return part


def _twice(x: Any) -> None:
    x.data[0] = 1.0
    x.data[1:] = 4.0


def _masked(x: Any) -> None:
    x.data[x.data < 0] = 0.0


def _of_numpy(x: Any) -> None:
    x.detach().numpy()[0] = 10
    x.data[2] = 1.0


WRITES: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: x.data.__setitem__(0, 1.0),
    "slice": lambda x: x.data.__setitem__(slice(1, None), 4.0),
    "detach": lambda x: x.detach().__setitem__(0, 5.0),
    "held": _held,
    "twice": _twice,
    "masked": _masked,
    "numpy": _of_numpy,
    "of a view": lambda x: x.data.view(-1).__setitem__(0, 7.0),
    "filled": lambda x: x.data[0].fill_(7.0),
    "read": lambda x: (x.data.__setitem__(0, 2.0), x.tolist()),
    "beside a view": lambda x: (x.view(3, 1), x.data.__setitem__(0, 2.0)),
}


@pytest.mark.parametrize("kind", ["tensor", "parameter"])
@pytest.mark.parametrize("write", WRITES)
def test_the_owner_stays_a_leaf(write: str, kind: str) -> None:
    found = []
    for lib in (torch, rg):
        x = lib.tensor([1.0, -2.0, 3.0], requires_grad=True)
        if kind == "parameter":
            x = lib.nn.Parameter(x)
        for _ in range(3):
            x.grad = None
            _ = WRITES[write](x)
            (x * x).sum().backward()
        found.append((x.is_leaf, x.tolist(), x.grad.tolist()))
    assert found[1] == found[0]


def test_a_table_that_is_filled_row_by_row_is_learned() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    found = []
    for lib in (torch, rg):
        table = lib.nn.Embedding(4, 2, dtype=lib.float64)
        for i, row in enumerate(rows):
            table.weight.data[i] = lib.tensor(row)
        optimizer = lib.optim.SGD(table.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            table(lib.tensor([1, 3, 3])).pow(2).sum().backward()
            optimizer.step()
            table.weight.data[0] = table.weight.data[1] * 2
        found.append(table.weight.detach().numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_a_detached_tensor_takes_the_history_of_what_is_written() -> None:
    found = []
    for lib in (torch, rg):
        a, w = lib.tensor([2.0], requires_grad=True), lib.ones(3)
        d = w.detach()
        d[1:] = a * 3
        (d * lib.tensor([1.0, 2.0, 3.0])).sum().backward()
        first = a.grad.tolist()
        e = lib.ones(2, 3).detach()
        e[0, 1:] = a
        e[1] = a * a
        e.sum().backward()
        found.append((first, a.grad.tolist(), w.tolist(), w.requires_grad))
    assert found[1] == found[0]


def test_a_function_that_changes_its_input() -> None:
    found = []
    for lib in (torch, rg):

        class Next(lib.autograd.Function):  # type: ignore[name-defined,misc]
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                x.add_(1)
                ctx.mark_dirty(x)
                return x, 5

            @staticmethod
            def backward(ctx: Any, g: Any, _: Any) -> Any:
                return g * 7

        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = x * 2
        out, five = Next.apply(y)
        (y * y).sum().backward()
        found.append((out is y, five, y.tolist(), x.grad.tolist()))
    assert found[1] == found[0]


def test_a_function_with_too_many_gradients() -> None:
    for lib in (torch, rg):

        class Wrong(lib.autograd.Function):  # type: ignore[name-defined,misc]
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x * 1

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return g, g

        x = lib.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match=r"expected 1, got 2"):
            Wrong.apply(x).sum().backward()
