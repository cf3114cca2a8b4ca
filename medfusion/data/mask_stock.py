"""The mask files of a table: where they are, whether they can be read, what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import paths
from medfusion.data.cache import Cache
from medfusion.data.inventory import LISTED
from medfusion.data.masks import IGNORE, MaskSamples, Pair, image_size
from medfusion.data.table import Table
from medfusion.errors import ImageReadError, SpecError, TableError
from medfusion.spec.data import TARGET_MASK, Data
from medfusion.spec.target import SegmentationTarget

_AT_ONCE = 64


@dataclasses.dataclass(frozen=True, eq=False)
class MaskStock:
    """The masks of a table's rows, by the names of `Data.masks`.

    Attributes:
        pairs: Mask and image of each row, None where the row lacks either.
        pixels: Pixels of each class at the view's size, int64 [n, K]; zeros where there is no mask.
        hashes: SHA-256 of each mask file, None likewise.
        problems: Row and sentence for each mask that cannot be used, in the order of rows.
        spacing: Height and width in mm of a pixel of the target at the view's size, float64
            [n, 2]; None where that is not known.
    """

    pairs: dict[str, list[Pair | None]] = dataclasses.field(default_factory=dict)
    pixels: dict[str, NDArray[np.int64]] = dataclasses.field(default_factory=dict)
    hashes: dict[str, list[str | None]] = dataclasses.field(default_factory=dict)
    problems: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    spacing: NDArray[np.float64] | None = None

    def present(self, name: str) -> NDArray[np.bool_]:
        """Return which rows have a mask, bool [n]."""
        return np.array([pair is not None for pair in self.pairs[name]], dtype=bool)

    def take(self, rows: NDArray[np.int64]) -> MaskStock:
        """Return the masks of only the given rows, without the problems."""
        return MaskStock(
            {name: [pairs[row] for row in rows] for name, pairs in self.pairs.items()},
            {name: pixels[rows] for name, pixels in self.pixels.items()},
            {name: [hashes[row] for row in rows] for name, hashes in self.hashes.items()},
            spacing=None if self.spacing is None else self.spacing[rows],
        )

    def require_usable(self, table: Table, root: Path) -> None:
        """Stop when there are masks that cannot be used.

        Raises:
            ImageReadError: All of them are listed with row and file.
        """
        if not self.problems:
            return
        listed = "\n  ".join(sentence for _, sentence in self.problems[:LISTED])
        more = len(self.problems) - LISTED
        rest = f"\n  and {more} more" if more > 0 else ""
        msg = (
            f"{table.path}: {len(self.problems)} mask(s) cannot be used:\n  {listed}{rest}\n"
            f"  Paths start from {root}. Correct the files, empty the cells of rows without a "
            "mask, or leave these rows out with --skip-unreadable (data.skip_unreadable: true)"
        )
        raise ImageReadError(msg)


def take_stock(
    table: Table,
    data: Data,
    images: Mapping[str, Sequence[str | None]],
    ids: Sequence[str],
    root: Path,
    cache: Cache | None = None,
) -> MaskStock:
    """Resolve every mask path of a table and read each file once, to check and to count.

    Args:
        table: The table.
        data: Names the masks.
        images: Path of the image per view and row; where there is none, its mask is not read.
        ids: One per row, for messages.
        root: Folder that no path may leave.
        cache: Keeps the labels.

    Raises:
        DataRootError: A path leaves the root.
        SpecError: The size of pixels is given but not kept by the view's transforms.
    """
    stock = MaskStock(spacing=_spacing(data, images))
    for name, (view, masks) in data.masks.items():
        cells = paths.resolve(table.text(masks.column), root, masks.column, table.where)
        pairs: list[Pair | None] = [
            None if mask is None or image is None else Pair(mask, image)
            for mask, image in zip(cells, images[view], strict=True)
        ]
        there = [(row, pair) for row, pair in enumerate(pairs) if pair is not None]
        pixels = np.zeros((len(cells), len(masks.classes)), dtype=np.int64)
        samples = MaskSamples(masks, data.images[view], cache, threads=0)
        for start in range(0, len(there), _AT_ONCE):
            some = there[start : start + _AT_ONCE]
            found, failures = samples.fetch([pair for _, pair in some])
            for one in failures:
                row = some[one.position][0]
                sentence = f"{table.where(row)} ({ids[row]}): {one.path}: {one.reason}"
                stock.problems.append((row, sentence))
            for (row, _), labels in zip(some, found, strict=True):
                if labels is not None:
                    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
                    pixels[row] = counts[: len(masks.classes)]
        stock.pairs[name], stock.pixels[name] = pairs, pixels
        hashes = iter(_rust.hash_files([pair.mask for _, pair in there]))
        stock.hashes[name] = [None if pair is None else next(hashes) for pair in pairs]
    stock.problems.sort()
    return stock


def _spacing(data: Data, images: Mapping[str, Sequence[str | None]]) -> NDArray[np.float64] | None:
    target, view = data.target, data.segmented
    if not isinstance(target, SegmentationTarget) or target.spacing is None or view is None:
        return None
    if MaskSamples(target.masks, data.images[view]).moves:
        msg = (
            f"data.target.spacing: the transforms of {view} change the grid of its images, so the "
            "size of a pixel is not known: leave spacing out, distances are then in pixels"
        )
        raise SpecError(msg)
    size = data.images[view].size
    shrunk = [
        np.divide((0, 0) if path is None else image_size(path), size) for path in images[view]
    ]
    return np.array(shrunk, dtype=np.float64).reshape(-1, 2) * target.spacing


def unusable(stock: MaskStock, table: Table, data: Data, root: Path) -> list[tuple[str, list[int]]]:
    """Return the rows that cannot be used for want of a mask, with the reason.

    Only a segmentation target needs a mask in every row; of other rows without one is known less.

    Raises:
        ImageReadError: Masks cannot be used, unless `data.skip_unreadable`.
        TableError: No row is left.
    """
    if not data.skip_unreadable:
        stock.require_usable(table, root)
    broken = sorted({row for row, _ in stock.problems})
    found = [("mask cannot be used", broken)] if broken else []
    if TARGET_MASK in stock.pairs:
        there = stock.present(TARGET_MASK)
        lacking = np.setdiff1d(np.flatnonzero(~there), broken).tolist()
        if lacking:
            found.append(("no mask, or no image to it", lacking))
    if sum(len(rows) for _, rows in found) == len(table):
        msg = (
            f"{table.path}: not one row is left: none has an image and a mask that can be used "
            f"(root: {root})"
        )
        raise TableError(msg)
    return found
