"""Small things that the first programs of a newcomer touch, as PyTorch does them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def told(lib: Any, value: Any) -> str:
    return str(value).replace("retrograd", "torch").replace(lib.__name__, "torch")


SAME: dict[str, Callable[[Any], Any]] = {
    "lists of arrays": lambda lib: lib.tensor([np.ones(2), np.zeros(2)]).dtype,
    "float64 in a list": lambda lib: lib.tensor([np.float64(1), 2.0]).dtype,
    "float32 in a list": lambda lib: lib.tensor([np.float32(1), 2]).dtype,
    "a tensor in a list": lambda lib: (
        lib.tensor([lib.ones((), dtype=lib.half), 1]).dtype
    ),
    "floats": lambda lib: lib.tensor([[1, 2.5], [True, 3]]).dtype,
    "one class": lambda lib: lib.zeros(4).scatter_(0, lib.tensor(3), value=1),
    "added": lambda lib: lib.zeros(4).scatter_add(0, lib.tensor(1), lib.tensor(2.0)),
    "part of a shape": lambda lib: lib.ones(2, 3, 4).shape[1:],
    "longer shape": lambda lib: (2,) + lib.ones(2).shape,  # noqa: RUF005
    "numel of a part": lambda lib: lib.ones(2, 3, 4).shape[1:].numel(),
    "finfo": lambda lib: lib.finfo(lib.float32),
    "iinfo": lambda lib: lib.iinfo(lib.int8),
    "numpy's function": lambda lib: np.sin(lib.zeros(2)),
    "type of numpy's": lambda lib: isinstance(np.exp(lib.zeros(2)), lib.Tensor),
    "mean": lambda lib: lib.ones(2, requires_grad=True).mean(),
    "loss": lambda lib: lib.nn.functional.mse_loss(
        lib.ones(2, requires_grad=True), lib.zeros(2)
    ),
    "softmax": lambda lib: lib.ones(2, requires_grad=True).softmax(0),
    "buffer": lambda lib: lib.nn.BatchNorm1d(2).num_batches_tracked,
    "two groups": lambda lib: lib.optim.SGD(
        [
            {"params": [lib.ones(1, requires_grad=True)]},
            {"params": [lib.zeros(1, requires_grad=True)], "lr": 0.5},
        ],
        lr=0.1,
    ),
    "missing keys": lambda lib: lib.nn.Linear(1, 1).load_state_dict({}, strict=False),
}


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")  # PyTorch's own
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept")  # PyTorch's own
@pytest.mark.parametrize("name", SAME)
def test_the_same(name: str) -> None:
    assert told(rg, SAME[name](rg)) == told(torch, SAME[name](torch))


def test_a_shortcut_that_is_empty() -> None:
    for lib in (torch, rg):
        block = lib.nn.Sequential(lib.nn.Sequential(), lib.nn.Sequential())
        x = lib.ones(2, requires_grad=True)
        for _ in range(3):
            x.grad = None
            (block(x) + lib.nn.Sequential()(x)).sum().backward()
            assert x.grad.tolist() == [2.0, 2.0]


def test_a_retained_gradient_is_what_hooks_leave() -> None:
    for lib in (torch, rg):
        x = lib.ones(2, requires_grad=True)
        y = x * 3
        y.retain_grad()
        y.register_hook(lambda g: g + 1)
        y.sum().backward()
        assert (y.grad.tolist(), x.grad.tolist()) == ([2.0, 2.0], [6.0, 6.0])


def test_gradients_of_a_dict() -> None:
    for lib in (torch, rg):
        x = {
            k: lib.full((2,), v, requires_grad=True)
            for k, v in (("a", 1.0), ("b", 2.0))
        }
        found = lib.autograd.grad((x["a"] * x["b"]).sum(), x, only_inputs=True)
        assert {k: g.tolist() for k, g in found.items()} == {
            "a": [2.0] * 2,
            "b": [1.0] * 2,
        }


def test_where_a_loss_came_from() -> None:
    x = rg.ones(1, 3, requires_grad=True)
    net = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.ReLU(), rg.nn.Linear(4, 1))
    loss = rg.nn.functional.mse_loss(net(x), rg.zeros(1, 1))
    names, fn = [], loss.grad_fn
    while fn.next_functions:
        names.append(fn.name())
        fn = fn.next_functions[0][0]
    assert names == ["MseLossBackward0", "LinearBackward0", "ReluBackward0",
                     "LinearBackward0"]  # fmt: skip
    assert fn.variable is x


CLOSE: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "equal": ([1.0, 2.0], [1.0, 2.0], {}),
    "near": ([1.0, 2.0], [1.0, 2.0 + 1e-7], {}),
    "far": ([1.0, 2.0], [1.0, 2.1], {}),
    "told": ([1.0, 2.0], [1.0, 2.1], {"rtol": 0.1, "atol": 0.0}),
    "one of two": ([1.0], [1.0], {"rtol": 0.1}),
    "shape": ([1.0], [1.0, 2.0], {}),
    "nan": ([float("nan")], [float("nan")], {}),
    "equal nan": ([float("nan")], [float("nan")], {"equal_nan": True}),
    "whole": ([1, 2], [1, 3], {}),
    "type": ([1, 2], [1.0, 2.0], {}),
    "any type": ([1, 2], [1.0, 2.0], {"check_dtype": False}),
}


@pytest.mark.parametrize("name", CLOSE)
def test_assert_close(name: str) -> None:
    a, b, options = CLOSE[name]
    found = []
    for lib in (torch, rg):
        for wrap in (lambda t: t, lambda t: {"k": [t]}):
            try:
                lib.testing.assert_close(
                    wrap(lib.tensor(a)), wrap(lib.tensor(b)), **options
                )
            except (AssertionError, ValueError) as error:
                found.append(type(error))
            else:
                found.append(None)
    assert found[2:] == found[:2]
