"""Volumes as stacks of slices in their own depth of grey: decoded once, then from the cache."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.cache import Cache
from medfusion.data.samples import ImageSamples
from medfusion.data.transformed import dark_is_dense, to_samples
from medfusion.data.transforms.pipeline import Pipeline
from medfusion.errors import GeometryWarning, ImageReadError, InputError
from medfusion.spec.data import Slices, View
from medfusion.spec.transform import MinMax

_RECIPE = 1
"""Goes up when the same volume gives another stack than before."""

_AXES = {"k": -3, "j": -2, "i": -1}
_READERS = 4
"""Volumes that are read side by side at most, since each is whole in memory meanwhile."""


class StackSamples(ImageSamples):
    """Reads volumes, changes them as the view says, cuts them and resizes their slices.

    All slices are kept, so that any may be taken in an epoch without reading the volume again.
    Values are kept as 16 bits between 0 and 1; without transforms the smallest value of a volume
    becomes 0 and its largest 1. Where a voxel holds no number it becomes 0.

    Args:
        view: A view with slices.
        cache: Where stacks are kept; None keeps nothing.
        threads: Threads that read; 0 takes all cores, up to four.

    Example:
        >>> stacks, failures = StackSamples(view).fetch(["ct.nii.gz"])  # doctest: +SKIP
        >>> stacks[0].shape, stacks[0].dtype  # doctest: +SKIP
        ((150, 1, 224, 224), dtype('uint16'))
    """

    def __init__(self, view: View, cache: Cache | None = None, threads: int = 1) -> None:
        self._settings: Slices = view.instances  # type: ignore[assignment]
        channels = 1 if self._settings.neighbours else view.channels
        super().__init__(view.size, channels, cache, threads, view.transforms or (MinMax(),))
        self._pipeline = Pipeline(list(self._transforms))

    def _described(self) -> dict[str, Any]:
        return super()._described() | {"stack": _RECIPE, "axis": self._settings.axis}

    def _decoded(self, names: Sequence[str]) -> list[NDArray[Any] | str]:
        def one(name: str) -> NDArray[Any] | str:
            try:
                return self._stack(name)
            except InputError as error:
                return str(error)

        with ThreadPoolExecutor(min(self.threads or os.cpu_count() or 1, _READERS)) as pool:
            return list(pool.map(one, names))

    def _stack(self, name: str) -> NDArray[Any]:
        """Return the slices of a volume, uint8 or uint16 `[S, 1 or C, H, W]`."""
        from medfusion.data.reading import read_volume

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            volume = read_volume(name)
        if volume.axes not in ("DHW", "CDHW") or 0 in volume.array.shape:
            shape = " x ".join(map(str, volume.array.shape))
            msg = f"holds {volume.axes} {shape}; slices are cut from one volume"
            raise ImageReadError(msg)
        changed = self._pipeline(volume, threads=1).array
        if changed.dtype.kind == "f" and np.isnan(changed).any():
            changed = np.nan_to_num(changed, nan=0.0)
        samples = to_samples(changed)
        if volume.source.modality and dark_is_dense(volume.source.files[0]):
            samples = np.iinfo(samples.dtype).max - samples
        slices = np.moveaxis(samples, _AXES[self._settings.axis], 0)
        # Of each slice [H, W, C], as an image is.
        images = np.moveaxis(slices, 1, -1) if samples.ndim == 4 else slices[..., None]
        return np.stack(
            [
                _rust.resize_samples(np.ascontiguousarray(image), self.channels, *self.size)
                for image in images
            ]
        )

    def _fits(self, array: NDArray[Any] | None) -> bool:
        return (
            array is not None
            and array.dtype in (np.uint8, np.uint16)
            and array.ndim == 4
            and len(array) > 0
            and array.shape[1:] in ((1, *self.size), (self.channels, *self.size))
        )
