"""In which order samples are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...functions.random import multinomial, rand, randint, randperm


class Sampler:
    """Numbers of samples, in an order: subclasses define ``__iter__``."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def __class_getitem__(cls, item: Any) -> Any:
        return cls


class SequentialSampler(Sampler):
    """0, 1, 2, …"""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A random order, anew each time; with *replacement* independent draws."""

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None,
        generator: Any = None,
    ) -> None:  # fmt: skip
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        self.data_source, self.replacement = data_source, replacement
        self._count, self.generator = num_samples, generator

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._count is None else self._count

    def order(self) -> Any:
        """The numbers of one pass, as an array."""
        n, k = len(self.data_source), self.num_samples
        if self.replacement:
            return randint(0, n, (k,), generator=self.generator).numpy()
        passes = [randperm(n, generator=self.generator).numpy() for _ in range(-(-k // max(n, 1)))]
        return np.concatenate(passes)[:k] if len(passes) != 1 else passes[0][:k]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Some numbers, in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Numbers drawn with given weights."""

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True,
        generator: Any = None,
    ) -> None:  # fmt: skip
        from ...functions.create import as_tensor

        self.weights = as_tensor(weights).double()
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of *batch_size* numbers of another sampler."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in self.sampler:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


class ClassBalancedSampler(Sampler):
    """Every class in every minibatch, as evenly as possible.

    Classes take turns, each in its own random order; a class that runs out begins anew,
    so rare classes are seen more often. Without it, samples sorted by class teach the
    last bias the class of the day (LeCun et al., Efficient BackProp, 1998, §4.1).
    """

    def __init__(self, labels: Any, num_samples: int | None = None, generator: Any = None) -> None:
        self.labels = np.asarray(labels.tolist() if hasattr(labels, "tolist") else labels).reshape(-1)
        if self.labels.size == 0:
            raise ValueError("labels are empty: there is nothing to balance")
        self.num_samples = self.labels.size if num_samples is None else num_samples
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        classes = [np.flatnonzero(self.labels == c) for c in np.unique(self.labels)]
        rows: list[list[int]] = [[] for _ in classes]
        left = self.num_samples
        while left > 0:
            keys = rand(len(classes), generator=self.generator).numpy()
            for k in np.argsort(keys)[:left]:
                if not rows[k]:
                    order = randperm(len(classes[k]), generator=self.generator).numpy()
                    rows[k] = classes[k][order].tolist()
                yield rows[k].pop()
            left -= len(classes)

    def __len__(self) -> int:
        return self.num_samples
