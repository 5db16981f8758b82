"""Where samples come from."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...dispatch import constant
from ...functions.random import randperm


class Dataset:
    """Samples by number: subclasses define ``__getitem__``, and mostly ``__len__``.

    A subclass may also define ``__getitems__(numbers)``, which gets a whole batch.
    """

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} must define __getitem__: the sample of a number"
        )

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])

    def __class_getitem__(cls, item: Any) -> Any:
        return cls


class IterableDataset(Dataset):
    """Samples in a stream: subclasses define ``__iter__``. In a loader with workers
    each of them iterates on its own; ``get_worker_info()`` tells whose part is which.
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(
            f"{type(self).__name__} must define __iter__: the stream of samples"
        )

    def __add__(self, other: Any) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


def rows(tensor: Any, index: Any) -> Any:
    """``tensor[index]`` in memory of its own, without a record of the indexing."""
    if tensor.requires_grad or not isinstance(index, (int, slice, list, np.ndarray)):
        return tensor[index]
    try:
        return constant(np.array(tensor._value()[index]))
    except IndexError as error:
        raise IndexError(f"sample {error}") from None


class TensorDataset(Dataset):
    """Sample i is (t₁[i], t₂[i], …), of tensors with the same first dimension.

    >>> import retrograd as rg
    >>> data = TensorDataset(rg.arange(6.0).reshape(3, 2), rg.tensor([0, 1, 1]))
    >>> len(data), data[1]
    (3, (tensor([2., 3.]), tensor(1)))
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        sizes = [t.shape[0] for t in tensors]
        if any(n != sizes[0] for n in sizes):
            raise AssertionError(
                f"Size mismatch between tensors: their first dimensions are {sizes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(rows(t, index) for t in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset):
    """Several datasets side by side: sample i is the tuple (or, of keyword arguments,
    the dict) of their samples i."""

    datasets: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset takes datasets as positional or as keyword arguments, "
                "and at least one"
            )
        self.datasets = args or kwargs
        sizes = [len(d) for d in self._all()]
        if any(n != sizes[0] for n in sizes):
            raise ValueError(f"Size mismatch between datasets: {sizes}")

    def _all(self) -> Iterable[Any]:
        d = self.datasets
        return d.values() if isinstance(d, dict) else d

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return len(next(iter(self._all())))


class ConcatDataset(Dataset):
    """Datasets one after another."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise AssertionError(
                    "ConcatDataset does not support IterableDataset: use ChainDataset"
                )
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if index < 0:
            if -index > n:
                raise ValueError(
                    "absolute value of index should not exceed dataset length: "
                    f"{index} of {n} samples"
                )
            index += n
        if index >= n:
            raise IndexError(f"index {index} is out of range for {n} samples")
        part = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[part - 1] if part else 0
        return self.datasets[part][index - before]


class ChainDataset(IterableDataset):
    """Streams one after another."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(map(len, self.datasets))


class Subset(Dataset):
    """Some samples of a dataset, by their numbers."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        chosen = [self.indices[i] for i in indices]
        several = getattr(type(self.dataset), "__getitems__", None)
        if several is not None:
            return several(self.dataset, chosen)  # type: ignore[no-any-return]
        return [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Any = None
) -> list[Subset]:
    """Disjoint random parts, of the lengths given, or of the fractions if they add up
    to 1 (what rounding leaves over goes to the first parts, one sample each).

    >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25])]
    [6, 2, 2]
    """
    n = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0: part {i} is empty",
                    stacklevel=2,
                )
    else:
        sizes = [int(k) for k in lengths]
    if sum(sizes) != n:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"{sum(sizes)} and {n}"
        )
    order = randperm(n, generator=generator).tolist()
    ends = list(itertools.accumulate(sizes))
    return [
        Subset(dataset, order[end - k : end])
        for k, end in zip(sizes, ends, strict=True)
    ]
