"""Loaders: the fast path, threads, order, errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    get_worker_info,
)


class Squares(Dataset[Any]):
    """i² as an array; some samples are slow, or fail."""

    def __init__(self, n: int, slow: float = 0.0, bad: int = -1) -> None:
        self.n, self.slow, self.bad = n, slow, bad
        self.asked: list[int] = []

    def __getitem__(self, i: int) -> Any:
        self.asked.append(i)
        if i == self.bad:
            raise KeyError(f"sample {i} is broken")
        time.sleep(self.slow * ((i * 7) % 3))
        return rg.tensor([float(i)]) ** 2

    def __len__(self) -> int:
        return self.n


def data_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if "retrograd-data" in t.name]


def tensors() -> TensorDataset:
    return TensorDataset(rg.arange(22.0).reshape(11, 2), rg.arange(11))


def test_a_pass_over_tensors() -> None:
    loader = DataLoader(tensors(), batch_size=4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [y.tolist() for _, y in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert [x.shape for x, _ in batches] == [(4, 2), (4, 2), (3, 2)]
    assert type(batches[0]) is list
    assert batches[0][0].dtype is rg.float32


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"sampler": [3, 1]}])
def test_batches_do_not_share_memory_with_the_data(options: Any) -> None:
    data = tensors()
    for x, _ in DataLoader(data, batch_size=2, **options):
        x.zero_()
    assert data.tensors[0].tolist() == np.arange(22.0).reshape(11, 2).tolist()


def test_shuffling_is_new_each_pass_and_repeatable() -> None:
    def run(seed: int) -> list[list[int]]:
        g = rg.Generator().manual_seed(seed)
        loader = DataLoader(tensors(), batch_size=4, shuffle=True, generator=g)
        passes = [[i for _, y in loader for i in y.tolist()] for _ in range(3)]
        assert all(sorted(p) == list(range(11)) for p in passes)
        return passes

    assert run(0) == run(0) != run(1)
    assert run(0)[0] != run(0)[1]


def test_the_fast_path_gives_what_the_slow_one_gives() -> None:
    data = Subset(Subset(tensors(), [9, 8, 7, 6, 5]), [0, 2, 4, 1])
    for options in ({}, {"shuffle": True}, {"sampler": [2, 0]}, {"drop_last": True}):
        results = []
        for collate in (None, lambda batch: rg.utils.data.default_collate(batch)):
            rg.manual_seed(3)
            loader = DataLoader(data, 3, collate_fn=collate, **options)  # type: ignore[arg-type]
            results.append([[t.tolist() for t in batch] for batch in loader])
        assert results[0] == results[1]


def test_a_tensor_is_a_dataset() -> None:
    x = rg.arange(5)
    assert [b.tolist() for b in DataLoader(x, batch_size=2)] == [[0, 1], [2, 3], [4]]


def test_changes_to_the_data_are_seen() -> None:
    data = tensors()
    loader = DataLoader(data, batch_size=11)
    data.tensors[0].add_(1)
    assert next(iter(loader))[0].tolist()[0] == [1.0, 2.0]
    data.tensors[0][0] = 7
    assert next(iter(loader))[0].tolist()[0] == [7.0, 7.0]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("prefetch", [1, 3])
def test_workers_keep_the_order(workers: int, prefetch: int) -> None:
    loader = DataLoader(
        Squares(23, 0.002), 3, num_workers=workers, prefetch_factor=prefetch
    )
    for _ in range(2):
        found = [i for b in loader for i in b.flatten().tolist()]
        assert found == [float(i * i) for i in range(23)]
    assert not data_threads()


def test_workers_do_not_run_far_ahead() -> None:
    data = Squares(1000)
    iterator = iter(DataLoader(data, 5, num_workers=2, prefetch_factor=2))
    next(iterator)
    time.sleep(0.05)
    assert max(data.asked) < 5 * (1 + 2 * 2)


def test_an_abandoned_pass_leaves_no_threads() -> None:
    for batch in DataLoader(Squares(1000), 5, num_workers=3):
        assert batch.shape == (5, 1)
        break
    assert not data_threads()


def test_an_error_in_a_worker_is_raised_where_its_batch_is_asked_for() -> None:
    iterator = iter(DataLoader(Squares(40, bad=12), 5, num_workers=2))
    assert next(iterator).shape == next(iterator).shape == (5, 1)
    with pytest.raises(KeyError, match="sample 12 is broken") as caught:
        next(iterator)
    assert caught.value.__notes__ == ["raised in data worker 0"]
    assert any(entry.name == "__getitem__" for entry in caught.traceback)
    del iterator
    assert not data_threads()


def test_an_error_in_worker_init_leaves_no_threads() -> None:
    def init(number: int) -> None:
        raise RuntimeError(f"worker {number} cannot start")

    with pytest.raises(RuntimeError, match="cannot start"):
        next(iter(DataLoader(Squares(5), num_workers=2, worker_init_fn=init)))
    assert not data_threads()


def test_a_slow_batch_times_out() -> None:
    loader = DataLoader(Squares(3, slow=0.2), 3, num_workers=1, timeout=0.02)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.02"):
        next(iter(loader))


def test_workers_know_themselves() -> None:
    seen: list[tuple[int, int]] = []

    class Who(Dataset[Any]):
        def __getitem__(self, i: int) -> Any:
            info = get_worker_info()
            assert info is not None and info.dataset is data
            return info.id, info.seed

        def __len__(self) -> int:
            return 12

    def init(number: int) -> None:
        info = get_worker_info()
        assert info is not None
        seen.append((number, info.num_workers))

    data = Who()
    rg.manual_seed(4)
    loader = DataLoader(data, 2, num_workers=3, worker_init_fn=init)
    runs = [[b[0].tolist() for b in loader] for _ in range(2)]
    # batch i is made by worker i mod n, whoever is faster
    assert runs[0] == runs[1] == [[0, 0], [1, 1], [2, 2]] * 2
    assert sorted(seen) == sorted([(i, 3) for i in range(3)] * 2)
    assert get_worker_info() is None
    rg.manual_seed(4)
    again = [b[1].tolist() for b in loader]
    rg.manual_seed(4)
    assert [b[1].tolist() for b in loader] == again


def test_persistent_workers_stay_until_the_loader_goes() -> None:
    started: list[int] = []
    loader = DataLoader(
        Squares(8), 2, num_workers=2, persistent_workers=True,
        worker_init_fn=started.append,
    )  # fmt: skip
    for _ in range(3):
        assert len(list(loader)) == 4
    for _ in loader:
        break
    assert len(list(loader)) == 4
    assert sorted(started) == [0, 1]
    assert len(data_threads()) == 2
    del loader
    deadline = time.monotonic() + 5
    while data_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not data_threads()


class Stream(IterableDataset):
    """0 … n − 1, shared out among the workers."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        if info is None:
            return iter(range(self.n))
        return iter(range(info.id, self.n, info.num_workers))


def test_streams() -> None:
    assert [b.tolist() for b in DataLoader(Stream(5), 2)] == [[0, 1], [2, 3], [4]]
    loader = DataLoader(Stream(11), 2, num_workers=2)
    assert [b.tolist() for b in loader] == [
        [0, 2],
        [1, 3],
        [4, 6],
        [5, 7],
        [8, 10],
        [9],
    ]
    with pytest.raises(TypeError):
        len(loader)
    assert list(DataLoader(Stream(3), None)) == [0, 1, 2]
    for _ in loader:
        break
    assert not data_threads()


def test_augmentation_on_threads_matches_one_thread() -> None:
    """Work recorded in workers is done there, and says the same as here."""

    class Noisy(Dataset[Any]):
        def __getitem__(self, i: int) -> Any:
            g = rg.Generator().manual_seed(i)
            return (rg.ones(4) * i + rg.rand(4, generator=g)).relu(), i

        def __len__(self) -> int:
            return 30

    alone = [(x.tolist(), y.tolist()) for x, y in DataLoader(Noisy(), 4)]
    many = [(x.tolist(), y.tolist()) for x, y in DataLoader(Noisy(), 4, num_workers=4)]
    assert many == alone


def test_training_while_workers_load() -> None:
    """Promises pending in the main thread are not disturbed by those of workers."""
    w = rg.zeros(1, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=1e-4)
    total = rg.zeros(1)
    for x in DataLoader(Squares(60), 5, num_workers=3):
        optimizer.zero_grad()
        loss = ((x - w) ** 2).mean()
        loss.backward()
        optimizer.step()
        total = total + x.sum()
    assert total.item() == sum(i * i for i in range(60))


def test_the_loader_shows_its_options_and_keeps_them() -> None:
    loader = DataLoader(tensors(), 3, drop_last=True)
    assert (loader.batch_size, loader.drop_last, loader.num_workers) == (3, True, 0)
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 4
    loader.collate_fn = len
    assert list(loader) == [3, 3, 3]
