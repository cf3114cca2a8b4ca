"""Images of one size in their own depth: decoded once, then taken from the cache.

Samples of 8 bits take a quarter of the memory of normalised values. They are rounded as Pillow's
`resize` does, with or without a cache, so an epoch from the cache is bit for bit the one that was
decoded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.cache import Cache, Item
from medfusion.data.content import Content, Contents
from medfusion.data.images import ImageFailure
from medfusion.errors import InputError
from medfusion.spec.transform import TransformSpec

_RECIPE = 1
"""Goes up when the same file gives other samples than before."""


class ImageSamples:
    """Decodes image files to one size; what the cache holds is not decoded again.

    Args:
        size: Height and width in pixels.
        channels: 1 reads colour as grey (ITU-R BT.601); 3 keeps colour, grey has one plane then.
        cache: Where samples are kept; None keeps nothing.
        threads: Threads that decode; 0 takes all cores.
        transforms: Changes at the image's own size, before it is resized.

    Example:
        >>> samples, failures = ImageSamples((224, 224), 1).fetch(["a.png"])  # doctest: +SKIP
        >>> samples[0].shape, samples[0].dtype  # doctest: +SKIP
        ((1, 224, 224), dtype('uint8'))
    """

    def __init__(
        self,
        size: tuple[int, int],
        channels: int,
        cache: Cache | None = None,
        threads: int = 1,
        transforms: Sequence[TransformSpec] = (),
    ) -> None:
        self.size, self.channels, self.threads = size, channels, threads
        self._transforms = tuple(transforms)
        self._cache = cache
        self._contents = None if cache is None else Contents(cache)
        self._recipe = json.dumps(self._described()).encode()
        self._keys: dict[bytes, bytes] = {}

    def fetch(
        self, paths: Sequence[str | os.PathLike[str]]
    ) -> tuple[list[NDArray[Any] | None], list[ImageFailure]]:
        """Return the samples of files, uint8 or uint16 `[1 or C, H, W]`, and what failed.

        None stands in the place of an image that failed.
        """
        names = [os.fspath(path) for path in paths]
        contents: list[Content | None] = [None] * len(names)
        found: list[NDArray[Any] | None] = [None] * len(names)
        if self._cache is not None and self._contents is not None:
            contents = self._contents.look(names)
            keys = [None if content is None else self._key(content) for content in contents]
            found = [array if self._fits(array) else None for array in self._cache.get(keys)]
        missing = [place for place, array in enumerate(found) if array is None]
        if not missing:
            return found, []
        decoded = self._decoded([names[place] for place in missing])
        failures = []
        for place, result in zip(missing, decoded, strict=True):
            if isinstance(result, str):
                failures.append(ImageFailure(place, names[place], result))
            else:
                found[place] = result
        self._keep([(names[p], contents[p], found[p]) for p in missing])
        return found, failures

    def _described(self) -> dict[str, Any]:
        """Return all that decides what a file's content becomes."""
        recipe: dict[str, Any] = {"images": _RECIPE, "size": self.size, "channels": self.channels}
        recipe["filter"] = "bilinear"
        if self._transforms:
            recipe["transforms"] = [one.model_dump(mode="json") for one in self._transforms]
            recipe["version"] = _rust.__version__
        return recipe

    def _decoded(self, names: Sequence[str]) -> list[NDArray[Any] | str]:
        if not self._transforms:
            return _rust.decode_samples(names, self.channels, *self.size, self.threads)
        from medfusion.data.transformed import TransformedImages

        images = TransformedImages(self._transforms)

        def one(name: str) -> NDArray[Any] | str:
            try:
                return _rust.resize_samples(images.read(name), self.channels, *self.size)
            except InputError as error:
                return str(error)

        with ThreadPoolExecutor(self.threads or os.cpu_count()) as pool:
            return list(pool.map(one, names))

    def _keep(self, made: Sequence[tuple[str, Content | None, NDArray[Any] | None]]) -> None:
        if self._cache is None or self._contents is None:
            return
        same = self._contents.unchanged([content for _, content, _ in made])
        self._cache.put(
            [
                Item(self._key(content), self._slot(name), array)
                for (name, content, array), kept in zip(made, same, strict=True)
                if kept and content is not None and array is not None
            ]
        )

    def _key(self, content: Content) -> bytes:
        key = self._keys.get(content.digest)
        if key is None:
            key = hashlib.sha256(self._recipe + content.digest).digest()
            self._keys[content.digest] = key
        return key

    def _slot(self, name: str) -> bytes:
        return hashlib.sha256(self._recipe + os.fsencode(name)).digest()[:16]

    def _fits(self, array: NDArray[Any] | None) -> bool:
        return (
            array is not None
            and array.dtype in (np.uint8, np.uint16)
            and array.shape in ((1, *self.size), (self.channels, *self.size))
        )
