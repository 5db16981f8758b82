"""Samples gathered into minibatches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dispatch import constant
from ...functions.create import as_tensor, tensor
from ...functions.shape import stack
from ...trace import Handle
from .dataset import IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler


@dataclass
class WorkerInfo:
    """What a worker knows of itself."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that this code runs in, or None in the main program."""
    return getattr(_here, "info", None)


def default_convert(data: Any) -> Any:
    """Arrays as tensors, everything else as it is."""
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiub":
        return as_tensor(data)
    if isinstance(data, Mapping):
        return {k: default_convert(v) for k, v in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(v) for v in data))
    if isinstance(data, (list, tuple)):
        return [default_convert(v) for v in data]
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of samples as one batch: tensors and numbers stacked, containers by part."""
    first = batch[0]
    if isinstance(first, Handle):
        return stack(list(batch))
    if isinstance(first, np.ndarray):
        return constant(np.stack(list(batch)))
    if isinstance(first, np.generic):
        return constant(np.asarray(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype="float64")
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {k: default_collate([sample[k] for sample in batch]) for k in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(part) for part in zip(*batch, strict=True)))
    if isinstance(first, (list, tuple)):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(part) for part in zip(*batch, strict=True)]
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first).__name__}"
    )


class DataLoader:
    """Minibatches of a dataset, in order or shuffled.

    Workers are threads: NumPy lets go of the interpreter while it works, and nothing has
    to be copied between processes. Batches come in order, and an error in a worker is
    raised where the batch is asked for. Batches of a TensorDataset are gathered at once.

    >>> import retrograd as rg
    >>> from retrograd.utils.data import DataLoader, TensorDataset
    >>> data = TensorDataset(rg.arange(6.0), rg.arange(6))
    >>> [x.tolist() for x, y in DataLoader(data, batch_size=4)]
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0]]
    """

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
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        streamed = isinstance(dataset, IterableDataset)
        if streamed and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader with IterableDataset: expected unspecified shuffle and samplers")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, "
                    "sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")  # fmt: skip
        if not streamed and sampler is None and batch_sampler is None:
            if shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        self.auto = batch_size is not None and batch_sampler is None
        if self.auto and not streamed:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.num_workers, self.timeout = num_workers, timeout
        self.worker_init_fn, self.prefetch_factor = worker_init_fn, prefetch_factor or 2
        self.pin_memory, self.persistent_workers = pin_memory, persistent_workers
        self._batched = batch_sampler is not None or (streamed and batch_size is not None)
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            return self._stream()
        source = self._tensors()
        if source is not None:
            return self._gather(*source)
        if self.num_workers == 0:
            return (self._fetch(i) for i in self._indices())
        return self._threads()

    def _indices(self) -> Iterable[Any]:
        order: Iterable[Any] = self.sampler if self.batch_sampler is None else self.batch_sampler
        return order

    def _fetch(self, index: Any) -> Any:
        if not self._batched:
            return self.collate_fn(self.dataset[index])
        if hasattr(self.dataset, "__getitems__"):
            return self.collate_fn(self.dataset.__getitems__(index))
        return self.collate_fn([self.dataset[i] for i in index])

    def _tensors(self) -> tuple[list[Any], Any] | None:
        """The arrays of a TensorDataset, or of a subset of one, and the subset's rows."""
        data, rows = self.dataset, None
        if not self._batched or self.collate_fn is not default_collate:
            return None
        if type(data) is Subset:
            data, rows = data.dataset, np.asarray(data.indices)
        if type(data) is not TensorDataset or any(t.requires_grad for t in data.tensors):
            return None
        return [t._value() for t in data.tensors], rows

    def _gather(self, arrays: list[Any], rows: Any) -> Iterator[Any]:
        """One fancy index a batch and tensor."""
        batches = self.batch_sampler
        plain = type(batches) is BatchSampler
        if plain and type(batches.sampler) in (RandomSampler, SequentialSampler):
            n = len(batches.sampler)
            k = batches.batch_size
            stop = n - n % k if batches.drop_last else n
            if type(batches.sampler) is SequentialSampler:
                for i in range(0, stop, k):
                    part = slice(i, min(i + k, n))
                    chosen = part if rows is None else rows[part]
                    yield [constant(a[chosen].copy() if rows is None else a[chosen]) for a in arrays]
                return
            order = batches.sampler.order()
            if rows is not None:
                order = rows[order]
            for i in range(0, stop, k):
                yield [constant(a[order[i : i + k]]) for a in arrays]
            return
        for index in batches:
            chosen = np.asarray(index)
            yield [constant(a[chosen if rows is None else rows[chosen]]) for a in arrays]

    def _stream(self) -> Iterator[Any]:
        if self.batch_size is None:
            yield from (self.collate_fn(sample) for sample in self.dataset)
            return
        batch = []
        for sample in self.dataset:
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)

    def _threads(self) -> Iterator[Any]:
        """Batches made ahead by threads, handed out in order."""
        ids = iter(range(self.num_workers))
        lock = threading.Lock()

        def begin() -> None:
            with lock:
                number = next(ids)
            _here.info = WorkerInfo(number, self.num_workers, number, self.dataset)
            if self.worker_init_fn is not None:
                self.worker_init_fn(number)

        def work(index: Any) -> Any:
            batch = self._fetch(index)
            _settle(batch)
            return batch

        pool = ThreadPoolExecutor(self.num_workers, "retrograd-data", begin)
        waiting: deque[Future[Any]] = deque()
        try:
            indices = iter(self._indices())
            for index in indices:
                waiting.append(pool.submit(work, index))
                if len(waiting) >= self.num_workers * self.prefetch_factor:
                    yield waiting.popleft().result(self.timeout or None)
            while waiting:
                yield waiting.popleft().result(self.timeout or None)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _settle(batch: Any) -> None:
    """Compute a batch in the thread that made it."""
    if isinstance(batch, Handle):
        batch._value()  # type: ignore[attr-defined]
    elif isinstance(batch, Mapping):
        for v in batch.values():
            _settle(v)
    elif isinstance(batch, (list, tuple)):
        for v in batch:
            _settle(v)
