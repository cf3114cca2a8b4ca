"""Volumes that patches are cut from: opened where that is possible without reading them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.transforms.base import describe
from medfusion.data.transforms.gather import Samples, samples
from medfusion.data.volume import Source, Volume
from medfusion.errors import TransformError

Path = str | os.PathLike[str]

_MAPPED = ("uint8", "int16", "uint16", "float32")
_PAIR = 2


@dataclasses.dataclass(frozen=True)
class PatchSource:
    """A volume as stored, with the line that leads from stored to true values."""

    volume: Volume
    samples: Samples
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def channels(self) -> int:
        """Channels, those of all points in time."""
        return len(self.samples.array)


def open_source(given: Volume | Path, *, labels: bool = False) -> PatchSource:
    """Return what patches are cut from.

    An uncompressed NIfTI file (uint8, int16, uint16 or float32 in this machine's byte order) is
    mapped into memory: only what patches touch is read, and the scaling of the header is applied
    to patches. It must not be changed meanwhile. Any other file is read.

    Args:
        given: A volume, or what `medfusion.data.read_volume` takes.
        labels: The values are classes.

    Raises:
        VolumeReadError: The file cannot be read.
        TransformError: The volume has no voxels, or labels that are no whole numbers.
    """
    if isinstance(given, Volume):
        volume, slope, intercept = given, 1.0, 0.0
    else:
        volume, slope, intercept = mapped(given) or (_read(given), 1.0, 0.0)
    volume = volume.replace(labels=labels)
    if labels and (slope, intercept) != (1.0, 0.0):
        volume = volume.replace(array=volume.array * slope + intercept)
        slope, intercept = 1.0, 0.0
    return PatchSource(volume, samples(volume), slope, intercept)


def mapped(path: Path) -> tuple[Volume, float, float] | None:
    """Return a NIfTI file mapped into memory, its slope and its intercept; None where not possible.

    Args:
        path: Any path.

    Raises:
        VolumeReadError: The file shrank since its header was read.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - the path may be a text
        return None
    try:
        facts = _rust.nifti_facts(path)
    except (_rust.NiftiForeignError, _rust.NiftiReadError):
        return None
    kind = np.dtype(facts["dtype"]) if facts["dtype"] in _MAPPED else None
    foreign = facts["big_endian"] and kind is not None and kind.itemsize > 1
    if kind is None or foreign or facts["compressed"] or facts["channels_interleaved"]:
        return None
    if facts["offset"] % kind.itemsize:
        return None
    file = facts["files"][-1] if len(facts["files"]) >= _PAIR else facts["files"][0]
    try:
        array = np.memmap(file, kind, "r", facts["offset"], facts["shape"])
    except ValueError:
        # Shorter than its header says: the reader's error tells more.
        return None
    slope, intercept = facts["scaling"] or (1.0, 0.0)
    source = Source(
        path=os.fspath(path),
        format=f"{facts['format']} .nii",
        files=tuple(facts["files"]),
        notes=tuple(facts["notes"]),
    )
    volume = Volume(np.asarray(array), np.array(facts["affine"]), axes=facts["axes"], source=source)
    return volume, float(slope), float(intercept)


def _read(path: Path) -> Volume:
    from medfusion.data.reading import read_volume

    return read_volume(path, dtype="native")


class ClassRows:
    """Where the voxels of each class are, as counts for each row of a volume.

    Args:
        source: A volume of labels with one channel.
        classes: The labels that are looked for.

    Raises:
        TransformError: The labels have several channels.

    Example:
        >>> labels = Volume(np.array([[[0, 2, 2], [0, 0, 1]]], np.uint8), labels=True)
        >>> rows = ClassRows(open_source(labels, labels=True), [1, 2, 3])
        >>> rows.total, rows.voxel(2, 1)
        ({1: 1, 2: 2, 3: 0}, (2, 0, 0))
    """

    def __init__(self, source: PatchSource, classes: Sequence[int]) -> None:
        self._labels = source.samples.array
        if len(self._labels) != 1:
            msg = (
                f"{describe(source.volume)} has {len(self._labels)} channels of labels: "
                "classes are balanced over one"
            )
            raise TransformError(msg)
        counts = _rust.count_classes(self._labels, list(classes))
        ends = np.cumsum(counts.reshape(len(classes), -1), axis=1, dtype=np.int64)
        self._ends = dict(zip(classes, ends, strict=True))
        self.total: Mapping[int, int] = {label: int(all_[-1]) for label, all_ in self._ends.items()}

    def voxel(self, label: int, number: int) -> tuple[int, int, int]:
        """Return voxel (i, j, k), the `number`-th of a class in the order of memory.

        Args:
            label: One of the classes.
            number: From 0 to `total[label] - 1`.
        """
        ends = self._ends[label]
        row = int(np.searchsorted(ends, number, side="right"))
        k, j = divmod(row, self._labels.shape[2])
        before = int(ends[row - 1]) if row else 0
        line: NDArray[Any] = self._labels[0, k, j]
        return int(np.flatnonzero(line == label)[number - before]), j, k
