"""The image files of a table: where they are, whether they can be read, what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import paths
from medfusion.data.cache import Cache
from medfusion.data.content import Contents
from medfusion.data.samples import ImageSamples
from medfusion.data.table import Table
from medfusion.errors import DataRootError, ImageReadError
from medfusion.spec.data import Data

LISTED = 1000

_AT_ONCE = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Inventory:
    """The image files of a table's rows.

    Attributes:
        paths: Absolute path per view and row, None where the row has no such image.
        hashes: Hash of the file's content per view and row, None likewise.
        problems: Row and sentence for each image that cannot be read, in the order of rows.
    """

    paths: dict[str, list[str | None]]
    hashes: dict[str, list[str | None]]
    problems: list[tuple[int, str]]

    def take(self, rows: NDArray[np.int64]) -> Inventory:
        """Return the inventory of only the given rows, without its problems."""
        return Inventory(
            {name: [cells[row] for row in rows] for name, cells in self.paths.items()},
            {name: [cells[row] for row in rows] for name, cells in self.hashes.items()},
            [],
        )

    def require_readable(self, table: Table, root: Path) -> None:
        """Stop when there are images that cannot be read.

        Raises:
            ImageReadError: All of them are listed with row and file.
        """
        if not self.problems:
            return
        listed = "\n  ".join(sentence for _, sentence in self.problems[:LISTED])
        more = len(self.problems) - LISTED
        rest = f"\n  and {more} more" if more > 0 else ""
        msg = (
            f"{table.path}: {len(self.problems)} image(s) cannot be read:\n  {listed}{rest}\n"
            f"  Paths start from {root}. Correct data.root or the files, empty the cells of images "
            "that do not exist, or leave these rows out with --skip-unreadable "
            "(data.skip_unreadable: true)"
        )
        raise ImageReadError(msg)


def take_stock(table: Table, data: Data, root: Path, cache: Cache | None = None) -> Inventory:
    """Resolve every image path of a table, decode each file once to see that it can be read.

    Args:
        table: The table.
        data: Names the views.
        root: Folder that no path may leave.
        cache: Keeps what is decoded; what it holds need not be decoded again.

    Raises:
        DataRootError: The root is no folder, or a path leaves it.
    """
    if data.images and not root.is_dir():
        msg = f"data.root: there is no folder {root}"
        raise DataRootError(msg)
    found = {
        name: paths.resolve(table.text(view.column), root, view.column, table.where)
        for name, view in data.images.items()
    }
    files = list(dict.fromkeys(path for cells in found.values() for path in cells if path))
    reasons = {path: reason for path in files if (reason := paths.regular_file(path)) is not None}
    there = [path for path in files if path not in reasons]
    hashes = _hashes(there, cache)
    reasons |= _unreadable(there, data, found, cache)
    problems = [
        (row, f"{table.where(row)}: {path}: {reasons[path]}")
        for cells in found.values()
        for row, path in enumerate(cells)
        if path in reasons
    ]
    return Inventory(
        found,
        {name: [path and hashes.get(path) for path in cells] for name, cells in found.items()},
        sorted(problems),
    )


def _hashes(files: Sequence[str], cache: Cache | None) -> dict[str, str | None]:
    if cache is None:
        return dict(zip(files, _rust.hash_files(files), strict=True))
    contents = zip(files, Contents(cache).look(files), strict=True)
    return {path: None if content is None else content.digest.hex() for path, content in contents}


def _unreadable(
    files: Sequence[str], data: Data, found: dict[str, list[str | None]], cache: Cache | None
) -> dict[str, str]:
    """Return why files cannot be read."""
    if cache is None:
        checked = zip(files, _rust.check_images(files), strict=True)
        return {path: reason for path, reason in checked if reason is not None}
    reasons: dict[str, str] = {}
    there = set(files)
    for name, view in data.images.items():
        samples = ImageSamples(view.size, view.channels, cache, 0, view.transforms)
        wanted = list(dict.fromkeys(path for path in found[name] if path in there))
        for start in range(0, len(wanted), _AT_ONCE):
            _, failures = samples.fetch([path for path in wanted[start : start + _AT_ONCE] if path])
            reasons |= {failure.path: failure.reason for failure in failures}
    return reasons


def likely_root(table: Table, data: Data) -> Path:
    """Return where a new table's image paths start: its own folder, or the experiment's root.

    A table for prediction may lie beside its images or refer to those of the experiment; the
    folder in which more of its paths exist is taken, the table's own on a tie.
    """
    own = table.path.resolve().parent
    if data.root is None or not data.images:
        return own
    cells = [
        cell.replace("\\", "/")
        for view in data.images.values()
        for cell in table.text(view.column)
        if cell is not None and "\0" not in cell
    ]
    candidates = [own, Path(data.root)]
    hits = [sum((root / cell).is_file() for cell in cells) for root in candidates]
    return candidates[1] if hits[1] > hits[0] else own
