"""Pictures of a row for a reviewer: small PNG files made from whatever the table names."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import bags, paths, png
from medfusion.data.table import Table
from medfusion.errors import GeometryWarning, InputError
from medfusion.spec import Experiment
from medfusion.spec.data import Bag, Slices, View

LARGEST = 1024
"""Pixels of the longest side that may be asked for."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture of a view.

    Attributes:
        view: Name of the view.
        png: Content of a PNG file; empty where there is no picture.
        note: What part is shown, or why there is nothing.
    """

    view: str
    png: bytes
    note: str = ""


class Pictures:
    """Draws the views of rows; nothing is read before it is asked for.

    Args:
        experiment: Says which views there are, and from which folder their paths start.
        table: Its table.

    Example:
        >>> Pictures(run.experiment, review.table).of(0, 320)[0].view  # doctest: +SKIP
        'photo'
    """

    def __init__(self, experiment: Experiment, table: Table) -> None:
        data = experiment.data
        self._table, self._views = table, data.images
        self._root = table.path.parent if data.root is None else experiment.folder / data.root

    @property
    def views(self) -> list[str]:
        """Names of the views."""
        return list(self._views)

    def of(self, row: int, side: int, first: bool = False) -> list[Picture]:
        """Return the pictures of a row, one of each view.

        Args:
            row: Row of the table.
            side: Pixels of the longest side.
            first: Return the first view alone that the row has.
        """
        side = min(max(side, 16), LARGEST)
        found = []
        for name, view in self._views.items():
            picture = self._of(name, view, row, side)
            if first and picture.png:
                return [picture]
            found.append(picture)
        return found[:1] if first else found

    def _of(self, name: str, view: View, row: int, side: int) -> Picture:
        if view.column not in self._table.columns:
            return Picture(name, b"", f"the table has no column {view.column!r} any more")
        cell = self._table.text(view.column)[row]
        if cell is None:
            return Picture(name, b"", "no image")
        try:
            if isinstance(view.instances, Slices):
                return self._slice(name, self._resolved(cell, view), side)
            if isinstance(view.instances, Bag):
                return self._bag(name, cell, view, side)
            return Picture(name, _drawn(self._resolved(cell, view), side))
        except (InputError, OSError) as error:
            return Picture(name, b"", str(error))

    def _resolved(self, cell: str, view: View) -> str:
        found = paths.resolve([cell], Path(self._root), view.column, lambda _: "this row")
        return str(found[0])

    def _slice(self, name: str, path: str, side: int) -> Picture:
        from medfusion.data.reading import read_volume
        from medfusion.data.thumbnail import thumbnails

        with warnings.catch_warnings():  # told when the data were checked
            warnings.simplefilter("ignore", GeometryWarning)
            shown, _ = thumbnails(read_volume(path))
        if not shown:
            return Picture(name, b"", "the volume has no planes to show")
        pixels = shown[0].pixels
        factor = max(1, -(-max(pixels.shape[:2]) // side))
        return Picture(
            name, png.encode(np.ascontiguousarray(pixels[::factor, ::factor])), shown[0].caption
        )

    def _bag(self, name: str, cell: str, view: View, side: int) -> Picture:
        found = bags.find_bags([cell], Path(self._root), view.column, lambda _: "this row")
        if not found.files[0]:
            return Picture(name, b"", found.reasons.get(0, "no image"))
        middle = len(found.files[0]) // 2
        note = f"image {middle + 1} of {len(found.files[0])}"
        return Picture(name, _drawn(found.files[0][middle], side), note)


def _drawn(path: str, side: int) -> bytes:
    from medfusion.data.images import read_image

    image: NDArray[np.uint8 | np.uint16] = read_image(path)
    height, width, channels = image.shape
    scale = min(1.0, side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    pixels = np.moveaxis(_rust.resize_samples(image, channels, *size), 0, -1)
    if pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)
    return png.encode(np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels))
