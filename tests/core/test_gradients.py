"""Gradients that move together: one store for all, and still each one's own."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.gradients import Bundle, Share


def network() -> tuple[Any, Any]:
    a = rg.nn.Parameter(rg.tensor([1.0, 2.0]))
    b = rg.nn.Parameter(rg.tensor([3.0]))
    return (a, b), rg.optim.SGD([a, b], lr=0.25)


def loss_of(a: Any, b: Any) -> Any:
    return (a * a).sum() + (a * b).sum()


def repeated() -> tuple[Any, Any, Any]:
    """A network whose backward has come back, so that its gradients are shared."""
    (a, b), optimizer = network()
    for _ in range(4):
        optimizer.zero_grad()
        loss_of(a, b).backward()
        optimizer.step()
    with rg.no_grad():
        a.copy_(rg.tensor([1.0, 2.0]))
        b.copy_(rg.tensor([3.0]))
    optimizer.zero_grad()
    loss_of(a, b).backward()
    assert type(a._grad) is Share and type(a._grad.gradients.value) is Bundle
    return a, b, optimizer


def test_each_gradient_is_right() -> None:
    a, b, _ = repeated()
    assert a.grad.tolist() == [5.0, 7.0]
    assert b.grad.tolist() == [3.0]
    assert a.grad is a.grad


def test_they_add_up() -> None:
    a, b, _ = repeated()
    loss_of(a, b).backward()
    assert a.grad.tolist() == [10.0, 14.0] and b.grad.tolist() == [6.0]


def test_one_can_be_forgotten() -> None:
    a, b, optimizer = repeated()
    a.grad = None
    assert a.grad is None and b.grad.tolist() == [3.0]
    optimizer.step()
    assert a.tolist() == [1.0, 2.0] and b.tolist() == [2.25]


def test_one_can_be_replaced_before_the_step() -> None:
    a, b, optimizer = repeated()
    b.grad = rg.tensor([100.0])
    optimizer.step()
    assert a.tolist() == [-0.25, 0.25] and b.tolist() == [-22.0]


def test_a_step_leaves_them_readable() -> None:
    a, b, optimizer = repeated()
    optimizer.step()
    assert a.tolist() == [-0.25, 0.25] and b.tolist() == [2.25]
    assert a.grad.tolist() == [5.0, 7.0] and b.grad.tolist() == [3.0]


def test_a_gradient_held_outlives_the_next_step() -> None:
    a, b, optimizer = repeated()
    held = a.grad
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(a, b).backward()
        optimizer.step()
    assert held.tolist() == [5.0, 7.0]


def test_another_backward_that_reaches_a_part() -> None:
    a, b, optimizer = repeated()
    for _ in range(3):
        optimizer.zero_grad()
        (b * 7).sum().backward()
        assert a.grad is None and b.grad.tolist() == [7.0]
        optimizer.zero_grad()
        loss_of(a, b).backward()
        assert b.grad.tolist() == [a.sum().item()]


def test_hooks_see_each_backward() -> None:
    a, b, optimizer = repeated()
    seen: list[Any] = []
    a.register_hook(lambda g: seen.append(g.tolist()))
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(a, b).backward()
    assert seen == [[5.0, 7.0], [5.0, 7.0]]


def test_a_hook_that_reads_a_value_spoils_no_other_gradient() -> None:
    a = rg.tensor([1.0, 2.0], requires_grad=True)
    b = rg.tensor([3.0], requires_grad=True)
    seen: list[Any] = []
    a.register_hook(lambda g: seen.append(g.tolist()))
    for _ in range(3):
        a.grad = b.grad = None
        loss_of(a, b).backward()
        assert a.grad.tolist() == [5.0, 7.0] and b.grad.tolist() == [3.0]


def test_another_thread_reads_them() -> None:
    a, b, _ = repeated()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(a.grad.tolist()))
    thread.start()
    thread.join()
    assert found == [[5.0, 7.0]] and b.grad.tolist() == [3.0]


def test_a_state_changed_by_hand_is_used() -> None:
    w = rg.nn.Parameter(rg.tensor([1.0]))
    optimizer = rg.optim.SGD([w], lr=1.0, momentum=0.5)
    for _ in range(4):
        optimizer.zero_grad()
        (w * 2).sum().backward()
        optimizer.step()
    before = w.item()
    optimizer.state[w]["momentum_buffer"] = rg.tensor([10.0])
    optimizer.zero_grad()
    (w * 2).sum().backward()
    optimizer.step()
    assert w.item() == pytest.approx(before - 7.0)


def test_memory_given_away_sees_the_step() -> None:
    a, _, optimizer = repeated()
    array, view = a.detach().numpy(), a.data[0]
    optimizer.step()
    np.testing.assert_array_equal(array, [-0.25, 0.25])
    assert view.item() == -0.25


def test_gradients_that_are_asked_for_in_another_order() -> None:
    # The same operations, but what they add up for comes in another order: the run
    # must not take the gradient of one for that of the other.
    def shapes(order: tuple[int, int]) -> list[tuple[int, ...]]:
        leaves = [
            rg.ones((), dtype=rg.float64, requires_grad=True),
            rg.ones(1, 2, dtype=rg.float64, requires_grad=True),
        ]
        c = leaves[order[0]] + leaves[order[1]]
        c.detach().abs().max().item()  # runs: what follows is another trace
        loss = (c * rg.tensor([[1.0, 2.0]], dtype=rg.float64)).sum()
        loss.backward()
        loss.item()
        grads = [leaf.grad for leaf in leaves]
        assert [g.tolist() for g in grads] == [3.0, [[1.0, 2.0]]]
        return [tuple(g.shape) for g in grads]

    for order in ((0, 1), (1, 0), (0, 1), (1, 0)):
        assert shapes(order) == [(), (1, 2)]
