"""How far the outlines of two regions lie apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

PERCENTILE = 95.0


def hausdorff95(
    first: npt.NDArray[np.bool_],
    second: npt.NDArray[np.bool_],
    spacing: tuple[float, ...] | None = None,
) -> float:
    """Return the 95th percentile of the Hausdorff distance of two regions.

    The larger of both directions: from each pixel of one outline to the nearest of the other, the
    95th percentile (https://doi.org/10.1109/34.232073, with the percentile for single stray
    pixels). An outline is the pixels of a region with a neighbour, across a side, outside it. NaN
    where either region is empty.

    Args:
        first: Region, bool of any number of axes.
        second: Region of the same shape.
        spacing: Distance of neighbouring pixels along each axis; 1 by default.

    Example:
        >>> first = np.zeros((5, 5), bool)
        >>> first[1, 1] = True
        >>> hausdorff95(first, np.roll(first, 3, axis=1), spacing=(1.0, 0.5))
        1.5
    """
    if not first.any() or not second.any():
        return float("nan")
    # Only the part that holds both matters, and it is mostly small.
    box = ndimage.find_objects((first | second).astype(np.uint8))[0]
    outlines = [_outline(region[box]) for region in (first, second)]
    ends = []
    for one, other in (outlines, outlines[::-1]):
        away = ndimage.distance_transform_edt(~other, sampling=spacing)
        ends.append(np.percentile(away[one], PERCENTILE))
    return float(max(ends))


def _outline(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    outline: npt.NDArray[np.bool_] = region & ~ndimage.binary_erosion(region)
    return outline
