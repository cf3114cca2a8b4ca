"""Batches of rows of a cohort, made ahead of the training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medfusion import _rust
from medfusion.data import augmentation
from medfusion.data.ahead import batch_bounds, epoch_order, work_ahead
from medfusion.data.augmentation import Changes
from medfusion.data.batch import Batch
from medfusion.data.buffers import BufferPool
from medfusion.data.cohort import Cases
from medfusion.data.images import ImageFailure
from medfusion.data.instances import Draw, InstanceSamples, view_samples
from medfusion.data.masks import MaskSamples
from medfusion.errors import ImageReadError
from medfusion.spec.data import TARGET_MASK

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
        self._mask_present = {name: cases.masks.present(name) for name in cases.masks.pairs}
        self._target: NDArray[Any] | None = getattr(cases, "target", None)
        self._pool = BufferPool()
        self._samples = {
            name: view_samples(view, cases.cache, threads)
            for name, view in cases.spec.images.items()
        }
        self._sources = {name: cases.files.sources(name) for name in cases.spec.images}
        self._masks = {
            name: MaskSamples(masks, cases.spec.images[view], cases.cache, threads)
            for name, (view, masks) in cases.spec.masks.items()
            if name in cases.masks.pairs
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
        changes = {
            name: self._changes(name, view, rows, epoch)
            for view, name in enumerate(cases.spec.images)
        }
        masks = {
            name: self._labels(name, rows, changes[cases.spec.masks[name][0]])
            for name in self._masks
        }
        target = None
        if TARGET_MASK in masks:
            target = masks.pop(TARGET_MASK).long()
        elif self._target is not None:
            kind = np.int64 if self._target.dtype.kind == "i" else np.float32
            target = torch.from_numpy(self._target[rows].astype(kind))
        images: dict[str, Tensor] = {}
        instances: dict[str, Tensor] = {}
        for view, (name, spec) in enumerate(cases.spec.images.items()):
            if spec.instances is None:
                images[name] = self._images(name, rows, changes[name])
            else:
                images[name], instances[name] = self._instances(
                    name, view, rows, epoch, changes[name]
                )
        return Batch(
            images=images,
            image_present=torch.from_numpy(self._image_present[rows]),
            numeric=torch.from_numpy(cases.numeric[rows]),
            numeric_present=torch.from_numpy(cases.numeric_present[rows]),
            categorical=torch.from_numpy(cases.categorical[rows]),
            target=target,
            row=rows,
            instance_present=instances,
            masks=masks,
            mask_present={name: torch.from_numpy(self._mask_present[name][rows]) for name in masks},
        )

    def _changes(self, name: str, view: int, rows: NDArray[np.int64], epoch: int) -> Changes | None:
        spec = self.cases.spec.images[name]
        if not self.augment or spec.augmentation is None:
            return None
        numbers = augmentation.draw(self.seed, epoch, view, rows)
        return augmentation.changes(spec.augmentation, numbers, spec.size)

    def _images(self, name: str, rows: NDArray[np.int64], changes: Changes | None) -> Tensor:
        cases = self.cases
        spec = cases.spec.images[name]
        cells = [cases.image_paths[name][row] for row in rows.tolist()]
        samples, failures = self._samples[name].fetch([path for path in cells if path is not None])
        self._require(failures, _there(rows, cells))
        found = iter(samples)
        chosen = [None if path is None else next(found) for path in cells]
        images = self._pool.take((len(rows), spec.channels, *spec.size))
        self._normalise(chosen, images, name, changes)
        return images

    def _instances(
        self,
        name: str,
        view: int,
        rows: NDArray[np.int64],
        epoch: int,
        changes: Changes | None,
    ) -> tuple[Tensor, Tensor]:
        """Return the instances of a view [B, S, C, H, W] and which are there [B, S]."""
        spec = self.cases.spec.images[name]
        draw = Draw(self.seed, epoch, view) if self.augment else None
        places = rows.tolist()
        fetched = InstanceSamples(spec, self._samples[name]).fetch(
            [self._sources[name][row] for row in places], places, draw
        )
        self._require(fetched.failures, places)
        count = len(fetched.samples[0])
        chosen = [image for images in fetched.samples for image in images]
        images = self._pool.take((len(rows), count, spec.channels, *spec.size))
        if changes is not None:  # all slices of a subject are turned alike
            changes = Changes(*(np.repeat(part, count, axis=0) for part in changes))
        self._normalise(chosen, images.flatten(0, 1), name, changes)
        present = np.array([image is not None for image in chosen]).reshape(len(rows), count)
        return images, torch.from_numpy(present)

    def _require(
        self, failures: Sequence[ImageFailure], rows: Sequence[int], what: str = "images"
    ) -> None:
        if failures:
            listed = "; ".join(
                f"{self.cases.ids[rows[item.position]]}: {item.path}: {item.reason}"
                for item in failures
            )
            msg = f"{what} can no longer be read: {listed}"
            raise ImageReadError(msg)

    def _normalise(
        self,
        samples: Sequence[NDArray[Any] | None],
        images: Tensor,
        name: str,
        changes: Changes | None,
    ) -> None:
        _rust.normalise_samples(
            samples,
            images.numpy(),
            self.cases.preprocessing.image_means[name],
            self.cases.preprocessing.image_stds[name],
            **({} if changes is None else changes._asdict()),
            threads=self.threads,
        )

    def _labels(self, name: str, rows: NDArray[np.int64], changes: Changes | None) -> Tensor:
        """Return the labels of masks, uint8 [B, H, W], moved as the images are."""
        cells = [self.cases.masks.pairs[name][row] for row in rows.tolist()]
        samples = self._masks[name]
        found, failures = samples.fetch([pair for pair in cells if pair is not None])
        self._require(failures, _there(rows, cells), "masks")
        labels = iter(found)
        out = np.empty((len(rows), *samples.size), dtype=np.uint8)
        _rust.move_labels(
            [None if pair is None else next(labels) for pair in cells],
            out,
            None if changes is None else changes.theta,
            threads=self.threads,
        )
        return torch.from_numpy(out)


def _there(rows: NDArray[np.int64], cells: Sequence[Any]) -> list[int]:
    """Return the rows whose cell is not empty."""
    return list(itertools.compress(rows.tolist(), [cell is not None for cell in cells]))
