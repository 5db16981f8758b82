"""Loops that have become machine code: everything that may change is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.compiler.native import Native
from retrograd.execute import interpreter
from retrograd.execute.cache import _say_once

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")
nn = rg.nn


def same_in_both(
    program: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, rtol: float = 1e-5
) -> None:
    found = []
    for executor in ("interpreter", "auto"):
        monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
        rg.manual_seed(0)
        found.append([np.asarray(v) for v in program()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def network() -> tuple[Any, Any]:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    return model, rg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(model: Any, optimizer: Any, steps: int) -> list[float]:
    losses = []
    for i in range(steps):
        x = rg.tensor(np.random.default_rng(i).normal(size=(5, 4)).astype(np.float32))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), rg.tensor([0, 1, 2, 0, 1]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_loop_becomes_one_native_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    usual = interpreter.usual

    def counted(plan: Any) -> Any:
        run = usual(plan)

        def call(plan: Any, rec: Any) -> bool:
            ran: bool = run(plan, rec)
            calls.append(plan.native if ran else None)
            return ran

        return call

    monkeypatch.setattr(interpreter, "usual", counted)
    train(*network(), 20)
    assert len(calls) >= 10 and len(set(calls[-10:])) == 1 and calls[-1] is not None


def change_activation(model: Any) -> None:
    model[1] = nn.ReLU()


def add_hook(model: Any) -> None:
    model[0].register_forward_hook(lambda module, args, out: out * 2)


def freeze(model: Any) -> None:
    model[0].weight.requires_grad_(False)


def replace_weight(model: Any) -> None:
    model[2].weight = nn.Parameter(rg.ones(3, 8))


def write_weight(model: Any) -> None:
    with rg.no_grad():
        model[2].weight.mul_(0.5)


def write_data(model: Any) -> None:
    model[0].weight.data = rg.ones(8, 4) * 0.1


def write_item(model: Any) -> None:
    with rg.no_grad():
        model[0].weight[1, 2] = 3.0


def other_forward(model: Any) -> None:
    model[1].forward = lambda x: x * 3


CHANGES = [change_activation, add_hook, freeze, replace_weight, write_weight, write_data,
           write_item, other_forward]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_model_are_noticed(
    change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def program() -> Any:
        model, optimizer = network()
        losses = train(model, optimizer, 8)
        change(model)
        losses += train(model, optimizer, 8)
        return [losses, *(p.detach().numpy().copy() for p in model.parameters())]

    same_in_both(program, monkeypatch, 1e-4)


def test_hyperparameters_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> Any:
        model, optimizer = network()
        losses = train(model, optimizer, 6)
        optimizer.param_groups[0]["lr"] = 0.01
        losses += train(model, optimizer, 6)
        optimizer.param_groups[0]["momentum"] = 0.5
        losses += train(model, optimizer, 6)
        optimizer.param_groups[0]["weight_decay"] = 0.1
        losses += train(model, optimizer, 6)
        return [losses]

    same_in_both(program, monkeypatch, 1e-4)


def test_a_label_out_of_range_changes_nothing() -> None:
    model, optimizer = network()
    train(model, optimizer, 10)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(rg.ones(5, 4)), rg.tensor([0, 1, 3, 0, 1]))
    loss.backward()
    with pytest.raises(IndexError, match=r"Target 3 .*\n.* at test_native\.py:\d+"):
        optimizer.step()
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), old)
    assert all(np.isfinite(train(model, optimizer, 5)))


@pytest.mark.parametrize("index", [-5, 4, 1 << 40])
@pytest.mark.parametrize("name", ["gather", "scatter_add"])
def test_an_index_out_of_range_is_an_error(
    name: str, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "native")
    x, where = rg.ones(2, 4), rg.tensor([[1], [index]])
    more = (rg.ones(2, 1),) if name == "scatter_add" else ()
    with pytest.raises((IndexError, RuntimeError), match=r"test_native\.py"):
        getattr(x, name)(1, where, *more).tolist()


def test_an_argument_that_shows_a_parameters_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def program() -> Any:
        w = nn.Parameter(rg.tensor([1.0, 2.0, 3.0, 4.0]))
        optimizer = rg.optim.SGD([w], lr=0.1)
        seen = []
        for _ in range(8):
            part = w.data[1:3]  # the memory that the step writes
            optimizer.zero_grad()
            loss = (w[:2] * part * part).sum()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
        return [seen, w.detach().numpy().copy()]

    same_in_both(program, monkeypatch)


def test_arrays_that_do_not_lie_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> Any:
        model, _ = network()
        base = np.arange(40, dtype=np.float32).reshape(4, 10) / 40
        results = []
        for i in range(6):
            x = rg.from_numpy(
                base[:, i : i + 4].T if i % 2 else base[:, : i + 4 : 1].T[:4]
            )
            results.append(model(x).sum().item())
        return [results]

    same_in_both(program, monkeypatch)


def test_memory_held_by_numpy_sees_each_step() -> None:
    model, optimizer = network()
    shown = model[0].weight.detach().numpy()
    train(model, optimizer, 10)
    np.testing.assert_array_equal(shown, model[0].weight.detach().numpy())


def test_losses_that_are_kept_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    w = nn.Parameter(rg.tensor([1.0]))
    optimizer = rg.optim.SGD([w], lr=0.5)
    kept, grads = [], []
    for _ in range(8):
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        kept.append(loss)
        grads.append(w.grad)
        with rg.no_grad():
            w.fill_(float(len(kept) + 1))
    assert [x.item() for x in kept] == [float(k * k) for k in range(1, 9)]
    assert [g.item() for g in grads] == [2.0 * k for k in range(1, 9)]


def test_shapes_that_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> Any:
        model, optimizer = network()
        losses = []
        for i in range(24):
            n = 2 + i % 4
            x = rg.tensor(
                np.random.default_rng(i).normal(size=(n, 4)).astype(np.float32)
            )
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), rg.tensor([1] * n))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return [losses]

    same_in_both(program, monkeypatch, 1e-4)


def test_without_llvmlite_it_is_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrograd.execute.cache._available", False)
    calls: list[Any] = []
    monkeypatch.setattr(Native, "__init__", lambda *a: calls.append(a))
    _say_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="llvmlite is not installed") as caught:
        losses = train(*network(), 8)
    assert len(caught) == 1
    assert not calls and losses[-1] < losses[0] + 1


def test_tiny_numbers_of_float64_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "native")
    x = rg.tensor([5e-324, -4e-310, 1.0], dtype=rg.float64)
    assert (x * 3).tolist() == [5e-324 * 3, -4e-310 * 3, 3.0]
    assert (x > 0).tolist() == [True, False, True]


def test_extremes_of_truth_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """True is above False: their machine numbers, with a sign, are not."""

    def program() -> list[Any]:
        a = rg.tensor([False, True, False, True])
        b = rg.tensor([True, True, False, False])
        found = []
        for _ in range(4):
            found += [rg.maximum(a, b).int().numpy(), rg.minimum(a, b).int().numpy()]
        return found

    same_in_both(program, monkeypatch)
