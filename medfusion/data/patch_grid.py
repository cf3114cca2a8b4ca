"""Patches on a grid over a volume, and their predictions put together again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.patch_source import Path, open_source
from medfusion.data.transforms.gather import Size
from medfusion.data.volume import Volume
from medfusion.errors import TransformError

Weights = Literal["mean", "gaussian"]
_SHARPNESS = 0.125


class GridSampler:
    """Overlapping patches that cover a volume.

    Along each axis patches begin every `round(side * (1 - overlap))` voxels, and the last one ends
    with the volume. Along an axis that is shorter than the patch, the volume is put in the middle,
    and what lies beyond is the border's value or a constant.

    Args:
        volume: A volume, or what `read_volume` takes.
        size: Voxels of a patch along i, j, k.
        overlap: Share of a side that neighbours have in common, 0 <= overlap < 1.
        outside: Value beyond the volume; "edge" continues it.
        threads: 0 for all cores.

    Raises:
        TransformError: A size or an overlap that makes no sense.

    Example:
        >>> volume = Volume(np.random.default_rng(0).random((9, 20, 30), np.float32))
        >>> grid = GridSampler(volume, (16, 8, 8), overlap=0.5)
        >>> whole = GridAggregator(grid)
        >>> for patches, origins in grid.batches(4):
        ...     whole.add(patches, origins)
        >>> bool((whole.volume().array == volume.array).all())
        True
    """

    def __init__(
        self,
        volume: Volume | Path,
        size: Size,
        *,
        overlap: float = 0.5,
        outside: Literal["edge"] | float = "edge",
        threads: int = 0,
    ) -> None:
        if len(size) != 3 or any(side < 1 for side in size) or not 0 <= overlap < 1:
            msg = f"size {size} must be at least 1 along i, j, k and overlap {overlap} in 0 to 1"
            raise TransformError(msg)
        self.source = open_source(volume)
        self.size, self.threads, self.outside = size, threads, outside
        starts = [
            _starts(count, side, overlap)
            for count, side in zip(self.source.volume.size, size, strict=True)
        ]
        # i runs fastest, as in memory.
        self.origins: NDArray[np.int64] = np.array(
            [(i, j, k) for k in starts[2] for j in starts[1] for i in starts[0]], dtype=np.int64
        )

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.origins)

    def cut(self, origins: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the patches at some places, float32 `[N, C, d, h, w]`.

        Args:
            origins: int64 `[N, 3]`, voxel (i, j, k) at the first voxel of each.
        """
        maps = np.tile(np.eye(3, 4), (len(origins), 1, 1))
        maps[:, :, 3] = origins
        source, count = self.source, len(origins)
        out = np.empty((count, source.channels, *self.size[::-1]), np.float32)
        beyond = None
        if self.outside != "edge":
            beyond = [(self.outside - source.intercept) / (source.slope or 1.0)] * count
        steps = [[("linear", [source.slope, source.intercept])]] * count
        if (source.slope, source.intercept) == (1.0, 0.0):
            steps = [[]] * count
        arrays = [source.samples.array] * count
        _rust.cut_patches(arrays, out, maps, steps, None, beyond, self.threads)
        return out

    def batches(self, batch_size: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Yield patches and their places, `batch_size` at a time."""
        for first in range(0, len(self), batch_size):
            origins = self.origins[first : first + batch_size]
            yield self.cut(origins), origins


class GridAggregator:
    """Predictions for patches, put together to one volume: the weighted mean where they overlap.

    The mean is a running one, so that where all patches agree it is exactly their value. The
    result depends on the order in which patches are added (in the last digits), not on threads.

    Args:
        grid: Where the patches come from.
        channels: Channels of the predictions; by default those of the volume.
        weights: "mean", or "gaussian": a bell with a standard deviation of an eighth of the
            patch's side, so that voxels near the edge of a patch count less (Isensee et al. 2021,
            https://doi.org/10.1038/s41592-020-01008-z).

    Raises:
        TransformError: Predictions that do not fit.
    """

    def __init__(
        self, grid: GridSampler, channels: int | None = None, *, weights: Weights = "gaussian"
    ) -> None:
        if weights not in {"mean", "gaussian"}:
            msg = f"weights {weights!r} must be mean or gaussian"
            raise TransformError(msg)
        self._grid = grid
        channels = grid.source.channels if channels is None else channels
        shape = grid.source.volume.array.shape[-3:]
        self._mean = np.zeros((channels, *shape), np.float32)
        self._weight = np.zeros(shape, np.float32)
        self._sides = [_bell(side) if weights == "gaussian" else _flat(side) for side in grid.size]

    def add(self, patches: NDArray[np.float32], origins: NDArray[np.int64]) -> None:
        """Add predictions.

        Args:
            patches: `[N, C, d, h, w]`.
            origins: int64 `[N, 3]`, voxel (i, j, k) of the volume at the first voxel of each.

        Raises:
            TransformError: The arrays do not fit the grid.
        """
        try:
            _rust.add_patches(
                np.ascontiguousarray(patches, dtype=np.float32),
                np.asarray(origins, dtype=np.int64),
                self._sides,
                self._mean,
                self._weight,
                self._grid.threads,
            )
        except ValueError as error:
            msg = f"the predictions do not fit the grid: {error}"
            raise TransformError(msg) from None

    def volume(self) -> Volume:
        """Return the mean of what was added, `[C, D, H, W]` or, with one channel, `[D, H, W]`.

        Raises:
            TransformError: A voxel is covered by no patch yet.
        """
        missing = int((self._weight == 0).sum())
        if missing:
            msg = f"{missing} voxels are covered by no patch yet: add all patches of the grid"
            raise TransformError(msg)
        one = len(self._mean) == 1
        array = self._mean[0] if one else self._mean
        return self._grid.source.volume.replace(
            array=array, axes="DHW" if one else "CDHW", labels=False
        )


def _starts(count: int, side: int, overlap: float) -> list[int]:
    if side >= count:
        return [-((side - count) // 2)]
    step = max(1, round(side * (1 - overlap)))
    number = math.ceil((count - side) / step) + 1
    return [min(at * step, count - side) for at in range(number)]


def _flat(side: int) -> NDArray[np.float32]:
    return np.ones(side, np.float32)


def _bell(side: int) -> NDArray[np.float32]:
    place = (np.arange(side) - (side - 1) / 2) / (side * _SHARPNESS)
    bell: NDArray[np.float32] = np.exp(-0.5 * place**2).astype(np.float32)
    return bell
