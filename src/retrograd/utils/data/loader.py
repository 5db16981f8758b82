"""Minibatches of a dataset."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from ...dispatch import constant
from ...functions.random import randint
from ...trace import Handle
from .collate import default_collate, default_convert
from .dataset import IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler
from .workers import Workers


class DataLoader:
    """Minibatches of a dataset, in order or shuffled.

    *num_workers* threads make batches ahead, *prefetch_factor* each; the batches come
    in order, and an error in a worker is raised where its batch is asked for. Batches
    of a TensorDataset (or a subset of one) are gathered at once and need no workers.
    ``pin_memory``, ``multiprocessing_context``, ``pin_memory_device`` and ``in_order``
    are accepted and change nothing.

    >>> import retrograd as rg
    >>> from retrograd.utils.data import DataLoader, TensorDataset
    >>> data = TensorDataset(rg.arange(6.0), rg.arange(6))
    >>> [x.tolist() for x, y in DataLoader(data, batch_size=4)]
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0]]
    """

    _fixed: ClassVar[set[str]] = {
        "batch_size",
        "batch_sampler",
        "sampler",
        "drop_last",
        "dataset",
        "persistent_workers",
    }

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        streamed = isinstance(dataset, IterableDataset)
        if streamed:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, "
                    "shuffle, sampler, and drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually "
                "exclusive with drop_last"
            )
        if sampler is None:
            if streamed:
                sampler = itertools.repeat(None)  # as many as the stream gives
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = (
            sampler,
            batch_sampler,
            generator,
        )
        self.num_workers, self.timeout = num_workers, timeout
        self.prefetch_factor = (prefetch_factor or 2) if num_workers else None
        self.worker_init_fn, self.persistent_workers = (
            worker_init_fn,
            persistent_workers,
        )
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.multiprocessing_context, self.in_order = multiprocessing_context, in_order
        default = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn or default
        self._workers: Workers | None = None
        self._done = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed and "_done" in self.__dict__:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is "
                "initialized"
            )
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            batches = self.batch_sampler
            return len(self.sampler if batches is None else batches)
        n = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        source = self._source()
        if source is not None:
            return self._gather(*source)
        if self.num_workers:
            return self._with_workers()
        if isinstance(self.dataset, IterableDataset):
            return self._stream()
        return map(self._fetch, self._indices())

    # One sample at a time.

    def _indices(self) -> Iterable[Any]:
        batches: Iterable[Any] | None = self.batch_sampler
        return self.sampler if batches is None else batches

    def _fetch(self, index: Any) -> Any:
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[index])
        several = getattr(type(self.dataset), "__getitems__", None)
        if several is not None:
            return self.collate_fn(several(self.dataset, index))
        return self.collate_fn([self.dataset[i] for i in index])

    def _stream(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield self.collate_fn(batch)

    def _with_workers(self) -> Iterator[Any]:
        workers, self._workers = self._workers, None
        if workers is None:
            seed = int(randint(0, 2**62, (1,), generator=self.generator).item())
            workers = Workers(self.num_workers, self.dataset, seed, self.worker_init_fn)
        ahead = self.prefetch_factor or 2
        try:
            if isinstance(self.dataset, IterableDataset):
                yield from workers.stream(self._stream, ahead, self.timeout)
            else:
                indices = self._indices()
                yield from workers.map(self._fetch, indices, ahead, self.timeout)
        finally:
            if self.persistent_workers and self._workers is None:
                self._workers = workers
            else:
                workers.close()

    # Batches of tensors, at once.

    def _source(self) -> tuple[list[Any], Any, bool] | None:
        """The arrays of a TensorDataset (or of a bare tensor), the rows if it is a
        subset of one, and whether there is only one array. None for other datasets."""
        data, rows = self.dataset, None
        if self.batch_sampler is None or self.collate_fn is not default_collate:
            return None
        if self.worker_init_fn is not None:
            return None
        while type(data) is Subset:
            # A subset of a subset: the outer numbers count the inner ones.
            inner = np.asarray(list(data.indices), dtype=np.int64)
            rows = inner if rows is None else inner[rows]
            data = data.dataset
        single = isinstance(data, Handle)
        if not single and type(data) is not TensorDataset:
            return None
        tensors = (data,) if single else data.tensors
        if any(t.requires_grad for t in tensors):
            return None
        return [t._value() for t in tensors], rows, single

    def _gather(self, arrays: list[Any], rows: Any, single: bool) -> Iterator[Any]:
        for chosen in self._parts(rows):
            if type(chosen) is slice:
                batch = [constant(a[chosen].copy()) for a in arrays]
            else:
                batch = [constant(a.take(chosen, 0)) for a in arrays]
            yield batch[0] if single else batch

    def _parts(self, rows: Any) -> Iterator[Any]:
        """The rows of each batch: a slice where they follow each other."""
        batches = self.batch_sampler
        sampler = batches.sampler if type(batches) is BatchSampler else None
        if type(sampler) is SequentialSampler and rows is None:
            order = None
        elif type(sampler) is SequentialSampler:
            order = rows
        elif type(sampler) is RandomSampler:
            order = sampler.order() if rows is None else rows[sampler.order()]
        else:
            for index in batches:
                chosen = np.asarray(index)
                yield chosen if rows is None else rows[chosen]
            return
        n, k = len(sampler), batches.batch_size
        for i in range(0, n - n % k if batches.drop_last else n, k):
            part = slice(i, min(i + k, n))
            yield part if order is None else order[part]


def _check_workers(
    count: int, timeout: float, prefetch: int | None, persistent: bool
) -> None:
    if count < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "loading ahead"
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if count == 0 and prefetch is not None:
        raise ValueError(
            "prefetch_factor option could only be specified with num_workers > 0"
        )
    if prefetch is not None and prefetch < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and count == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {
        "shuffle": shuffle or None,
        "sampler": sampler,
        "batch_sampler": batch_sampler,
    }
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value}"
            )
