"""Parts of data that are taken at once: the same numbers, aliases and errors, and a loop
over random places of the data is one program."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch


def plans() -> int:
    """How many programs were planned since the trie began."""
    return sum(branch.planned for branch in dispatch.recorder()._branches())


def step(data: rg.Tensor, w: rg.Tensor, at: int) -> float:
    batch = rg.stack([data[at + k : at + k + 3] for k in range(2)])
    loss = (batch * w).sum()
    w.grad = None
    loss.backward()
    with rg.no_grad():
        w -= 0.01 * w.grad
    return loss.item()


def test_random_places_are_one_program() -> None:
    data, w = rg.arange(40.0).sin(), rg.nn.Parameter(rg.ones(3))
    data.tolist()
    expected, weights = np.sin(np.arange(40, dtype=np.float32)), np.ones(3)
    for at in range(12):
        parts = np.stack([expected[at + k : at + k + 3] for k in range(2)])
        assert step(data, w, at) == pytest.approx((parts * weights).sum(), rel=1e-5)
        weights = weights - 0.01 * parts.sum(0)
    before = plans()
    for at in range(12, 30):
        step(data, w, at)
    assert plans() == before


def test_parts_taken_at_once_are_views() -> None:
    data = rg.zeros(12)
    data.tolist()
    for i in range(8):
        part = data[i : i + 2]
        part += i
        row = data.narrow(0, i, 1)
        assert row.item() == data[i].item() == (2 * i - 1 if i else 0)
        assert part._base is data and part.data_ptr() == data.data_ptr() + 4 * i
    data.mul_(2)
    assert row.item() == 26 and part.tolist() == [26, 14]
    assert part._version == data._version


@pytest.mark.parametrize("visits", [1, 9])
def test_errors_are_the_same(visits: int) -> None:
    data = rg.zeros(12)
    data.tolist()
    for i in range(visits):
        data[i].item()
    with pytest.raises(IndexError, match="index 12 is out of bounds") as refused:
        data[12]
    assert "test_leaf_parts.py" in str(refused.value)


def test_parts_of_memory_that_numpy_holds() -> None:
    held = np.arange(200_000, dtype=np.float32).reshape(-1, 2)
    data = rg.from_numpy(held)
    rows = data[rg.tensor([3, 5])]
    picked = data.index_select(1, rg.tensor([1]))
    some = data[7:9]
    held[:] = 0  # after the rows were taken, though nobody had asked for them
    assert rows.tolist() == [[6, 7], [10, 11]]
    assert picked[:3].flatten().tolist() == [1, 3, 5]
    assert some.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(IndexError, match="out of bounds"):
        data[rg.tensor([100_000])].tolist()


def test_memory_that_numpy_holds_is_not_copied_for_a_part() -> None:
    held = np.ones((100_000, 2), np.float32)
    data, rec = rg.from_numpy(held), dispatch.recorder()
    kept = [data[5:9] * 2, data[rg.tensor([1, 2])] * 2, data.select(0, 3) * 2]
    assert sum(copy.nbytes for copy in rec.snapshots.values()) < 1000
    assert [x.sum().item() for x in kept] == [16, 8, 4]


def test_parts_of_what_wants_gradients_are_recorded() -> None:
    w = rg.ones(12, requires_grad=True)
    total = sum((w[i] * i for i in range(12)), rg.zeros(()))
    total.backward()
    assert w.grad is not None and w.grad.tolist() == list(range(12))


def test_samples_joined_in_any_order_are_one_program() -> None:
    w = rg.nn.Parameter(rg.ones(2))
    memory = [rg.tensor([[float(i), 1.0]]) for i in range(30)]
    for turn in range(12):
        if turn == 6:
            known = plans()
        order = [(7 * turn + 3 * k * k) % 30 for k in range(10)]
        now = rg.cat([memory[i] for i in order])
        then = rg.stack([memory[(i + turn) % 30][0] for i in order])
        (now * w + then).sum().backward()
        assert w.grad is not None and w.grad.tolist() == [sum(order), 10]
        w.grad = None
    assert plans() == known


def test_joined_leaves_are_copies_and_follow_the_rules() -> None:
    parts = [rg.full((2,), float(i)) for i in range(10)]
    whole = rg.cat(parts)
    parts[0].fill_(9)
    assert whole[:4].tolist() == [0, 0, 1, 1]
    assert rg.cat([*parts, rg.tensor([1])]).dtype is rg.float32
    with pytest.raises(RuntimeError):
        rg.cat([*parts, rg.ones(1, 1)])
    with pytest.raises(IndexError):
        rg.cat(parts, dim=1)
    base, w = rg.zeros(10, 2), rg.ones(2, requires_grad=True)
    rows = [base[i] for i in range(10)]
    assert rows[3].tolist() == [0, 0]
    base += w  # the rows have its history now
    rg.cat(rows).sum().backward()
    assert w.grad is not None and w.grad.tolist() == [10, 10]


def test_a_part_of_a_view_whose_whole_was_changed_has_its_history() -> None:
    base, w = rg.zeros(10, 3), rg.ones(3, requires_grad=True)
    row = base[2]
    for i in range(3):
        for _ in range(5):
            row[i].item()
    base *= 1
    base += w
    (row[1] * 5 + row[0:2].sum()).backward()
    assert w.grad is not None and w.grad.tolist() == [1, 6, 0]
