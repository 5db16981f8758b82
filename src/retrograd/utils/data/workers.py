"""Batches made ahead, by threads.

NumPy lets go of the interpreter while it works, and nothing need be copied between
processes, whose cost small data never earn back. Batch i is made by worker i mod n, so
that what a worker draws from its own seed does not depend on who was faster.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ...trace import is_tensor


@dataclass
class WorkerInfo:
    """What a worker knows of itself: its number, how many there are, a seed of its own,
    and the dataset (the same object for all)."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that this code runs in, or None in the main program."""
    return getattr(_here, "info", None)


class Workers:
    """Threads, each with a queue of its own."""

    def __init__(
        self, count: int, dataset: Any, seed: int, init: Callable[[int], None] | None
    ) -> None:
        def begin(number: int) -> None:
            _here.info = WorkerInfo(number, count, seed + number, dataset)
            if init is not None:
                init(number)

        self.threads = [
            ThreadPoolExecutor(1, f"retrograd-data-{i}") for i in range(count)
        ]
        ready = [pool.submit(begin, i) for i, pool in enumerate(self.threads)]
        try:
            for future in ready:
                future.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop; what has begun is finished."""
        for pool in self.threads:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self.threads:
            pool.shutdown(wait=True)

    def map(
        self,
        work: Callable[[Any], Any],
        items: Iterable[Any],
        ahead: int,
        timeout: float,
    ) -> Iterator[Any]:
        """work(item) of all items, in order, at most *ahead* per worker at a time."""
        waiting: deque[Future[Any]] = deque()
        source, count = iter(items), 0

        def submit() -> None:
            nonlocal count
            for item in source:
                pool = self.threads[count % len(self.threads)]
                waiting.append(pool.submit(_settled, work, item))
                count += 1
                return

        try:
            for _ in range(ahead * len(self.threads)):
                submit()
            while waiting:
                batch = _result(waiting.popleft(), timeout)
                submit()
                yield batch
        finally:
            _drain(waiting)

    def stream(
        self, begin: Callable[[], Iterator[Any]], ahead: int, timeout: float
    ) -> Iterator[Any]:
        """The streams of all workers, a batch of each in turn, until the last ends."""
        streams: dict[int, Iterator[Any]] = {}
        waiting: deque[tuple[int, Future[Any]]] = deque()
        end = object()

        def following(worker: int) -> Any:
            if worker not in streams:
                streams[worker] = begin()
            return next(streams[worker], end)

        def submit(worker: int) -> None:
            future = self.threads[worker].submit(_settled, following, worker)
            waiting.append((worker, future))

        try:
            for _ in range(ahead):
                for worker in range(len(self.threads)):
                    submit(worker)
            while waiting:
                worker, future = waiting.popleft()
                batch = _result(future, timeout)
                if batch is not end:
                    submit(worker)
                    yield batch
        finally:
            _drain(future for _, future in waiting)


def _result(future: Future[Any], timeout: float) -> Any:
    try:
        return future.result(timeout or None)
    except TimeoutError:
        if future.done():  # the worker's own
            raise
        raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None


def _drain(futures: Iterable[Future[Any]]) -> None:
    """Cancel what has not begun; wait for the rest, whatever becomes of it."""
    begun = [future for future in futures if not future.cancel()]
    for future in begun:
        future.exception()


def _settled(work: Callable[[Any], Any], item: Any) -> Any:
    """A batch whose numbers exist when it leaves the thread that made it."""
    try:
        batch = work(item)
        settle(batch)
    except Exception as error:
        error.add_note(f"raised in data worker {_here.info.id}")
        raise
    return batch


def settle(batch: Any) -> None:
    """Compute the tensors in a batch, however they are nested."""
    if is_tensor(batch):
        batch._value()
    elif isinstance(batch, Mapping):
        for part in batch.values():
            settle(part)
    elif isinstance(batch, (list, tuple)):
        for part in batch:
            settle(part)
