"""Small pictures of volumes: the middle slice of each plane, in the view of a radiologist."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data import png
from medfusion.data.volume import Volume, orientation_of

SIDE = 200
"""Pixels on the screen of the longest side."""
BUDGET = 40_000
"""Bytes that the pictures of one volume may take together, before base64."""
SOFT_TISSUE = (-160.0, 240.0)
"""Hounsfield units from black to white: centre 40, width 400, the usual window of soft tissue."""

# Where the picture's right side and its lower side lie, so that right is left as in a reading
# room: the patient seen from the feet, from the front, and from the left.
_VIEWS = {"axial": ("L", "P"), "coronal": ("L", "I"), "sagittal": ("P", "I")}
_OPPOSITE = dict(zip("LRPASI", "RLAPIS", strict=True))
# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which colour-blind readers can tell
# apart; background black.
_PALETTE = np.array([[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66],
                     [0, 114, 178], [213, 94, 0], [204, 121, 167]], np.uint8)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A picture of one plane.

    Attributes:
        name: "axial", "coronal", "sagittal" or "image".
        pixels: uint8 `[H, W]`, or `[H, W, 3]`.
        width: On the screen, in pixels; voxels need not be square.
        height: Likewise.
        sides: What lies at the left and at the top, such as "R" and "A"; empty where unknown.
        place: Which slice, such as "slice 16 of 30".
    """

    name: str
    pixels: NDArray[np.uint8]
    width: int
    height: int
    sides: tuple[str, str]
    place: str

    @property
    def caption(self) -> str:
        """What the picture shows, in words."""
        if not self.sides[0]:
            return f"{self.name}, {self.place}"
        return f"{self.name}, {self.place}; {self.sides[0]} at the left, {self.sides[1]} on top"

    def uri(self) -> str:
        """Return the picture as a data URI, a PNG."""
        return "data:image/png;base64," + base64.b64encode(png.encode(self.pixels, 9)).decode()


def thumbnails(
    volume: Volume, *, placed: bool = True, window: tuple[float, float] | None = None
) -> tuple[list[Thumbnail], str]:
    """Return the middle slices of a volume and, in words, what is black and what is white.

    Of time the first point is shown, of channels the first three as colours if they are RGB.

    Args:
        volume: Any volume; planes with one row or column are left out.
        placed: Whether the affine says where the patient's sides are.
        window: Centre and width, where they are known.

    Example:
        >>> pictures, _ = thumbnails(Volume(np.zeros((4, 8, 6), np.float32)))
        >>> [picture.name for picture in pictures]
        ['axial', 'coronal', 'sagittal']
    """
    array = _voxels(volume)
    if not array.size:
        return [], ""
    planes = _planes(volume, array) if placed else []
    if not planes:
        planes = [_plain(volume, array)]
    shown, words = _grey([plane[1] for plane in planes], volume, window)
    longest = max(max(plane[2]) for plane in planes)
    found = [
        Thumbnail(
            name,
            pixels,
            max(round(across / longest * SIDE), 8),
            max(round(down / longest * SIDE), 8),
            sides,
            place,
        )
        for (name, _, (down, across), sides, place), pixels in zip(planes, shown, strict=True)
    ]
    return _lean(found), words


def _voxels(volume: Volume) -> NDArray[Any]:
    """Return the array as [D, H, W], or with colour [C, D, H, W]."""
    array = volume.array[0] if volume.axes.startswith("T") and len(volume.array) else volume.array
    if volume.axes.endswith("CDHW") and (len(array) != 3 or volume.labels):
        array = array[0] if len(array) else array
    return array if array.ndim in (3, 4) else array.reshape(0, 0, 0)


_Plane = tuple[str, NDArray[Any], tuple[float, float], tuple[str, str], str]


def _planes(volume: Volume, array: NDArray[Any]) -> list[_Plane]:
    found = (_plane(volume, array, name) for name in _VIEWS)
    return [plane for plane in found if plane is not None]


def _plane(
    volume: Volume, array: NDArray[Any], name: str, place: int | None = None
) -> _Plane | None:
    """Return a slice, by default the middle one; None where it has one row or column only."""
    right, lower = _VIEWS[name]
    letters = orientation_of(volume.affine)  # of i, j, k; the array's axes are k, j, i
    depth = array.shape[-3:]
    axes, through = _axes(letters, right, lower)
    if place is None:
        place = depth[through] // 2
    if min(depth[axis] for axis in axes) < 2:
        return None
    plane = np.take(array, place, axis=through - 3)
    if axes[0] > axes[1]:
        plane = plane.swapaxes(-1, -2)
    for turn, (axis, side) in enumerate(zip(axes, (lower, right), strict=True)):
        if letters[2 - axis] != side:
            plane = np.flip(plane, turn - 2)
    extent = tuple(depth[axis] * volume.spacing[2 - axis] for axis in axes)
    text = f"slice {place + 1} of {depth[through]}"
    sides = (_OPPOSITE[right], _OPPOSITE[lower])
    return (name, plane, (extent[0], extent[1]), sides, text)


def _axes(letters: str, right: str, lower: str) -> tuple[list[int], int]:
    """Return the array's axes that run down and across a plane, and the one through it."""
    axes = [
        next(2 - n for n, letter in enumerate(letters) if letter in (side, _OPPOSITE[side]))
        for side in (lower, right)
    ]
    return axes, 3 - sum(axes)


def planes(volume: Volume) -> dict[str, int]:
    """Return the planes that a volume has pictures of, with their number of slices.

    >>> planes(Volume(np.zeros((4, 8, 6), np.float32)))
    {'axial': 4, 'coronal': 8, 'sagittal': 6}
    """
    array = _voxels(volume)
    letters = orientation_of(volume.affine)
    found = {}
    for name, (right, lower) in _VIEWS.items():
        axes, through = _axes(letters, right, lower)
        if array.size and min(array.shape[axis - 3] for axis in axes) > 1:
            found[name] = int(array.shape[through - 3])
    return found


def cut(
    volume: Volume, name: str, place: int, shades: tuple[float, float]
) -> tuple[NDArray[np.uint8], tuple[float, float], tuple[str, str]]:
    """Return one slice as a picture.

    Args:
        volume: Any volume.
        name: One of `planes(volume)`.
        place: Which slice, from 0.
        shades: Values that are shown black and white.

    Returns:
        uint8 `[H, W]` or `[H, W, 3]`, height and width in mm, and what lies at the left and on top.
    """
    found = _plane(volume, _voxels(volume), name, place)
    if found is None:
        msg = f"the volume has no {name} slices"
        raise ValueError(msg)
    _, plane, extent, sides, _ = found
    if volume.labels:
        return _PALETTE[_colour_of(plane)], extent, sides
    low, high = (0.0, 255.0) if plane.ndim == 3 else shades
    return _levels(plane, low, high), extent, sides


def _plain(volume: Volume, array: NDArray[Any]) -> _Plane:
    middle = array.shape[-3] // 2
    plane = array[..., middle, :, :]
    x, y, _ = volume.spacing
    extent = (plane.shape[-2] * y, plane.shape[-1] * x)
    return ("image", plane, extent, ("", ""), f"slice {middle + 1} of {array.shape[-3]}")


def _grey(
    planes: list[NDArray[Any]], volume: Volume, window: tuple[float, float] | None
) -> tuple[list[NDArray[np.uint8]], str]:
    planes = [_smaller(plane, labels=volume.labels) for plane in planes]
    if volume.labels:
        shown = [_PALETTE[_colour_of(plane)] for plane in planes]
        return shown, "each label has a colour of its own"
    values = np.concatenate([plane.ravel() for plane in planes]).astype(np.float64)
    values = values[np.isfinite(values)]
    colour = planes[0].ndim == 3
    if colour:
        low, high = 0.0, max(255.0, float(values.max(initial=0)))
    else:
        low, high = limits(values, volume.units, window)
    units = f" {volume.units}" if volume.units else ""
    found = [_levels(plane, low, high) for plane in planes]
    return found, "" if colour else f"black {low:.4g}, white {high:.4g}{units}"


def _levels(plane: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scale = 255.0 / (high - low) if high > low else 0.0
    grey = np.nan_to_num((plane.astype(np.float64) - low) * scale, posinf=255, neginf=0)
    pixels = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels


def limits(
    values: NDArray[np.float64], units: str, window: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return the values that are shown black and white.

    The window, where it is known and fits the values; soft tissue for Hounsfield units; else the
    first and the ninety-ninth percentile.

    >>> limits(np.arange(101.0), "")
    (1.0, 99.0)
    """
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, [1, 99]))
    if window is not None and window[1] > 0:
        black, white = window[0] - window[1] / 2, window[0] + window[1] / 2
        # Derived images often keep the window of their source, which shows nothing of them.
        if min(high, white) - max(low, black) > 0.2 * window[1]:
            return black, white
    if units == "HU" and low < SOFT_TISSUE[0] and high > 0:
        return SOFT_TISSUE
    return low, high


def _colour_of(plane: NDArray[Any]) -> NDArray[np.intp]:
    classes = np.nan_to_num(plane).astype(np.intp)
    return np.where(classes > 0, (classes - 1) % (len(_PALETTE) - 1) + 1, 0)


def _smaller(plane: NDArray[Any], *, labels: bool) -> NDArray[Any]:
    """Return `[..., H, W]` with at most SIDE rows and columns: means of blocks, or for labels picks."""
    for axis in (-2, -1):
        factor = -(-plane.shape[axis] // SIDE)
        if factor == 1:
            continue
        plane = np.moveaxis(plane, axis, -1)
        if labels:
            plane = plane[..., factor // 2 :: factor]
        else:
            whole = plane.shape[-1] // factor * factor
            blocks = plane[..., :whole].reshape(*plane.shape[:-1], -1, factor)
            plane = blocks.mean(axis=-1, dtype=np.float64)
        plane = np.moveaxis(plane, -1, axis)
    return plane


def _lean(found: list[Thumbnail]) -> list[Thumbnail]:
    """Take fewer greys, then fewer pixels, until the pictures fit the budget: a saved notebook
    must not grow by megabytes.
    """  # noqa: D205
    for step, levels in ((1, 256), (1, 64), (1, 32), (2, 64), (2, 32), (4, 32)):
        width = 256 // levels
        lean = [
            dataclasses.replace(
                item, pixels=item.pixels[::step, ::step] // width * width + (width - 1) // 2
            )
            for item in found
        ]
        if sum(len(png.encode(item.pixels, 9)) for item in lean) <= BUDGET:
            return lean
    return lean
