"""Datasets, splits and samplers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils.data import (
    BatchSampler,
    ClassBalancedSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


def test_samples_of_tensors_are_copies_without_history() -> None:
    x = rg.arange(6.0).reshape(3, 2)
    data = TensorDataset(x, rg.tensor([0, 1, 2]))
    sample, label = data[1]
    assert (sample.tolist(), label.tolist()) == ([2.0, 3.0], 1)
    sample.zero_()
    assert x.tolist()[1] == [2.0, 3.0]
    assert data[1:][0].shape == (2, 2)
    assert data[[2, 0]][1].tolist() == [2, 0]
    assert data[-1][1].item() == 2
    with pytest.raises(IndexError, match="3"):
        data[3]


def test_gradients_flow_through_samples_that_want_them() -> None:
    x = rg.arange(6.0).reshape(3, 2).requires_grad_()
    loader = DataLoader(TensorDataset(x), batch_size=2)
    for (batch,) in loader:
        (batch * batch).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())


def test_datasets_are_generic_and_add() -> None:
    class Numbers(Dataset[int]):
        def __init__(self, n: int) -> None:
            self.n = n

        def __getitem__(self, index: int) -> int:
            return index

        def __len__(self) -> int:
            return self.n

    both = Numbers(2) + Numbers(3)
    assert isinstance(both, ConcatDataset)
    assert [both[i] for i in range(5)] == [0, 1, 0, 1, 2]
    assert both[-1] == 2
    stacked = StackDataset(Numbers(3), [5, 6, 7])
    assert [stacked[i] for i in range(3)] == [(0, 5), (1, 6), (2, 7)]


def test_a_dataset_may_serve_whole_batches() -> None:
    class Squares(Dataset[int]):
        def __getitems__(self, numbers: list[int]) -> list[int]:
            return [i * i for i in numbers]

        def __len__(self) -> int:
            return 6

    assert [b.tolist() for b in DataLoader(Squares(), batch_size=3)] == [
        [0, 1, 4],
        [9, 16, 25],
    ]
    part = DataLoader(Subset(Squares(), [5, 1]), batch_size=3)
    assert [b.tolist() for b in part] == [[25, 1]]


def test_a_split_is_disjoint_complete_and_repeatable() -> None:
    def split(seed: int) -> list[list[int]]:
        g = rg.Generator().manual_seed(seed)
        parts = random_split(range(50), [0.6, 0.3, 0.1], generator=g)
        return [list(part.indices) for part in parts]

    assert [len(p) for p in split(1)] == [30, 15, 5]
    assert sorted(i for part in split(1) for i in part) == list(range(50))
    assert split(1) == split(1) != split(2)
    with pytest.warns(UserWarning, match="split at index 1"):
        random_split(range(3), [0.9, 0.1])


@pytest.mark.parametrize(
    "make",
    [
        lambda g: RandomSampler(range(20), generator=g),
        lambda g: RandomSampler(range(20), replacement=True, generator=g),
        lambda g: RandomSampler(range(20), num_samples=47, generator=g),
        lambda g: RandomSampler(range(20), num_samples=7, generator=g),
        lambda g: SubsetRandomSampler(list(range(5, 25)), generator=g),
        lambda g: WeightedRandomSampler([1.0] * 20, 15, generator=g),
        lambda g: WeightedRandomSampler([1.0] * 20, 15, False, generator=g),
        lambda g: ClassBalancedSampler([0, 1] * 10, generator=g),
        lambda g: ClassBalancedSampler([0, 1] * 10, generator=g, repeat=False),
    ],
)
def test_a_seed_gives_the_same_order_again(make: Any) -> None:
    def run(seed: int) -> list[list[int]]:
        sampler = make(rg.Generator().manual_seed(seed))
        passes = [list(sampler) for _ in range(3)]
        assert all(len(p) == len(sampler) for p in passes)
        return passes

    first = run(3)
    assert first == run(3)
    assert first != run(4)
    assert first[0] != first[1]  # a new order in each pass
    rg.manual_seed(7)
    globally = list(make(None))
    rg.manual_seed(7)
    assert list(make(None)) == globally


def test_random_samplers_take_every_sample() -> None:
    assert sorted(RandomSampler(range(9))) == list(range(9))
    twice = list(RandomSampler(range(9), num_samples=18))
    assert sorted(twice) == sorted([*range(9)] * 2)
    assert sorted(SubsetRandomSampler([3, 1, 8])) == [1, 3, 8]
    assert sorted(WeightedRandomSampler([1.0, 2, 3], 3, replacement=False)) == [0, 1, 2]


def test_weights_are_probabilities() -> None:
    drawn = list(WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert drawn.count(1) == 0
    assert drawn.count(2) / 4000 == pytest.approx(0.75, abs=0.03)


def test_batches_of_any_sampler() -> None:
    assert list(BatchSampler("abcde", 2, True)) == [["a", "b"], ["c", "d"]]
    assert [len(BatchSampler(range(n), 3, False)) for n in (0, 1, 3, 4)] == [0, 1, 1, 2]
    assert [len(BatchSampler(range(n), 3, True)) for n in (0, 2, 3, 4)] == [0, 0, 1, 1]


def counts(labels: list[Any], sampler: Any, size: int) -> list[list[int]]:
    """How often each class is in each batch."""
    classes = sorted(set(labels))
    return [
        [sum(labels[i] == c for i in batch) for c in classes]
        for batch in BatchSampler(sampler, size, False)
    ]


def test_every_class_in_every_batch() -> None:
    labels = [0] * 70 + [1] * 20 + [2] * 10
    for found in counts(labels, ClassBalancedSampler(labels), 10):
        assert max(found) - min(found) <= 2
        assert min(found) >= 3 - 1
    assert all(
        f == [3, 3, 3] for f in counts(labels, ClassBalancedSampler(labels), 9)[:-1]
    )
    # names do as well, and so do tensors
    assert len(list(ClassBalancedSampler(["a", "b", "b"]))) == 3
    assert len(list(ClassBalancedSampler(rg.tensor([0, 1, 1]), num_samples=8))) == 8


def test_balanced_by_the_proportions_of_the_data() -> None:
    labels = [0] * 70 + [1] * 20 + [2] * 10
    sampler = ClassBalancedSampler(labels, repeat=False)
    assert sorted(sampler) == list(range(100))
    for found in counts(labels, sampler, 20):
        assert np.abs(np.array(found) - [14, 4, 2]).max() <= 1


@pytest.mark.parametrize(
    "arguments",
    [([],), ([[0, 1]],), ([0, 1], 0), ([0, 1], -1)],
)
def test_labels_that_cannot_be_balanced(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"labels|num_samples"):
        ClassBalancedSampler(*arguments)
    with pytest.raises(ValueError, match="repeat"):
        ClassBalancedSampler([0, 1], 3, repeat=False)
