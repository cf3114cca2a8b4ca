"""Pictures of image and volume files for a screen: small ones kept on disk, slices on demand."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import png
from medfusion.data.cache import Cache, Item
from medfusion.data.content import Contents, digests
from medfusion.data.reading import kind_of, read_volume
from medfusion.data.thumbnail import cut, limits, planes, thumbnails
from medfusion.data.volume import Volume
from medfusion.errors import ImageReadError, InputError

SIDE = 96
"""Pixels of the longer side of a small picture."""
LARGE = 640
"""Pixels of the longer side of a large one at most."""

_RECIPE = 1
"""Goes up when the same file gives another picture than before."""
_READERS = 4
_GREYS = 100_000
_VOLUMES_KEPT = 2


class Pictures:
    r"""Makes small pictures of files: decoded by the Rust core, kept by content in the cache.

    Args:
        cache: Where small pictures are kept; None keeps none.

    Example:
        >>> Pictures(None).small(["photo.jpg"])[0][:4]  # doctest: +SKIP
        b'\x89PNG'
    """

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._contents = None if cache is None else Contents(cache)
        self._volumes: OrderedDict[str, Volume] = OrderedDict()

    def small(self, paths: Sequence[str]) -> list[bytes | str]:
        """Return a PNG for each file, or why there is none."""
        keys = self._keys(paths)
        kept = [None] * len(paths) if self._cache is None else self._cache.get(keys)
        found: list[bytes | str] = [b"" if array is None else array.tobytes() for array in kept]
        wanted = [place for place, picture in enumerate(found) if not picture]
        if not wanted:
            return found
        workers = min(_READERS, os.cpu_count() or 1)
        with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
            warnings.simplefilter("ignore")  # shown where the data is checked
            made = list(pool.map(lambda place: _small(paths[place]), wanted))
        items = []
        for place, picture in zip(wanted, made, strict=True):
            found[place] = picture
            key = keys[place]
            if key is not None and isinstance(picture, bytes):
                items.append(Item(key, key[:16], np.frombuffer(picture, np.uint8)))
        if self._cache is not None:
            self._cache.put(items)
        return found

    def facts(self, path: str) -> dict[str, Any]:
        """Return what a file is: its `planes` with their number of slices; of an image none.

        Raises:
            InputError: It cannot be read.
        """
        if _is_plain(path):
            height, width, channels, bits = _probe(path)
            return {"kind": "image", "height": height, "width": width,
                    "channels": channels, "bits": bits}  # fmt: skip
        volume = self._volume(path)
        return {
            "kind": "volume",
            "planes": planes(volume),
            "size": list(volume.size),
            "spacing": list(volume.spacing),
            "units": volume.units,
        }

    def large(self, path: str, plane: str = "", place: int = 0) -> bytes:
        """Return a large picture of an image, or of a slice of a volume, as PNG.

        Args:
            path: The file.
            plane: "axial", "coronal" or "sagittal"; of an image nothing.
            place: Which slice, from 0.

        Raises:
            InputError: It cannot be read, or has no such slice.
        """
        if _is_plain(path):
            return png.encode(_fitted(_decoded(path), LARGE))
        volume = self._volume(path)
        if not 0 <= place < planes(volume).get(plane, 0):
            msg = f"{path}: has no {plane} slice {place + 1}"
            raise InputError(msg)
        pixels, (down, across), _ = cut(volume, plane, place, self._shades(volume))
        scale = min(LARGE, 4 * max(pixels.shape[:2])) / max(down, across)
        height, width = (max(1, round(length * scale)) for length in (down, across))
        return png.encode(_resized(pixels, height, width))

    def _keys(self, paths: Sequence[str]) -> list[bytes | None]:
        if self._contents is None:
            return [None] * len(paths)
        recipe = f"picture\0{_RECIPE}\0{SIDE}\0".encode()
        return [
            None if content is None else hashlib.sha256(recipe + content.digest).digest()
            for content in self._contents.look(paths)
        ]

    def _volume(self, path: str) -> Volume:
        key = f"{path}\0{digests([path])[0] if Path(path).is_file() else ''}"
        if key not in self._volumes:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # shown where the data is checked
                self._volumes[key] = read_volume(path, dtype="native")
            while len(self._volumes) > _VOLUMES_KEPT:
                self._volumes.popitem(last=False)
        self._volumes.move_to_end(key)
        return self._volumes[key]

    def _shades(self, volume: Volume) -> tuple[float, float]:
        step = max(1, volume.array.size // _GREYS)
        values = volume.array.ravel()[::step].astype(np.float64)
        return limits(values[np.isfinite(values)], volume.units)


def _is_plain(path: str) -> bool:
    return not Path(path).is_dir() and kind_of(path) == "image"


def _small(path: str) -> bytes | str:
    try:
        if _is_plain(path):
            return png.encode(_fitted(_decoded(path), SIDE))
        found, _ = thumbnails(read_volume(path, dtype="native"))
        if not found:
            return f"{path}: holds no picture"
        first = found[0]
        scale = SIDE / max(first.width, first.height)
        height, width = (max(1, round(side * scale)) for side in (first.height, first.width))
        return png.encode(_resized(first.pixels, height, width))
    except (InputError, OSError, ValueError) as error:
        return str(error)


def _probe(path: str) -> tuple[int, int, int, int]:
    try:
        return _rust.probe_image(path)
    except _rust.ImageDecodeError as error:
        msg = f"cannot read the image {path!r}: {error}"
        raise ImageReadError(msg) from error


def _decoded(path: str) -> NDArray[np.uint8]:
    """Return an image as 8 bits, [H, W] or [H, W, 3]."""
    try:
        pixels = _rust.read_image(path)
    except _rust.ImageDecodeError as error:
        msg = f"cannot read the image {path!r}: {error}"
        raise ImageReadError(msg) from error
    if pixels.dtype != np.uint8:  # 16 bits: from the darkest to the brightest
        low, high = int(pixels.min()), int(pixels.max())
        pixels = ((pixels.astype(np.float32) - low) * (255 / max(1, high - low))).astype(np.uint8)
    shown: NDArray[np.uint8] = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return shown


def _fitted(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    return _resized(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def _resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    image = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[..., None])
    channels = image.shape[-1]
    made = np.moveaxis(_rust.resize_samples(image, channels, height, width), 0, -1)
    return np.ascontiguousarray(made[..., 0] if channels == 1 else made)
