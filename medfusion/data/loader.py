"""Batches of rows of a cohort, made ahead of the training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medfusion import _rust
from medfusion.data import augmentation
from medfusion.data.ahead import batch_bounds, epoch_order, work_ahead
from medfusion.data.batch import Batch
from medfusion.data.buffers import BufferPool
from medfusion.data.cohort import Cases
from medfusion.data.samples import ImageSamples
from medfusion.errors import ImageReadError

AHEAD = 2
"""Batches that are made before they are asked for."""


class Loader:
    """Batches of some rows of a cohort, in an order that seed and epoch alone decide.

    Images are decoded once and come from the cache of the cohort from then on; either way a batch
    is the same, bit for bit. Memory is used again once a batch is let go.

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
        self._pool = BufferPool()
        self._samples = {
            name: ImageSamples(view.size, view.channels, cases.cache, threads, view.transforms)
            for name, view in cases.spec.images.items()
        }

    def __len__(self) -> int:
        return len(self._bounds())

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the rows in the order of an epoch."""
        if not self.shuffle:
            return self.rows
        return self.rows[epoch_order(len(self.rows), self.seed, epoch)]

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
            return (self._batch(rows, epoch) for rows in batches)
        return work_ahead(lambda rows: self._batch(rows, epoch), batches, ahead=AHEAD)

    def _bounds(self) -> list[tuple[int, int]]:
        return batch_bounds(len(self.rows), self.batch_size, join_single=self.shuffle)

    def _batch(self, rows: NDArray[np.int64], epoch: int) -> Batch:
        cases = self.cases
        target = None
        if self._target is not None:
            kind = np.int64 if self._target.dtype.kind == "i" else np.float32
            target = torch.from_numpy(self._target[rows].astype(kind))
        return Batch(
            images={
                name: self._images(name, view, rows, epoch)
                for view, name in enumerate(cases.spec.images)
            },
            image_present=torch.from_numpy(self._image_present[rows]),
            numeric=torch.from_numpy(cases.numeric[rows]),
            numeric_present=torch.from_numpy(cases.numeric_present[rows]),
            categorical=torch.from_numpy(cases.categorical[rows]),
            target=target,
            row=rows,
        )

    def _images(self, name: str, view: int, rows: NDArray[np.int64], epoch: int) -> Tensor:
        cases = self.cases
        spec = cases.spec.images[name]
        cells = [cases.image_paths[name][row] for row in rows.tolist()]
        samples, failures = self._samples[name].fetch([path for path in cells if path is not None])
        if failures:
            there = list(itertools.compress(rows.tolist(), [path is not None for path in cells]))
            listed = "; ".join(
                f"{cases.ids[there[item.position]]}: {item.path}: {item.reason}"
                for item in failures
            )
            msg = f"images can no longer be read: {listed}"
            raise ImageReadError(msg)
        found = iter(samples)
        images = self._pool.take((len(rows), spec.channels, *spec.size))
        changes = None
        if self.augment and spec.augmentation is not None:
            numbers = augmentation.draw(self.seed, epoch, view, rows)
            changes = augmentation.changes(spec.augmentation, numbers, spec.size)
        _rust.normalise_samples(
            [None if path is None else next(found) for path in cells],
            images.numpy(),
            cases.preprocessing.image_means[name],
            cases.preprocessing.image_stds[name],
            **({} if changes is None else changes._asdict()),
            threads=self.threads,
        )
        return images
