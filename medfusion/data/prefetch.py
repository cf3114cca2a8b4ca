"""A loader for a plain PyTorch loop, where `torch.utils.data.DataLoader` stood."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medfusion import _rust
from medfusion.data import augmentation
from medfusion.data.ahead import batch_bounds, epoch_order, work_ahead
from medfusion.data.buffers import BufferPool
from medfusion.data.cache import Cache
from medfusion.data.images import describe
from medfusion.data.samples import ImageSamples
from medfusion.data.transforms.base import SampleKey
from medfusion.data.volume import Volume
from medfusion.data.volume_samples import Prepare, VolumeSamples
from medfusion.errors import ImageReadError, InputError, TransformError
from medfusion.spec.data import Augmentation

__all__ = ["Pictures", "PrefetchLoader"]

SOLE = "image"
"""Name of the volume where a sample is just a path."""

_TORCH_TYPES = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int64}


class Dataset(Protocol):
    """Anything with a length and samples by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


@dataclasses.dataclass(frozen=True)
class Pictures:
    """2D images (PNG, JPEG): all of one size, normalised, changed at random where asked.

    They are cached in their own depth at that size, a quarter of what a batch takes.

    Attributes:
        size: Height and width in pixels.
        channels: 1 (grey) or 3 (RGB); files of the other kind are converted.
        mean: Mean per channel, on the 0..1 scale.
        std: Standard deviation per channel, likewise.
        augmentation: Random changes, drawn from seed, epoch and sample.
    """

    size: tuple[int, int] = (224, 224)
    channels: int = 3
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    augmentation: Augmentation | None = None


class PrefetchLoader:
    """Batches of volumes or images, read, prepared and cached ahead of the training.

    Threads of its own make the next batches while Python computes; nearly all of their work is
    done in Rust, without the interpreter's lock. What is in a batch depends on the samples, the
    seed and the epoch alone, never on the number of threads or on what is cached.

    A sample is a path, or a mapping with paths (the `volumes` and `labels`) and whatever else a
    batch shall hold: numbers become tensors, arrays and tensors are stacked, text is listed. A
    batch is a dict: volumes `[B, C, D, H, W]` (`[B, C, H, W]` with `flat` or of `Pictures`), the
    rest by name, and `index`, int64 `[B]`, the positions in the dataset. A tensor stays valid as
    long as it is held.

    Args:
        dataset: The samples: paths, mappings, or a PyTorch dataset that returns them.
        transform: `Pictures`, a `Pipeline`, or any function of a volume (of volumes by name where
            a sample has several). Of a pipeline the part before the first random transform is
            cached; of a function only the reading is, as its content cannot be known.
        batch_size: Samples per batch.
        shuffle: A new order in each epoch, drawn from `seed` and the epoch.
        seed: Seed of order and random transforms.
        drop_last: Leave out a last batch that is not full.
        volumes: Names of the mapping's values that are volumes or images.
        labels: Names of those that are masks: read as whole numbers, resampled by the nearest.
        flat: Leave out the axis D of volumes with one slice.
        threads: Batches that are worked on at the same time; the threads of Rust for `Pictures`.
        ahead: Batches that are made before they are asked for.
        cache: Where prepared samples are kept: GiB in the user's cache, 0 for none, or a `Cache`.

    Raises:
        InputError: A sample cannot be read or prepared; it comes when its batch is asked for, and
            names the file.

    Example:
        >>> loader = PrefetchLoader(paths, Pipeline([Orient("RAS"), ZScore()]), batch_size=2,
        ...                         shuffle=True)  # doctest: +SKIP
        >>> for epoch in range(10):  # doctest: +SKIP
        ...     loader.set_epoch(epoch)
        ...     for batch in loader:
        ...         loss = model(batch["image"].to("cuda")).mean()
    """

    def __init__(
        self,
        dataset: Dataset | Sequence[Any],
        transform: Pictures | Prepare | None = None,
        *,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        volumes: Sequence[str] = (SOLE,),
        labels: Sequence[str] = (),
        flat: bool = False,
        threads: int = 2,
        ahead: int = 2,
        cache: Cache | float = 4.0,
    ) -> None:
        if batch_size < 1 or ahead < 1 or threads < 0:
            msg = "batch_size and ahead must be at least 1, threads at least 0"
            raise ValueError(msg)
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.threads = threads or os.cpu_count() or 1
        self.ahead = ahead
        self.flat = flat
        self.cache = cache if isinstance(cache, Cache) else Cache.default(cache)
        self._next_epoch = 0
        self._pool = BufferPool()
        self._names = (*volumes, *labels)
        self._pictures = transform if isinstance(transform, Pictures) else None
        if self._pictures is not None:
            size, channels = self._pictures.size, self._pictures.channels
            self._images = ImageSamples(size, channels, self.cache, self.threads)
        else:
            self._volumes = VolumeSamples(transform, labels=frozenset(labels), cache=self.cache)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._bounds())

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; without it each iteration is the next epoch, from 0."""
        self._next_epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        epoch, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.epoch(epoch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the batches of an epoch.

        Args:
            epoch: Epoch from 0.
            start: Batches to leave out at the beginning, without reading them.
        """
        count = len(self.dataset)
        order = epoch_order(count, self.seed, epoch) if self.shuffle else np.arange(count)
        jobs = [order[first:last] for first, last in self._bounds()[start:]]
        threads = 1 if self._pictures is not None else self.threads
        return work_ahead(
            lambda rows: self._batch(rows, epoch),
            jobs,
            ahead=max(self.ahead, threads),
            threads=threads,
        )

    def _bounds(self) -> list[tuple[int, int]]:
        return batch_bounds(len(self.dataset), self.batch_size, drop_last=self.drop_last)

    def _batch(self, rows: NDArray[np.int64], epoch: int) -> dict[str, Any]:
        samples = [self._sample(self.dataset[row]) for row in rows.tolist()]
        first = samples[0]
        for row, sample in zip(rows.tolist(), samples, strict=True):
            if sample.keys() != first.keys():
                msg = f"sample {row} has {sorted(sample)}, but sample {rows[0]} has {sorted(first)}"
                raise InputError(msg)
        names = [name for name in self._names if name in first]
        if not names:
            msg = f"a sample has none of the volumes {list(self._names)}, but {sorted(first)}"
            raise InputError(msg)
        if self._pictures is not None:
            batch = {
                name: self._picture_batch(self._pictures, samples, name, view, rows, epoch)
                for view, name in enumerate(names)
            }
        else:
            batch = self._volume_batch(samples, names, rows, epoch)
        for name in first:
            if name not in batch:
                batch[name] = _collate(name, [sample[name] for sample in samples])
        batch["index"] = torch.from_numpy(rows)
        return batch

    @staticmethod
    def _sample(sample: Any) -> Mapping[str, Any]:
        if isinstance(sample, Mapping):
            return sample
        if isinstance(sample, str | os.PathLike | Volume):
            return {SOLE: sample}
        msg = (
            f"a sample is a {type(sample).__name__}: give a path, a Volume, or a mapping such as "
            '{"image": path, "label": 1}'
        )
        raise InputError(msg)

    def _picture_batch(
        self,
        pictures: Pictures,
        samples: Sequence[Mapping[str, Any]],
        name: str,
        view: int,
        rows: NDArray[np.int64],
        epoch: int,
    ) -> Tensor:
        found, failures = self._images.fetch([sample[name] for sample in samples])
        if failures:
            raise ImageReadError(describe(failures))
        out = self._pool.take((len(rows), pictures.channels, *pictures.size))
        changes = None
        if pictures.augmentation is not None:
            numbers = augmentation.draw(self.seed, epoch, view, rows)
            changes = augmentation.changes(pictures.augmentation, numbers, pictures.size)
        _rust.normalise_samples(
            found,
            out.numpy(),
            pictures.mean,
            pictures.std,
            **({} if changes is None else changes._asdict()),
            threads=self.threads,
        )
        return out

    def _volume_batch(
        self,
        samples: Sequence[Mapping[str, Any]],
        names: Sequence[str],
        rows: NDArray[np.int64],
        epoch: int,
    ) -> dict[str, Any]:
        batch: dict[str, Tensor] = {}
        for place, (row, sample) in enumerate(zip(rows.tolist(), samples, strict=True)):
            sources = {
                name: sample[name] if isinstance(sample[name], Volume) else os.fspath(sample[name])
                for name in names
            }
            made = self._fetched(sources, SampleKey(self.seed, epoch, row))
            for name, array in made.items():
                if place == 0:
                    shape = (len(samples), *array.shape)
                    dtype = _TORCH_TYPES.get(array.dtype, array.dtype)
                    batch[name] = self._pool.take(shape, np.dtype(dtype))
                if name not in batch or tuple(batch[name].shape[1:]) != array.shape:
                    msg = (
                        f"{_named(sources)}: {name} is {list(array.shape)}, but "
                        f"{list(batch[name].shape[1:]) if name in batch else 'absent'} in the "
                        "sample before it: crop or pad them to one size, or set batch_size=1"
                    )
                    raise TransformError(msg)
                batch[name].numpy()[place] = array
        return batch

    def _fetched(
        self, sources: Mapping[str, str | Volume], key: SampleKey
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays of one sample, `[C, D, H, W]` each; any failure names the file."""
        try:
            volumes = self._volumes.fetch(sources, key)
            return {name: self._array(volume) for name, volume in volumes.items()}
        except InputError as error:
            if any(isinstance(one, str) and one in str(error) for one in sources.values()):
                raise
            msg = f"{_named(sources)}: {error}"
            raise type(error)(msg) from error
        except (Exception, RecursionError) as error:
            msg = f"{_named(sources)}: {type(error).__name__}: {error}"
            raise TransformError(msg) from error

    def _array(self, volume: Volume | NDArray[Any] | Tensor) -> NDArray[Any]:
        if not isinstance(volume, Volume):
            return np.asarray(volume)
        array = volume.array if volume.axes != "DHW" else volume.array[None]
        if not self.flat:
            return array
        if array.shape[-3] != 1:
            msg = f"flat is for volumes of one slice, this one has {array.shape[-3]}"
            raise TransformError(msg)
        return array[..., 0, :, :]


def _collate(name: str, values: Sequence[Any]) -> Any:
    """Return what a batch holds of values that are no volumes."""
    first = values[0]
    if isinstance(first, str):
        return list(values)
    if isinstance(first, bool | np.bool_):
        return torch.tensor(values, dtype=torch.bool)
    if isinstance(first, int | np.integer):
        return torch.tensor(values, dtype=torch.int64)
    if isinstance(first, float | np.floating):
        return torch.tensor(values, dtype=torch.float32)
    if isinstance(first, np.ndarray | Tensor):
        return torch.stack([torch.as_tensor(value) for value in values])
    msg = f"{name} is a {type(first).__name__}: a batch holds numbers, text, arrays and tensors"
    raise InputError(msg)


def _named(sources: Mapping[str, str | Volume]) -> str:
    """Return the files of a sample for a message."""
    return ", ".join(one if isinstance(one, str) else repr(one) for one in sources.values())
