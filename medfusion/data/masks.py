"""Masks: what each pixel of an image is, from files of their own, at the size of the view.

A mask has the size of its image file and goes the same way: the view's transforms that change the
grid are applied to both, then it takes the view's size by the nearest pixel.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import paths
from medfusion.data.cache import Cache, Item
from medfusion.data.content import Contents
from medfusion.data.images import ImageFailure
from medfusion.data.transformed import read_slice
from medfusion.data.transforms.pipeline import Pipeline
from medfusion.data.volume import Volume
from medfusion.errors import ImageReadError, InputError
from medfusion.spec.data import View
from medfusion.spec.mask import MaskFiles

IGNORE = 255
"""Label of pixels of which nothing is known."""

_RECIPE = 1
"""Goes up when the same files give other labels than before."""

_SHOWN = 5


class Pair(NamedTuple):
    """A mask and the image whose pixels it names: absolute paths."""

    mask: str
    image: str


class MaskSamples:
    """Reads masks at the size of their view; what the cache holds is not read again.

    Args:
        masks: The classes and their values in the files.
        view: The size, and the transforms at the image's own size.
        cache: Where labels are kept; None keeps nothing.
        threads: Threads that read; 0 takes all cores.

    Attributes:
        moves: Whether the view's transforms change the grid of its images.

    Example:
        >>> samples = MaskSamples(MaskFiles(column="mask"), View(column="image"))
        >>> labels, failures = samples.fetch([Pair("a_mask.png", "a.png")])  # doctest: +SKIP
        >>> labels[0].shape, labels[0].dtype  # doctest: +SKIP
        ((1, 224, 224), dtype('uint8'))
    """

    def __init__(
        self, masks: MaskFiles, view: View, cache: Cache | None = None, threads: int = 1
    ) -> None:
        self.masks, self.size, self.threads = masks, view.size, threads
        pipeline = Pipeline(list(view.transforms))
        moves = any(getattr(step, "geometry", True) for step in pipeline.transforms)
        self.moves = moves
        self._pipeline = pipeline if moves else None
        self._cache = cache
        self._contents = None if cache is None else Contents(cache)
        recipe: dict[str, Any] = {"masks": _RECIPE, "size": view.size, "filter": "nearest"}
        recipe |= {"classes": len(masks.classes), "ignore": masks.ignore}
        if moves:
            recipe["transforms"] = [one.model_dump(mode="json") for one in view.transforms]
            recipe["version"] = _rust.__version__
        self._recipe = json.dumps(recipe).encode()

    def fetch(
        self, pairs: Sequence[Pair]
    ) -> tuple[list[NDArray[np.uint8] | None], list[ImageFailure]]:
        """Return the labels of masks, uint8 `[1, H, W]`, and what failed.

        A label is the place of the class, or `IGNORE`. None stands in the place of a mask that
        failed.
        """
        keys = self._keys(pairs)
        found: list[NDArray[Any] | None] = [None] * len(pairs)
        if self._cache is not None:
            found = [labels if self._fits(labels) else None for labels in self._cache.get(keys)]
        missing = [place for place, labels in enumerate(found) if labels is None]
        failures = []
        for place, made in zip(missing, self._read([pairs[p] for p in missing]), strict=True):
            if isinstance(made, str):
                failures.append(ImageFailure(place, pairs[place].mask, made))
            else:
                found[place] = made
        if self._cache is not None and missing:
            again = self._keys(pairs)  # nothing is kept of a file that changed meanwhile
            items = [
                Item(key, self._slot(pairs[place]), labels)
                for place in missing
                if (labels := found[place]) is not None
                and (key := keys[place]) is not None
                and key == again[place]
            ]
            self._cache.put(items)
        return found, failures

    def _read(self, pairs: Sequence[Pair]) -> list[NDArray[np.uint8] | str]:
        def one(pair: Pair) -> NDArray[np.uint8] | str:
            try:
                return self._labels(pair)
            except InputError as error:
                return str(error)

        if len(pairs) < 2 or self.threads == 1:
            return [one(pair) for pair in pairs]
        with ThreadPoolExecutor(self.threads or os.cpu_count()) as pool:
            return list(pool.map(one, pairs))

    def _labels(self, pair: Pair) -> NDArray[np.uint8]:
        labels = as_labels(_stored(pair.mask), self.masks)
        image = None if self._pipeline is None else read_slice(pair.image)
        size = image_size(pair.image) if image is None else image.array.shape[-2:]
        if labels.shape != size:
            msg = (
                f"has {labels.shape[0]} x {labels.shape[1]} pixels, but its image {pair.image} "
                f"has {size[0]} x {size[1]}; a mask needs the size of its image"
            )
            raise ImageReadError(msg)
        if image is not None and self._pipeline is not None:
            mask = Volume(labels[None], image.affine, labels=True)
            moved = self._pipeline({"image": image, "mask": mask}, threads=1)["mask"]
            labels = moved.array[0]
        return nearest(labels, self.size)[None]

    def _keys(self, pairs: Sequence[Pair]) -> list[bytes | None]:
        if self._contents is None:
            return [None] * len(pairs)
        masks = self._contents.look([pair.mask for pair in pairs])
        images = self._contents.look([pair.image for pair in pairs])
        return [
            None
            if mask is None or image is None
            else hashlib.sha256(self._recipe + mask.digest + image.digest).digest()
            for mask, image in zip(masks, images, strict=True)
        ]

    def _slot(self, pair: Pair) -> bytes:
        names = os.fsencode(pair.mask) + b"\0" + os.fsencode(pair.image)
        return hashlib.sha256(self._recipe + names).digest()[:16]

    def _fits(self, labels: NDArray[Any] | None) -> bool:
        return labels is not None and labels.dtype == np.uint8 and labels.shape == (1, *self.size)


def as_labels(values: NDArray[Any], masks: MaskFiles) -> NDArray[np.uint8]:
    """Return the class of each pixel from the values of a file.

    Two classes may be 0 and the largest value (255, or 65535) in place of 0 and 1.

    Args:
        values: What the file holds, `[H, W]`.
        masks: The classes and what is ignored.

    Returns:
        Places of the classes, `IGNORE` where nothing is known, uint8 `[H, W]`.

    Raises:
        ImageReadError: Values that are no class.

    Example:
        >>> as_labels(np.array([[0, 255]]), MaskFiles(column="mask")).tolist()
        [[0, 1]]
    """
    count = len(masks.classes)
    held = np.unique(values)
    table = {value: value for value in range(count)}
    if count == 2 and 1 not in held:
        table |= {255: 1, 65_535: 1}
    if masks.ignore is not None:
        table[masks.ignore] = IGNORE
    strange = [value for value in held.tolist() if value not in table]
    if strange:
        shown = ", ".join(f"{value:g}" for value in strange[:_SHOWN])
        more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
        named = ", ".join(f"{value} {name}" for value, name in enumerate(masks.classes))
        msg = (
            f"holds the value(s) {shown}{more}, which are no class ({named}); store class "
            "indices without loss (PNG, not JPEG), or name all classes, or set ignore"
        )
        raise ImageReadError(msg)
    codes = np.array([table[value] for value in held.tolist()], dtype=np.uint8)
    return codes[np.searchsorted(held, values)]


def nearest(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return labels `[H, W]` at another size, each from the nearest pixel.

    >>> nearest(np.array([[1, 2, 3]], np.uint8), (2, 6)).tolist()
    [[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]]
    """
    rows, columns = (
        ((np.arange(wanted) + 0.5) * (there / wanted)).astype(np.int64).clip(max=there - 1)
        for there, wanted in zip(labels.shape, size, strict=True)
    )
    return np.ascontiguousarray(labels[rows[:, None], columns])


def _stored(path: str) -> NDArray[Any]:
    """Return the values of a mask file, `[H, W]`."""
    from medfusion.data.reading import kind_of

    reason = paths.regular_file(path)
    if reason is not None:
        raise ImageReadError(reason)
    if kind_of(path) == "image":
        try:
            pixels = _rust.read_labels(path)
        except _rust.ImageDecodeError as error:
            raise ImageReadError(str(error)) from None
        if (pixels != pixels[..., :1]).any():
            msg = "is a colour image; a mask has one channel that holds class indices"
            raise ImageReadError(msg)
        values: NDArray[Any] = pixels[..., 0]
        return values
    volume = read_slice(path)
    if volume.axes != "DHW":
        msg = f"has the axes {volume.axes}; a mask has one channel that holds class indices"
        raise ImageReadError(msg)
    plane: NDArray[Any] = volume.array[0]
    return plane


def image_size(path: str) -> tuple[int, int]:
    """Return height and width of an image file.

    Raises:
        ImageReadError: It cannot be read, or is no single image.
    """
    from medfusion.data.reading import kind_of

    if kind_of(path) == "nifti":
        height, width = read_slice(path).array.shape[-2:]
        return height, width
    try:
        height, width, _, _ = _rust.probe_image(path)
    except _rust.ImageDecodeError as error:
        msg = f"its image {path} cannot be read: {error}"
        raise ImageReadError(msg) from None
    return height, width
