"""Batches of rows, decoded ahead of the training in a thread of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medfusion.data import augmentation
from medfusion.data.batch import Batch
from medfusion.data.cohort import Cases
from medfusion.data.images import decode_images
from medfusion.errors import ImageReadError

AHEAD = 2
"""Batches that are decoded before they are asked for."""

_KEPT = 2
_ORDER_STREAM = 0

_Slot = dict[str, Tensor]


class Loader:
    """Batches of some rows of a cohort, in an order that seed and epoch alone decide.

    Images are decoded into buffers that are used again: a batch stays valid until the next but
    one is asked for. To keep it longer, clone its images.

    Args:
        cases: The cohort, or rows to predict.
        rows: int64, which rows.
        batch_size: Rows per batch. When shuffled, a last batch of one row is joined to the one
            before it, since batch normalisation cannot work on one row.
        shuffle: A new order in each epoch, for training.
        seed: Seed of order and augmentation.
        augment: Change the images at random, as each view's `augmentation` says.
        threads: Threads that decode images.

    Example:
        >>> loader = Loader(cohort, cohort.rows("train"), batch_size=32, shuffle=True, seed=0,
        ...                 augment=True)  # doctest: +SKIP
        >>> for batch in loader.epoch(0): ...  # doctest: +SKIP
    """

    def __init__(
        self,
        cases: Cases,
        rows: NDArray[np.int64],
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        augment: bool,
        threads: int = 1,
    ) -> None:
        self.cases = cases
        self.rows = np.asarray(rows, dtype=np.int64)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        self.threads = threads
        self._image_present = cases.image_present
        self._target: NDArray[Any] | None = getattr(cases, "target", None)
        self._idle: list[list[_Slot]] = []

    def __len__(self) -> int:
        return len(self._bounds())

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the rows in the order of an epoch."""
        if not self.shuffle:
            return self.rows
        key = np.array([self.seed, _ORDER_STREAM], dtype=np.uint64)
        counter = np.array([0, 0, epoch, 0], dtype=np.uint64)
        numbers = np.random.Philox(key=key, counter=counter).random_raw(len(self.rows))
        return self.rows[np.argsort(numbers, kind="stable")]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Args:
            epoch: Epoch from 0.
            start: Batches to leave out at the beginning, without decoding them.

        Raises:
            ImageReadError: An image that could be read when the cohort was loaded no longer can.
        """
        order = self.order(epoch)
        batches = [order[first:last] for first, last in self._bounds()[start:]]
        if not self.cases.spec.images:
            return (self._fill({}, rows, epoch) for rows in batches)
        return self._decoded(batches, epoch)

    def _bounds(self) -> list[tuple[int, int]]:
        count = len(self.rows)
        ends = [*range(self.batch_size, count, self.batch_size), count] if count else []
        if self.shuffle and self.batch_size > 1 and len(ends) > 1 and ends[-1] - ends[-2] == 1:
            del ends[-2]
        return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []

    def _decoded(self, batches: list[NDArray[np.int64]], epoch: int) -> Iterator[Batch]:
        slots = self._idle.pop() if self._idle else [self._slot() for _ in range(AHEAD + _KEPT)]
        free: queue.SimpleQueue[_Slot | None] = queue.SimpleQueue()
        ready: queue.SimpleQueue[tuple[_Slot, Batch] | BaseException | None] = queue.SimpleQueue()
        stopped = threading.Event()
        for slot in slots:
            free.put(slot)

        def produce() -> None:
            try:
                for rows in batches:
                    slot = free.get()
                    if slot is None or stopped.is_set():
                        return
                    ready.put((slot, self._fill(slot, rows, epoch)))
                ready.put(None)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                ready.put(error)

        thread = threading.Thread(target=produce, name="medfusion-loader", daemon=True)
        thread.start()
        kept: list[_Slot] = []
        try:
            while True:
                if len(kept) == _KEPT:
                    free.put(kept.pop(0))
                item = ready.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                kept.append(item[0])
                yield item[1]
        finally:
            stopped.set()
            free.put(None)
            thread.join()
            self._idle.append(slots)

    def _slot(self) -> _Slot:
        pinned = torch.cuda.is_available()
        size = min(self.batch_size + 1, max(len(self.rows), 1))
        return {
            name: torch.empty((size, view.channels, *view.size), pin_memory=pinned)
            for name, view in self.cases.spec.images.items()
        }

    def _fill(self, slot: _Slot, rows: NDArray[np.int64], epoch: int) -> Batch:
        cases = self.cases
        present = self._image_present[rows]
        images = {
            name: self._images(slot[name], name, index, rows, present[:, index], epoch)
            for index, name in enumerate(cases.spec.images)
        }
        target = None
        if self._target is not None:
            kind = np.int64 if cases.classes else np.float32
            target = torch.from_numpy(self._target[rows].astype(kind))
        return Batch(
            images=images,
            image_present=torch.from_numpy(present),
            numeric=torch.from_numpy(cases.numeric[rows]),
            numeric_present=torch.from_numpy(cases.numeric_present[rows]),
            categorical=torch.from_numpy(cases.categorical[rows]),
            target=target,
            row=rows,
        )

    def _images(
        self,
        buffer: Tensor,
        name: str,
        index: int,
        rows: NDArray[np.int64],
        present: NDArray[np.bool_],
        epoch: int,
    ) -> Tensor:
        cases = self.cases
        mean, std = cases.preprocessing.image_means[name], cases.preprocessing.image_stds[name]
        there = np.flatnonzero(present)
        cells = cases.image_paths[name]
        files = [path for row in rows[there].tolist() if (path := cells[row]) is not None]
        pixels = buffer.numpy()
        if files:
            failed = decode_images(
                files,
                pixels[: len(files)],
                mean=mean,
                std=std,
                threads=self.threads,
                failures="return",
            )
            if failed:
                listed = "; ".join(
                    f"{cases.ids[rows[there[item.position]]]}: {item.path}: {item.reason}"
                    for item in failed
                )
                msg = f"images can no longer be read: {listed}"
                raise ImageReadError(msg)
        if len(files) < len(rows):
            # Decoded side by side; now each moves up to its own row, the last one first.
            for place, position in reversed(list(enumerate(there.tolist()))):
                if place != position:
                    pixels[position] = pixels[place]
            pixels[: len(rows)][~present] = 0
        images = buffer[: len(rows)]
        changes = cases.spec.images[name].augmentation
        if not self.augment or changes is None or not files:
            return images
        numbers = augmentation.draw(self.seed, epoch, index, rows)
        changed = augmentation.augment(
            images, changes, numbers, mean=mean, std=std, threads=self.threads
        )
        if len(files) < len(rows):
            changed[torch.from_numpy(~present)] = 0
        return changed
