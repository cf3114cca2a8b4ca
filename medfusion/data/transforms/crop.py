"""Boxes cut out of volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust, spec
from medfusion.data.transforms.base import VolumeTransform, describe
from medfusion.data.transforms.output import separate, target, values_of
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register


@register(spec.Crop)
class Crop(VolumeTransform[spec.Crop]):
    """Cut out a box, at a place or from the middle.

    Without `start` the box begins at voxel `n // 2 - size // 2` along each axis, as in MONAI's
    `CenterSpatialCrop`; axes shorter than `size` are kept whole. With `start` it must lie inside
    the volume. Voxels keep their place in the patient.

    Example:
        >>> volume = Volume(np.arange(5, dtype=np.float32).reshape(1, 1, 5))
        >>> part = Crop((3, 1, 1))(volume)
        >>> part.array.ravel().tolist(), part.origin
        ([1.0, 2.0, 3.0], (1.0, 0.0, 0.0))
    """

    geometry = True

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the box; see `VolumeTransform.__call__`."""
        del fitted, threads
        start, size = self.spec.start, self.spec.size
        if start is None:
            kept = [min(n, length) for n, length in zip(volume.size, size, strict=True)]
            first = [n // 2 - length // 2 for n, length in zip(volume.size, kept, strict=True)]
            return cut(volume, first, kept, out)
        for n, at, length in zip(volume.size, start, size, strict=True):
            if at + length > n:
                msg = (
                    f"the box of {size} voxels from {start} does not lie inside "
                    f"{describe(volume)}, which has {volume.size} along i, j, k: use Pad before"
                )
                raise TransformError(msg)
        return cut(volume, start, size, out)


@register(spec.CropForeground)
class CropForeground(VolumeTransform[spec.CropForeground]):
    """Cut out the smallest box around all values above a threshold.

    Of several volumes one decides (`by`, else the first), and all are cut alike: they must be on
    one grid. Channels and points in time are taken together; NaN is no foreground.

    Example:
        >>> volume = Volume(np.array([[[0, 0, 7, 9, 0]]], np.int16))
        >>> CropForeground()(volume).array.tolist()
        [[[7, 9]]]
    """

    geometry = True

    def fit(self, volume: Volume, among: Mapping[str, Volume]) -> dict[str, Any]:
        """Return first voxel and size of the box along i, j, k."""
        by = self.spec.by
        if by is not None and by not in among:
            given = ", ".join(filter(None, among)) or "one volume without a name"
            msg = f"there is no volume {by!r} that decides on the foreground; given: {given}"
            raise TransformError(msg)
        decides = volume if by is None else among[by]
        for name, other in among.items():
            if other.size != decides.size:
                msg = f"{name} has size {other.size}, not {decides.size}: resample it first"
                raise TransformError(msg)
        values = values_of(decides.array)
        found = _rust.foreground_bounds(values.reshape(-1, *values.shape[-3:]), self.spec.above)
        if found is None:
            msg = (
                f"{describe(decides)} has no value above {self.spec.above:g}, so no foreground: "
                "choose a lower threshold (air is -1000 HU)"
            )
            raise TransformError(msg)
        margin = self.spec.margin
        start = [max(first - margin, 0) for first, _ in found]
        stop = [min(end + margin, n) for (_, end), n in zip(found, decides.size, strict=True)]
        return {"start": start, "size": [b - a for a, b in zip(start, stop, strict=True)]}

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the box; see `VolumeTransform.__call__`."""
        del threads
        return cut(volume, fitted["start"], fitted["size"], out)


def cut(
    volume: Volume, start: Sequence[int], size: Sequence[int], out: NDArray[Any] | None = None
) -> Volume:
    """Return a copy of a box.

    Args:
        volume: The volume.
        start: First voxel along i, j, k.
        size: Voxels along i, j, k; the box lies inside the volume.
        out: The caller's array, or None.
    """
    separate(out, volume.array)
    box = [slice(at, at + length) for at, length in zip(start, size, strict=True)]
    i, j, k = box
    part = volume.array[..., k, j, i]
    result = target(out, part.shape, part.dtype)
    np.copyto(result, part)
    return volume.replace(array=result, affine=shifted(volume.affine, start))


def shifted(affine: NDArray[np.float64], start: Sequence[int]) -> NDArray[np.float64]:
    """Return the affine of a grid that starts at another voxel (i, j, k).

    Args:
        affine: `[4, 4]`.
        start: The voxel; negative where the grid starts before the old one.
    """
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.asarray(start, dtype=np.float64)
    return moved
