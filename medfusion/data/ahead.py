"""Work that is done ahead, in threads of its own, and handed out in order."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

NAME = "medfusion-loader"
"""Of the threads."""

_ORDER_STREAM = 0

Job = TypeVar("Job")
Done = TypeVar("Done")


def work_ahead(
    work: Callable[[Job], Done], jobs: Sequence[Job], *, ahead: int, threads: int = 1
) -> Iterator[Done]:
    """Yield `work(job)` for each job, in order, working on some before they are asked for.

    An exception of `work` is raised where its result would have come. When the iterator is closed
    or let go, the threads end after the job they are at. A forked child has no threads: there the
    rest is done when it is asked for.

    Args:
        work: Is called in the threads; it should give up the interpreter's lock.
        jobs: What to do.
        ahead: Jobs that are in work or done beyond the one handed out last.
        threads: Threads to work in; never more than `ahead`.

    Example:
        >>> list(work_ahead(lambda number: number**2, [1, 2, 3], ahead=2))
        [1, 4, 9]
    """
    owner = os.getpid()
    workers = _Workers(work, jobs, ahead, threads)
    try:
        for place, job in enumerate(jobs):
            yield workers.take(place) if os.getpid() == owner else work(job)
    finally:
        if os.getpid() == owner:
            workers.stop()


class _Workers(Generic[Job, Done]):
    """Threads that take the jobs in order and leave what they have done."""

    def __init__(
        self, work: Callable[[Job], Done], jobs: Sequence[Job], ahead: int, threads: int
    ) -> None:
        self._work = work
        self._jobs = iter(enumerate(jobs))
        self._taking = threading.Lock()
        self._room = threading.Semaphore(ahead)
        self._done: dict[int, Done | _Raised] = {}
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._produce, name=NAME, daemon=True)
            for _ in range(min(threads, ahead, len(jobs)))
        ]
        for thread in self._threads:
            thread.start()

    def take(self, place: int) -> Done:
        """Wait for what was done at a place, and make room for more."""
        while place not in self._done:
            self._news.get()
        result = self._done.pop(place)
        self._room.release()
        if isinstance(result, _Raised):
            raise result.error
        return result

    def stop(self) -> None:
        """Wait until every thread has ended, after the job it is at."""
        self._stopped = True
        for _ in self._threads:
            self._room.release()
        for thread in self._threads:
            thread.join()

    def _produce(self) -> None:
        while True:
            self._room.acquire()
            with self._taking:
                found = next(self._jobs, None)
            if found is None or self._stopped:
                return
            place, job = found
            try:
                self._done[place] = self._work(job)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                self._done[place] = _Raised(error)
            self._news.put(None)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of `count` samples in an epoch, which seed and epoch alone decide.

    Example:
        >>> sorted(epoch_order(4, seed=1, epoch=0).tolist())
        [0, 1, 2, 3]
    """
    key = np.array([seed, _ORDER_STREAM], dtype=np.uint64)
    counter = np.array([0, 0, epoch, 0], dtype=np.uint64)
    numbers = np.random.Philox(key=key, counter=counter).random_raw(count)
    return np.argsort(numbers, kind="stable")


def batch_bounds(
    count: int, batch_size: int, *, join_single: bool = False, drop_last: bool = False
) -> list[tuple[int, int]]:
    """Return the first sample of each batch and the one after its last.

    Args:
        count: Samples.
        batch_size: Samples per batch; the last may be smaller.
        join_single: Join a last batch of one to the one before it.
        drop_last: Leave out a last batch that is not full.

    Example:
        >>> batch_bounds(9, 4, join_single=True)
        [(0, 4), (4, 9)]
    """
    ends = [*range(batch_size, count, batch_size), count] if count else []
    if join_single and batch_size > 1 and len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    if drop_last and ends and count % batch_size:
        del ends[-1]
    return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []
