"""Voxels of a volume gathered onto another grid: mapped, deformed and changed in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.transforms.base import describe
from medfusion.data.volume import Volume
from medfusion.errors import TransformError

Step = tuple[str, Sequence[float]]
"""Name and numbers of a change of values, as `_rust.cut_patches` takes them."""

Size = tuple[int, int, int]
"""Voxels along i, j, k."""

_IMAGES = ("uint8", "int16", "uint16", "float32")
_LABELS = ("uint8", "int16", "uint16", "int32", "int64")


class DisplacementField(NamedTuple):
    """Displacements of the voxels of a grid: a cubic B-spline over control points."""

    points: NDArray[np.float32]
    """[k, j, i, 3], along i, j, k, in voxels. The first point lies one cell before the grid."""
    step: tuple[float, float, float]
    """Cells in a voxel of the grid along i, j, k."""


class Samples(NamedTuple):
    """Voxels as the Rust core reads them."""

    array: NDArray[Any]
    """[C, D, H, W], a view of the volume's where that is possible."""
    labels: bool
    """The values are classes."""


def samples(volume: Volume) -> Samples:
    """Return a volume's voxels for the Rust core: without a copy where type and order allow.

    uint8, int16, uint16 and float32 images are read as they are; other types become float32.
    Labels become whole numbers.

    Raises:
        TransformError: Labels that are no whole numbers, or no voxels at all.
    """
    array = volume.array
    if array.size == 0:
        msg = (
            f"{describe(volume)} has no voxels (shape {volume.array.shape}): check how it was read"
        )
        raise TransformError(msg)
    array = array.reshape(-1, *array.shape[-3:])
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if volume.labels and array.dtype.name not in _LABELS:
        whole = array.astype(np.int64) if np.isfinite(array).all() else None
        if whole is None or (whole != array).any():
            msg = (
                f"{describe(volume)} holds labels that are no whole numbers: check how it was read"
            )
            raise TransformError(msg)
        array = whole
    elif not volume.labels and array.dtype.name not in _IMAGES:
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not (_dense(array) and array.flags.aligned):
        array = np.ascontiguousarray(array)
    return Samples(array, volume.labels)


def gather(
    volume: Volume,
    matrix: NDArray[np.float64],
    size: Size,
    *,
    field: DisplacementField | None = None,
    steps: Sequence[Step] = (),
    outside: Literal["edge"] | float = "edge",
    threads: int = 0,
) -> Volume:
    """Return the voxels of a volume on another grid.

    Images are interpolated trilinearly and become float32; labels take the nearest voxel and keep
    their type. The affine follows the matrix (not the displacements), so that each voxel keeps
    the place in the patient that it was taken from.

    Args:
        volume: The volume; it is left as it is.
        matrix: `[4, 4]`, from voxel (i, j, k, 1) of the new grid to that of the volume.
        size: Voxels of the new grid.
        field: Displacements of the new grid's voxels, in those voxels, before the matrix.
        steps: Changes of the values; labels are left alone.
        outside: Value beyond the volume; "edge" continues it. Labels get 0 for any other.
        threads: 0 for all cores; the result is the same for any number.

    Raises:
        TransformError: The volume has no voxels, or the new grid lies far away from it.

    Example:
        >>> line = Volume(np.arange(4, dtype=np.float32).reshape(1, 1, 4))
        >>> flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        >>> flip[0, 3] = 3
        >>> gather(line, flip, (4, 1, 1)).array.ravel().tolist()
        [3.0, 2.0, 1.0, 0.0]
    """
    array, labels = samples(volume)
    shape = (1, len(array), *size[::-1])
    fields = None if field is None else [moved(field, matrix)]
    maps = np.ascontiguousarray(matrix[None, :3])
    try:
        if labels:
            kind = array.dtype if array.dtype.name in {"uint8", "int16"} else np.dtype(np.int64)
            out = np.empty(shape, kind)
            beyond = None if outside == "edge" else [0]
            _rust.cut_label_patches([array], out, maps, fields, beyond, threads)
            out = out.astype(volume.array.dtype, copy=False)
        else:
            out = np.empty(shape, np.float32)
            value = None if outside == "edge" else [float(outside)]
            _rust.cut_patches([array], out, maps, [steps], fields, value, threads)
    except ValueError as error:
        msg = f"{describe(volume)} cannot be changed so: {error}"
        raise TransformError(msg) from None
    return volume.replace(
        array=out.reshape(*volume.array.shape[:-3], *size[::-1]), affine=volume.affine @ matrix
    )


def moved(
    field: DisplacementField, matrix: NDArray[np.float64]
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """Return a field in voxels of the volume that a matrix leads to, as the Rust core takes it."""
    points = field.points @ matrix[:3, :3].T.astype(np.float32)
    return np.ascontiguousarray(points, dtype=np.float32), field.step


def _dense(array: NDArray[Any]) -> bool:
    """Say whether the voxels fill their memory without gaps, in any order of the axes."""
    wanted = array.itemsize
    for stride, count in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if count > 1:
            if stride != wanted:
                return False
            wanted *= count
    return True
