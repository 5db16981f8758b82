"""Parameters (and what is optimized like them) that die, or change, while pending work
waits for their values."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import Any

import pytest

import retrograd as rg
from retrograd import dispatch


def parameter() -> Any:
    return rg.nn.Parameter(rg.tensor([1.0, 2.0, 3.0]))


def optimized() -> Any:
    p = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    rg.optim.SGD([p], lr=0.1)
    return p


def optimized_of_another_class() -> Any:
    class Named(rg.Tensor):
        pass

    p = rg.tensor([1.0, 2.0, 3.0]).as_subclass(Named).requires_grad_()
    rg.optim.SGD([p], lr=0.1)
    return p


def buffer() -> Any:
    return rg.nn.Buffer(rg.tensor([1.0, 2.0, 3.0]))


KINDS = pytest.mark.parametrize(
    "make", [parameter, optimized, optimized_of_another_class, buffer]
)


@KINDS
def test_one_that_dies(make: Any) -> None:
    p = make()
    y = (p * 3).sum()
    del p
    assert y.item() == 18


@KINDS
def test_one_that_dies_when_its_work_is_known_and_compiled(make: Any) -> None:
    p = make()
    for i in range(8):
        y = (p * p).sum()
        if i == 7:
            del p
        assert y.item() == 14


@KINDS
def test_one_that_was_frozen_before_it_died(make: Any) -> None:
    p = make()
    y = (p * 3).sum()
    p.requires_grad_(not p.requires_grad)
    z = (p * 2).sum()
    del p
    assert (y.item(), z.item()) == (18, 12)


@KINDS
def test_one_that_gets_other_memory(make: Any) -> None:
    p = make()
    y = (p * 3).sum()
    p.data = rg.zeros(3)
    z = (p * 3).sum()
    del p
    assert (y.item(), z.item()) == (18, 0)


def test_modules_that_change_their_type_or_die() -> None:
    for change in (lambda m: m.double(), lambda m: m.requires_grad_(False)):
        m = rg.nn.Linear(3, 2)
        want = m(rg.ones(3)).tolist()
        y = m(rg.ones(3))
        change(m)
        del m
        assert y.dtype is rg.float32 and y.tolist() == want


@KINDS
def test_one_that_dies_in_another_thread(make: Any) -> None:
    box = [make()]
    y = (box[0] * 3).sum()
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert y.item() == 18


@KINDS
def test_one_whose_work_another_thread_has_left(make: Any) -> None:
    box, out = [make()], []
    thread = threading.Thread(target=lambda: out.append((box[0] * 3).sum()))
    thread.start()
    thread.join()
    box.clear()
    assert out[0].item() == 18


class Half(rg.optim.Optimizer):
    """A rule whose first result fits, and whose second does not."""

    counts_steps = False

    def init_state(self, param: Any, group: Any) -> Any:
        return {"kept": rg.ones_like(param)}

    def scalars(self, group: Any, step: int) -> Any:
        return ()

    def update(
        self, param: Any, grad: Any, state: Any, scalars: Any, group: Any
    ) -> Any:
        return param - state["kept"] * grad, {"kept": rg.ones(2, 3) * state["kept"]}


def test_a_refused_step_writes_nothing() -> None:
    p = rg.ones(3, requires_grad=True)
    optimizer = Half([p], {})
    (p * p).sum().backward()
    with pytest.raises(RuntimeError, match="broadcast"):
        optimizer.step()
    del optimizer
    gc.collect()
    assert p.tolist() == [1, 1, 1]
    assert (rg.ones(2) + 1).tolist() == [2, 2]


@pytest.mark.parametrize("make", [parameter, optimized])
def test_gradients_of_the_dead_are_nobodys(make: Any) -> None:
    """One backward that comes back promises all gradients as one; the place in the trie
    that remembers it does not keep them."""
    box = [make()]

    def program() -> None:
        box[0].grad = None
        (box[0] * box[0]).sum().backward()

    for _ in range(6):
        program()
        assert box[0].grad.tolist() == [2, 4, 6]
    program()
    box.clear()
    assert (rg.ones(2) + 1).tolist() == [2, 2]


def test_the_memory_of_a_model_goes_with_it() -> None:
    """Gradients, and what machine code keeps between its runs."""

    def train() -> None:
        model = rg.nn.Linear(400, 250)
        optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(6):
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()

    x = rg.ones(2, 400)
    train()  # compiles, and imports what that needs
    gc.collect()
    tracemalloc.start()
    train()
    gc.collect()
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert left < 200_000 < 400 * 250 * 4


def test_what_died_is_kept_only_for_work_that_reads_it() -> None:
    rec = dispatch.recorder()
    rg.ones(1).tolist()
    other = parameter()
    y = other * 2
    p = parameter()
    del p
    assert not rec.orphans
    p = parameter()
    z = p * 3
    del p
    assert len(rec.orphans) == 1
    assert (y.tolist(), z.tolist()) == ([2, 4, 6], [3, 6, 9])
    assert not rec.orphans


def test_a_leaf_that_takes_turns_is_known_again() -> None:
    """Freezing and thawing, and new values of the same shape, lead back to what was
    recorded before."""
    p = parameter()

    def program() -> None:
        p.data = rg.tensor([1.0, 2.0, 3.0])
        assert (p * 3).sum().item() == 18
        p.requires_grad_(False)
        assert (p * 2).sum().item() == 12
        p.requires_grad_(True)

    for _ in range(3):
        program()
    count = dispatch.recorder().count
    for _ in range(5):
        program()
    assert dispatch.recorder().count == count
