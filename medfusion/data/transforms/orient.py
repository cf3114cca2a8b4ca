"""Axes flipped and swapped, so that voxels run to named directions of the patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust, spec
from medfusion.data.transforms.base import VolumeTransform
from medfusion.data.transforms.output import bits_of, separate, target
from medfusion.data.volume import Volume, orientation_of
from medfusion.registry import register

_AXIS = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}


@register(spec.Orient)
class Orient(VolumeTransform[spec.Orient]):
    """Flip and swap the axes so that i, j, k run to the named directions.

    Values are copied, never interpolated; every voxel keeps its place in the patient, so an
    oblique volume stays oblique. Equal to `nibabel.as_closest_canonical` for "RAS" and to
    SimpleITK's `DICOMOrient`. Letters name where an axis runs to, as in nibabel's axis codes.

    Example:
        >>> volume = Volume(np.arange(4.0).reshape(1, 1, 4), np.diag([0.5, 1.0, 1.0, 1.0]))
        >>> turned = Orient("RPS")(volume)
        >>> turned.array.ravel().tolist(), turned.origin
        ([3.0, 2.0, 1.0, 0.0], (1.5, 0.0, 0.0))
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
        """Return the volume along the named axes; see `VolumeTransform.__call__`."""
        del fitted
        axes, flips = turn(volume.affine, self.spec.axes)
        affine, size = turned(volume.affine, volume.size, axes, flips)
        shape = (*volume.array.shape[:-3], *size[::-1])
        separate(out, volume.array)
        array = np.ascontiguousarray(volume.array)
        result = target(out, shape, array.dtype)
        _rust.orient_volume(bits_of(array), bits_of(result), axes, flips, threads=threads)
        return volume.replace(array=result, affine=affine)


def turn(
    affine: NDArray[np.float64], axes: str
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return, for each new axis i, j, k: the old axis it is, and whether that is turned round.

    Args:
        affine: `[4, 4]`, voxel to LPS in mm.
        axes: Where the new axes run to, such as "RAS".
    """
    now = orientation_of(affine)
    old = [_AXIS[letter] for letter in now]
    found = [old.index(_AXIS[letter]) for letter in axes]
    flips = [now[axis] != letter for axis, letter in zip(found, axes, strict=True)]
    return (found[0], found[1], found[2]), (flips[0], flips[1], flips[2])


def turned(
    affine: NDArray[np.float64],
    size: tuple[int, int, int],
    axes: tuple[int, int, int],
    flips: tuple[bool, bool, bool],
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Return the affine and the size (i, j, k) after a turn.

    Args:
        affine: `[4, 4]` before it.
        size: Voxels along i, j, k before it.
        axes: As `turn` gives them.
        flips: As `turn` gives them.
    """
    result = np.eye(4)
    result[:3, 3] = affine[:3, 3]
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        step = affine[:3, old]
        result[:3, new] = -step if flip else step
        if flip:
            result[:3, 3] += step * (size[old] - 1)
    return result, (size[axes[0]], size[axes[1]], size[axes[2]])
