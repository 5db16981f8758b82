"""In which order samples are taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from ...functions.create import as_tensor
from ...functions.random import multinomial, rand, randint, randperm


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {value}")


class Sampler:
    """Numbers of samples, in an order: subclasses define ``__iter__``, and ``__len__``
    where the loader's length is asked for."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(
            f"{type(self).__name__} must define __iter__: the numbers of samples"
        )

    def __class_getitem__(cls, item: Any) -> Any:
        return cls


class SequentialSampler(Sampler):
    """0, 1, 2, …"""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A random order, new in each pass; with *replacement* independent draws.

    Without replacement, *num_samples* beyond the number of samples begins again.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got {replacement=}"
            )
        self.data_source, self.replacement = data_source, replacement
        self._num_samples, self.generator = num_samples, generator
        _check_count("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> np.ndarray[Any, Any]:
        """The numbers of one pass, as an array."""
        n, count = len(self.data_source), self.num_samples
        if self.replacement:
            drawn: Any = randint(0, n, (count,), generator=self.generator).numpy()
            return drawn  # type: ignore[no-any-return]
        passes = [randperm(n, generator=self.generator).numpy()]
        while len(passes) * n < count:
            passes.append(randperm(n, generator=self.generator).numpy())
        return np.concatenate(passes)[:count]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given numbers, in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Numbers drawn with probabilities proportional to *weights*."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        _check_count("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got {replacement=}"
            )
        self.weights = as_tensor(weights).double()
        if self.weights.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples, self.replacement = num_samples, replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of *batch_size* numbers of another sampler.

    >>> list(BatchSampler(range(7), batch_size=3, drop_last=False))
    [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(
        self, sampler: Iterable[int], batch_size: int, drop_last: bool
    ) -> None:
        _check_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(
                f"drop_last should be a boolean value, but got {drop_last=}"
            )
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while batch := list(itertools.islice(numbers, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


class ClassBalancedSampler(Sampler):
    """Every class in every minibatch, as evenly as possible.

    The classes take turns, each in its own random order. One that runs out begins anew:
    rare classes are seen more often. With *repeat* False every sample comes once,
    and each class is spread evenly over the pass: batches have the classes in the
    proportions of the data. Without either, samples sorted by class teach the last bias
    the class of the day. LeCun et al., Efficient BackProp, 1998, §4.1.

    >>> labels = [0] * 9 + [1] * 3
    >>> [labels[i] for i in ClassBalancedSampler(labels)].count(1)
    6
    """

    def __init__(
        self,
        labels: Any,
        num_samples: int | None = None,
        generator: Any = None,
        *,
        repeat: bool = True,
    ) -> None:
        found = np.asarray(labels.tolist() if hasattr(labels, "tolist") else labels)
        if found.size == 0 or found.ndim != 1:
            raise ValueError(
                "labels should be one number (or name) for each sample, in one "
                f"dimension and not empty, but have shape {found.shape}"
            )
        if num_samples is None:
            num_samples = found.size
        elif not repeat:
            raise ValueError("with repeat=False num_samples is the number of labels")
        _check_count("num_samples", num_samples)
        self.labels, self.num_samples = found, num_samples
        self.generator, self.repeat = generator, repeat

    def __iter__(self) -> Iterator[int]:
        classes = [np.flatnonzero(self.labels == c) for c in np.unique(self.labels)]
        return self._turns(classes) if self.repeat else self._spread(classes)

    def _shuffled(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        order: Any = randperm(len(numbers), generator=self.generator).numpy()
        return numbers[order]  # type: ignore[no-any-return]

    def _turns(self, classes: list[np.ndarray[Any, Any]]) -> Iterator[int]:
        waiting: list[list[int]] = [[] for _ in classes]
        left = self.num_samples
        while left > 0:
            turn = self._shuffled(np.arange(len(classes)))[:left]
            for k in turn.tolist():
                if not waiting[k]:
                    waiting[k] = self._shuffled(classes[k]).tolist()
                yield waiting[k].pop()
            left -= len(classes)

    def _spread(self, classes: list[np.ndarray[Any, Any]]) -> Iterator[int]:
        # The j-th of n samples of a class stands at (j + u)/n of the pass, 0 ≤ u < 1.
        shifts = rand(len(classes), generator=self.generator).numpy()
        places = [
            (np.arange(len(c)) + u) / len(c)
            for c, u in zip(classes, shifts, strict=True)
        ]
        numbers = np.concatenate([self._shuffled(c) for c in classes])
        order = np.argsort(np.concatenate(places), kind="stable")
        return iter(numbers[order].tolist())

    def __len__(self) -> int:
        return self.num_samples
