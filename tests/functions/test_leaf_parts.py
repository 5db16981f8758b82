"""Parts of data that are taken at once: the same numbers, aliases and errors, and a loop
over random places of the data is one program."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch


def plans() -> int:
    """How many programs were planned since the trie began."""
    return dispatch.recorder().planned


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
