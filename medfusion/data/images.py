"""Image files as arrays: one at its own size, or many into one normalised batch.

PNG, JPEG and TIFF (1 to 16 bits) and DICOM files of one frame (as shown: 8 bits) are read by the
Rust core; what a file is, its bytes say, never its name. Alpha is dropped, palettes are expanded,
and the EXIF orientation is honoured.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.errors import ImageReadError

__all__ = ["ImageFailure", "decode_images", "read_image"]

_NAMED = 10
"""Files that an error message names; more would bury what it says."""


class ImageFailure(NamedTuple):
    """An image of a batch that could not be read."""

    position: int
    """Place in the batch, from 0."""
    path: str
    """The file."""
    reason: str
    """What is wrong with it."""


def read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one image file at its own size.

    Args:
        path: A PNG, JPEG or TIFF file, or a DICOM file of one frame, which is rescaled and
            windowed as for a screen.

    Returns:
        `[H, W, C]`, uint8 or uint16; C is 1 (grey) or 3 (RGB).

    Raises:
        ImageReadError: The file is missing, damaged or of a kind that is not read.

    Example:
        >>> read_image("photo.jpg").shape  # doctest: +SKIP
        (128, 128, 3)
    """
    try:
        return _rust.read_image(path)
    except _rust.ImageDecodeError as error:
        msg = f"cannot read the image {os.fspath(path)!r}: {error}"
        raise ImageReadError(msg) from error


def decode_images(
    paths: Sequence[str | os.PathLike[str]],
    out: NDArray[np.float32],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    threads: int = 0,
    failures: Literal["raise", "return"] = "raise",
) -> list[ImageFailure]:
    """Decode, resample and normalise image files straight into the memory of `out`.

    A value is `(sample / largest sample - mean) / std`. Images take the size of `out` by
    antialiased bilinear resampling, as `PIL.Image.resize` with `BILINEAR` does; colour becomes
    grey (ITU-R BT.601 luma) where `out` has one channel, grey becomes RGB where it has three.
    Other Python threads run meanwhile; the result is the same for any number of threads.

    Args:
        paths: One file for each image of `out`.
        out: C-contiguous float32 `[B, C, H, W]` to write into; use it again for the next batch.
        mean: One value per channel, of samples scaled to 0..1.
        std: One value per channel, of samples scaled to 0..1.
        threads: Threads that decode; 0 takes all cores.
        failures: "raise", or "return" the images that cannot be read, their slots all zeros.

    Returns:
        The images that could not be read, in the order of the batch.

    Raises:
        ImageReadError: Images cannot be read, and `failures` is "raise".
        TypeError: `out` is not a 4-dimensional float32 array.
        ValueError: `out` is not writeable or not C-contiguous, or the arguments do not fit it.

    Example:
        >>> batch = np.empty((2, 3, 64, 64), np.float32)
        >>> decode_images(["a.jpg", "b.png"], batch, mean=[0.5] * 3, std=[0.25] * 3)
        ... # doctest: +SKIP
        []
    """
    found = [
        ImageFailure(position, os.fspath(paths[position]), reason)
        for position, reason in _rust.decode_images(paths, out, mean, std, threads)
    ]
    if found and failures == "raise":
        raise ImageReadError(describe(found))
    return found


def describe(found: Sequence[ImageFailure]) -> str:
    """Return one message for all failures, with the first files by name."""
    listed = "; ".join(f"{failure.path!r}: {failure.reason}" for failure in found[:_NAMED])
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"cannot read {len(found)} image{'s' if len(found) > 1 else ''}: {listed}{more}"
