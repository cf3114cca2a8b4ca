"""Image files changed by transforms at their own size, before they are resized.

The changes are those of `medfusion.data.transforms`. What they give is kept as 8 or 16 bits, so it
has to end in samples (orient, crop, pad leave them as they are) or in values from 0 to 1.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.transforms.pipeline import Pipeline
from medfusion.data.volume import Volume
from medfusion.errors import GeometryWarning, ImageReadError
from medfusion.spec.transform import TransformSpec

_LARGEST = 65_535
_SLACK = 1e-4
"""Rounding beyond 0 and 1 that is let pass."""


class TransformedImages:
    """Reads single images and changes them.

    A DICOM image comes with its values (HU, or as rescaled), where without transforms it comes as
    it is shown; MONOCHROME1 is inverted at the end, so that bright is dense in all.

    Args:
        transforms: Deterministic transforms, in order.

    Example:
        >>> from medfusion.spec import Percentile
        >>> images = TransformedImages([Percentile()])
        >>> images.read("chest.dcm").shape  # doctest: +SKIP
        (2048, 2500, 1)
    """

    def __init__(self, transforms: Sequence[TransformSpec]) -> None:
        self._pipeline = Pipeline(list(transforms))

    def read(self, path: str | os.PathLike[str]) -> NDArray[Any]:
        """Return the changed image of a file, uint8 or uint16 `[H, W, C]`, C 1 or 3.

        Raises:
            VolumeReadError: The file cannot be read.
            TransformError: A transform does not apply to it.
            ImageReadError: It has several slices, or values that are no samples and not in 0..1.
        """
        from medfusion.data.reading import kind_of

        volume = read_slice(path)
        changed = self._pipeline(volume, threads=1).array
        samples = to_samples(changed)
        if kind_of(path) != "image" and dark_is_dense(path):
            samples = np.iinfo(samples.dtype).max - samples
        flat = samples[:, 0] if samples.ndim == 4 else samples
        return np.ascontiguousarray(np.moveaxis(flat, 0, -1))


def read_slice(path: str | os.PathLike[str]) -> Volume:
    """Return an image file as a volume of one slice.

    Raises:
        VolumeReadError: The file cannot be read.
        ImageReadError: It has several slices.
    """
    from medfusion.data.reading import kind_of, read_volume

    plain = kind_of(path) == "image"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        volume = read_volume(path, dtype="native" if plain else "float32")
    if volume.axes not in ("DHW", "CDHW") or volume.array.shape[-3] != 1:
        shape = " x ".join(map(str, volume.array.shape))
        msg = f"holds a volume of {volume.axes} {shape}; a view takes one slice"
        raise ImageReadError(msg)
    return volume


def to_samples(values: NDArray[Any]) -> NDArray[Any]:
    """Return values from 0 to 1 as 16 bits, and 8 or 16 bits as they are.

    Raises:
        ImageReadError: Other values.
    """
    if values.dtype in (np.uint8, np.uint16):
        return values
    low, high = float(values.min()), float(values.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        msg = (
            f"has values from {low:g} to {high:g} after the view's transforms; end them with "
            "window, min-max or percentile, whose results lie in 0..1"
        )
        raise ImageReadError(msg)
    rounded: NDArray[Any] = np.round(np.clip(values, 0, 1) * _LARGEST).astype(np.uint16)
    return rounded


def dark_is_dense(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a DICOM image whose small values are bright (MONOCHROME1)."""
    (header,) = _rust.dicom_headers([os.fspath(path)], 1)
    return isinstance(header, dict) and header["photometric"] == "MONOCHROME1"
