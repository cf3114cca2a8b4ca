"""Where DICOM slices lie: normals, places along them, even and uneven stacks, affines.

The plane of an image is DICOM PS3.3 C.7.6.2.1.1: ImagePositionPatient is the centre of the first
pixel; the first three cosines of ImageOrientationPatient are the way along a row (voxel axis i),
the last three the way down a column (voxel axis j). PixelSpacing names the distance of rows first,
which is the step along j, and then the distance of columns, the step along i.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SKEW = 0.1
"""Cosine between rows and columns above which an orientation is no plane's."""
SHIFT = 0.05
"""Pixels that slices may lie beside the normal, all in all, before the stack counts as sheared."""
SLACK = 0.01
"""Share of the spacing that a slice may be off before the stack counts as uneven."""
ROUNDING = 2e-3
"""Millimetres that a position may be off because it is written with few digits."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """How slices follow each other.

    Attributes:
        spacing: Distance of neighbours in mm: the mean, or where slices are missing that of the
            others.
        gaps: (slice, how many are missing behind it), for every hole that is a whole number of
            slices.
        deviation: How far slices lie from even places, in mm; 0 where they are even.
    """

    spacing: float
    gaps: tuple[tuple[int, int], ...] = ()
    deviation: float = 0.0

    @property
    def even(self) -> bool:
        """Whether slices are equally far from each other, and none is missing."""
        return not self.gaps and self.deviation == 0.0


def cosines(orientation: Sequence[float] | None) -> tuple[Floats, Floats] | None:
    """Return the unit vectors along a row and down a column, or None if they are no plane's.

    Args:
        orientation: ImageOrientationPatient, six cosines.

    Example:
        >>> cosines([1, 0, 0, 0, 1, 0])[1].tolist()
        [0.0, 1.0, 0.0]
        >>> cosines([0, 0, 0, 0, 0, 0]) is None
        True
    """
    if orientation is None or len(orientation) != 6:
        return None
    values = np.array(orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(values, axis=1)
    if not np.isfinite(values).all() or (np.abs(lengths - 1) > SKEW).any():
        return None
    row, column = values / lengths[:, None]
    return None if abs(float(row @ column)) > SKEW else (row, column)


def slice_normal(orientation: Sequence[float]) -> Floats:
    """Return the unit normal of a plane, float64 `[3]`: row x column, so that axes are right-handed.

    Raises:
        ValueError: The cosines are no plane's.

    Example:
        >>> slice_normal([1, 0, 0, 0, 1, 0]).tolist()
        [0.0, 0.0, 1.0]
    """
    found = cosines(orientation)
    if found is None:
        msg = f"{list(orientation)} are no two perpendicular unit vectors"
        raise ValueError(msg)
    # Written out: numpy's cross costs ten times as much, and this runs for each orientation.
    (a, b, c), (d, e, f) = found[0].tolist(), found[1].tolist()
    normal = np.array([b * f - c * e, c * d - a * f, a * e - b * d])
    unit: Floats = normal / np.linalg.norm(normal)
    return unit


def spread(places: Floats) -> Spread:
    """Say how slices follow each other.

    Args:
        places: Their places along the normal in mm, ascending, float64 `[N]`.

    Example:
        >>> spread(np.array([0.0, 1.0, 3.0, 4.0])).gaps
        ((1, 1),)
    """
    if len(places) < 2:
        return Spread(0.0)
    steps = np.diff(places)
    mean = float(places[-1] - places[0]) / len(steps)
    if np.abs(steps - mean).max() <= SLACK * mean + ROUNDING:
        return Spread(mean)
    # The smallest step is that of neighbours; its mean over all steps near it is more exact.
    small = float(steps.min())
    near = steps[steps <= small * (1 + SLACK) + ROUNDING]
    unit = float(near.mean())
    if unit <= 0:
        return Spread(mean, (), float(np.abs(steps - mean).max()))
    counts = np.maximum(np.rint(steps / unit), 1)
    unit = float(steps.sum() / counts.sum())
    off = np.abs(steps - counts * unit)
    if (off <= SLACK * unit + ROUNDING).all() and counts.max() > 1:
        gaps = tuple((int(k), int(counts[k]) - 1) for k in np.flatnonzero(counts > 1))
        return Spread(unit, gaps)
    ideal = places[0] + mean * np.arange(len(places))
    return Spread(mean, (), float(np.abs(places - ideal).max()))


def shear(positions: Floats, normal: Floats, places: Floats) -> tuple[Floats, float]:
    """Return how much slices move within their plane per mm along the normal, and what is left.

    Args:
        positions: float64 `[N, 3]`, in the order of the slices.
        normal: float64 `[3]`.
        places: Positions along the normal, `[N]`.

    Returns:
        A vector in the plane, float64 `[3]` (zeros: slices lie straight above each other), and the
        largest distance of a slice from that line, in mm.

    Example:
        >>> tilted = np.array([[0, 0, 0], [0, 0.5, 1], [0, 1, 2]], dtype=float)
        >>> shear(tilted, np.array([0, 0, 1.0]), tilted[:, 2])[0].tolist()
        [0.0, 0.5, 0.0]
    """
    beside = positions - positions[0] - np.outer(places - places[0], normal)
    length = float(places[-1] - places[0])
    if length <= 0:
        return np.zeros(3), float(np.linalg.norm(beside, axis=1).max())
    drift: Floats = beside[-1] / length
    left = beside - np.outer(places - places[0], drift)
    return drift, float(np.linalg.norm(left, axis=1).max())


def affine(
    orientation: Sequence[float],
    position: Sequence[float] | Floats,
    pixel_spacing: Sequence[float],
    step: Sequence[float] | Floats,
) -> Floats:
    """Return the affine of a stack: voxel (i, j, k, 1) to LPS in mm, float64 `[4, 4]`.

    Args:
        orientation: ImageOrientationPatient.
        position: ImagePositionPatient of the first slice.
        pixel_spacing: Distance of rows, then of columns, as in PixelSpacing.
        step: From one slice to the next, in mm, `[3]`.

    Raises:
        ValueError: The cosines are no plane's.

    Example:
        >>> affine([1, 0, 0, 0, 1, 0], [0, 0, 0], [2, 3], [0, 0, 5]).diagonal().tolist()
        [3.0, 2.0, 5.0, 1.0]
    """
    found = cosines(orientation)
    if found is None:
        msg = f"{list(orientation)} are no two perpendicular unit vectors"
        raise ValueError(msg)
    matrix = np.eye(4)
    matrix[:3, 0] = found[0] * pixel_spacing[1]
    matrix[:3, 1] = found[1] * pixel_spacing[0]
    matrix[:3, 2] = step
    matrix[:3, 3] = position
    return matrix


def angle(drift: Floats) -> float:
    """Return the tilt in degrees of a stack that moves by `drift` mm per mm along its normal."""
    return math.degrees(math.atan(float(np.linalg.norm(drift))))


def floats(value: Any, count: int) -> tuple[float, ...] | None:
    """Return a header's numbers if there are as many as there should be and all are finite.

    >>> floats([1, 2], 2), floats([1, float("nan")], 2), floats(None, 3)
    ((1, 2), None, None)
    """
    if value is None or len(value) != count:
        return None
    found = tuple(value)
    return found if all(map(math.isfinite, found)) else None
