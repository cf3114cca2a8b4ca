"""Values on another grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust, spec
from medfusion.data.transforms.base import VolumeTransform, describe
from medfusion.data.transforms.output import bits_of, separate, target, values_of
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register

SAME = 1e-3
"""Spacings closer than this, in mm, are the same; so are affines."""


class Grid(NamedTuple):
    """Where the voxels of a volume lie."""

    affine: NDArray[np.float64]
    """`[4, 4]`, voxel (i, j, k, 1) to LPS in mm."""
    size: tuple[int, int, int]
    """Voxels along i, j, k."""


@register(spec.Resample)
class Resample(VolumeTransform[spec.Resample]):
    """Resample to a spacing, or to the grid of another volume.

    The new grid of a spacing is that of MONAI's `Spacing` (`compute_shape_offset`, with its
    defaults `align_corners=False`, `scale_extent=False`; see `spacing_grid`): it starts at the
    centre of a corner voxel and has `round((n - 1) * old / new) + 1` voxels along each axis; axes
    keep their directions, shear is taken out. A volume that is on its new grid already, within
    0.001 mm, keeps its own.

    Values are interpolated linearly between the centres of the eight voxels around a place and
    written as float32. Places beyond the outermost centres take the border's value; with `outside`
    a number, those more than half a voxel beyond take that number. Labels are taken from the
    nearest voxel, in the middle of two from the even one, and keep their type; beyond the border
    they are 0 where `outside` is a number. A NaN spreads to the voxels that it is mixed into.

    Example:
        >>> volume = Volume(np.arange(4, dtype=np.float32).reshape(1, 1, 4))
        >>> Resample(spacing=(0.5, 1, 1))(volume).array.ravel().tolist()
        [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    """

    geometry = True

    @classmethod
    def to(cls, reference: Volume, **settings: Any) -> Self:
        """Return the resampling to another volume's grid.

        Args:
            reference: The volume whose affine and size are taken.
            settings: Other settings of the spec, such as `outside`.
        """
        return cls(affine=reference.affine.tolist(), size=reference.size, **settings)

    def grid(self, affine: NDArray[np.float64], size: tuple[int, int, int]) -> Grid | None:
        """Return the new grid of a volume, or None where it stays on its own.

        Args:
            affine: `[4, 4]` of the volume.
            size: Its voxels along i, j, k.
        """
        if self.spec.spacing is None:
            assert self.spec.size is not None  # noqa: S101 - the spec has one of the two
            return Grid(np.array(self.spec.affine, dtype=np.float64), self.spec.size)
        new = spacing_grid(affine, size, self.spec.spacing)
        same = new.size == size and np.allclose(new.affine, affine, rtol=1e-5, atol=SAME)
        return None if same else new

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the volume on the new grid; see `VolumeTransform.__call__`."""
        del fitted
        try:
            grid = self.grid(volume.affine, volume.size)
            new = Grid(volume.affine, volume.size) if grid is None else grid
            matrix = np.linalg.solve(volume.affine, new.affine)[:3].astype(np.float64)
        except np.linalg.LinAlgError:
            msg = f"{describe(volume)} has voxels of no size: its affine can't be inverted"
            raise TransformError(msg) from None
        outside = None if self.spec.outside == "edge" else float(self.spec.outside)
        nearest = volume.labels or self.spec.interpolation == "nearest"
        return onto(volume, new, matrix, nearest=nearest, outside=outside, out=out, threads=threads)


@register(spec.Resize)
class Resize(VolumeTransform[spec.Resize]):
    """Resample to a number of voxels over the same extent.

    The outer edges of the outermost voxels stay: voxel `i` of `m` lies at `(i + 0.5) * n / m -
    0.5` of the `n` old ones, as in `torch.nn.functional.interpolate` with `align_corners=False`
    (and without smoothing). Values, labels and borders are those of `Resample`.

    Example:
        >>> volume = Volume(np.arange(4, dtype=np.float32).reshape(1, 1, 4))
        >>> half = Resize(size=(2, 1, 1))(volume)
        >>> half.array.ravel().tolist(), half.spacing
        ([0.5, 2.5], (2.0, 1.0, 1.0))
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
        """Return the resized volume; see `VolumeTransform.__call__`."""
        del fitted
        scale = np.array(volume.size) / np.array(self.spec.size)
        step = np.diag([*scale, 1.0]).astype(np.float64)
        step[:3, 3] = (scale - 1) / 2
        new = Grid(volume.affine @ step, self.spec.size)
        nearest = volume.labels or self.spec.interpolation == "nearest"
        return onto(volume, new, step[:3], nearest=nearest, outside=None, out=out, threads=threads)


def onto(
    volume: Volume,
    grid: Grid,
    matrix: NDArray[np.float64],
    *,
    nearest: bool,
    outside: float | None,
    out: NDArray[Any] | None,
    threads: int,
) -> Volume:
    """Return a volume on a grid.

    Args:
        volume: The volume.
        grid: The new grid.
        matrix: `[3, 4]`, from a voxel (i, j, k, 1) of the new grid to (i, j, k) of the old one.
        nearest: Take the nearest voxel, in the volume's own type; else linear, to float32.
        outside: Value more than half a voxel beyond the border, or None to continue the border.
        out: The caller's array, or None.
        threads: 0 for all cores.
    """
    separate(out, volume.array)
    shape = (*volume.array.shape[:-3], *grid.size[::-1])
    matrix = np.ascontiguousarray(matrix)
    if not nearest:
        result = target(out, shape, np.float32)
        values = values_of(volume.array)
        _rust.resample_volume(
            values.reshape(-1, *values.shape[-3:]),
            result.reshape(-1, *shape[-3:]),
            matrix,
            outside=outside,
            threads=threads,
        )
        return volume.replace(array=result, affine=grid.affine)
    array = np.ascontiguousarray(volume.array)
    result = target(out, shape, array.dtype)
    fill = None
    if outside is not None:
        value = np.array([0 if volume.labels else outside]).astype(array.dtype)
        fill = int(bits_of(value.reshape(1, 1, 1)).item())
    _rust.resample_nearest(bits_of(array), bits_of(result), matrix, outside=fill, threads=threads)
    return volume.replace(array=result, affine=grid.affine)


def spacing_grid(
    affine: NDArray[np.float64],
    size: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> Grid:
    """Return the grid of a spacing that covers a volume: MONAI's rule.

    With D the old spacing (columns' lengths of the affine), D' the new one, and R the orthogonal
    directions of the old axes (QR decomposition of the affine, so without shear), the new axes are
    R D'. In the new axes' coordinates the centres of the corner voxels span the extent e, and the
    grid has `round(e + 1)` voxels (half to even). It starts at the corner voxel from which all
    others lie in positive direction; where shear leaves none, both grids have the same middle, at
    half their size. An old spacing within 0.001 mm of the new one is kept.

    Args:
        affine: `[4, 4]`, voxel to LPS in mm.
        size: Voxels along i, j, k.
        spacing: New distance of neighbours along i, j, k, in mm.

    Raises:
        numpy.linalg.LinAlgError: The affine can't be inverted.
    """
    old = affine[:3, :3]
    lengths = np.linalg.norm(old, axis=0)
    new_lengths = np.where(np.abs(lengths - spacing) <= SAME, lengths, spacing)
    triangle = np.linalg.cholesky(old.T @ old).T
    axes = old @ np.linalg.inv(triangle) @ np.diag(new_lengths)
    ends = [(0.0, n - 1.0) for n in size]
    corners = np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    places = np.linalg.solve(axes, old @ corners)
    new_size = np.round(np.ptp(places, axis=1) + 1.0)
    result = np.eye(4)
    result[:3, :3] = axes
    first = next((c for c in range(8) if _is_first(places - places[:, c : c + 1])), None)
    if first is not None:
        result[:3, 3] = old @ corners[:, first] + affine[:3, 3]
    else:
        result[:3, 3] = old @ (np.array(size) / 2) + affine[:3, 3] - axes @ (new_size / 2)
    i, j, k = (int(count) for count in new_size)
    return Grid(result, (i, j, k))


def _is_first(distances: NDArray[np.float64]) -> bool:
    return bool(np.allclose(distances.min(axis=1), 0.0))
