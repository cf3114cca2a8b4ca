"""The image files of a table: where they are, whether they can be read, what they hold."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import paths
from medfusion.data.bags import find_bags, split
from medfusion.data.cache import Cache
from medfusion.data.content import Contents, digests
from medfusion.data.instances import view_samples
from medfusion.data.table import Table
from medfusion.errors import DataRootError, ImageReadError
from medfusion.spec.data import Bag, Data, Slices

LISTED = 1000

_AT_ONCE = 64
_VOLUMES_AT_ONCE = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Inventory:
    """The image files of a table's rows.

    Attributes:
        paths: Absolute path per view and row, None where the row has no such image. Of a bag the
            folder, or its files joined by ";".
        hashes: Hash of the content per view and row, None likewise.
        problems: Row and sentence for each image that cannot be read, in the order of rows.
        bags: The files of each row, by view that is a bag; empty where it has none.
        bag_hashes: The hash of each of these files.
        volumes: Views that are volumes, of which slices are taken.
    """

    paths: dict[str, list[str | None]]
    hashes: dict[str, list[str | None]]
    problems: list[tuple[int, str]]
    bags: dict[str, list[tuple[str, ...]]] = dataclasses.field(default_factory=dict)
    bag_hashes: dict[str, list[tuple[str | None, ...]]] = dataclasses.field(default_factory=dict)
    volumes: frozenset[str] = frozenset()

    def take(self, rows: NDArray[np.int64]) -> Inventory:
        """Return the inventory of only the given rows, without its problems."""
        return Inventory(
            {name: [cells[row] for row in rows] for name, cells in self.paths.items()},
            {name: [cells[row] for row in rows] for name, cells in self.hashes.items()},
            [],
            {name: [cells[row] for row in rows] for name, cells in self.bags.items()},
            {name: [cells[row] for row in rows] for name, cells in self.bag_hashes.items()},
            self.volumes,
        )

    def sources(self, view: str) -> list[tuple[str, ...]]:
        """Return what each row is read from: its image or volume, the files of its bag, or ()."""
        if view in self.bags:
            return self.bags[view]
        return [() if path is None else (path,) for path in self.paths[view]]

    def each(self) -> Iterator[tuple[str, int, str, str | None]]:
        """Yield view, row, path and hash of every image and volume, those of bags one by one."""
        for view, cells in self.hashes.items():
            hashes = self.bag_hashes.get(view, [(content,) for content in cells])
            for row, files in enumerate(self.sources(view)):
                for path, content in zip(files, hashes[row], strict=False):
                    yield view, row, path, content

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
    found: dict[str, list[str | None]] = {}
    bags: dict[str, list[tuple[str, ...]]] = {}
    problems: list[tuple[int, str]] = []
    for name, view in data.images.items():
        cells = table.text(view.column)
        if isinstance(view.instances, Bag):
            found[name], bags[name], empty = find_bags(cells, root, view.column, table.where)
            problems += [(row, f"{table.where(row)}: {why}") for row, why in empty.items()]
        else:
            found[name] = paths.resolve(cells, root, view.column, table.where)
    volumes = frozenset(n for n, v in data.images.items() if isinstance(v.instances, Slices))
    stock = Inventory(found, {name: [] for name in found}, [], bags, {}, volumes)
    sources = {name: stock.sources(name) for name in found}
    reasons = _unreadable(sources, data, cache)
    problems += [
        (row, f"{table.where(row)}: {path}: {reasons[path]}")
        for cells_of in sources.values()
        for row, files in enumerate(cells_of)
        for path in files
        if path in reasons
    ]
    all_files = dict.fromkeys(path for cells_of in sources.values() for f in cells_of for path in f)
    hashes = _hashes([path for path in all_files if path not in reasons], cache)
    each = {name: [tuple(map(hashes.get, files)) for files in sources[name]] for name in found}
    return Inventory(
        found,
        {name: [_together(content) for content in cells_of] for name, cells_of in each.items()},
        sorted(problems),
        bags,
        {name: each[name] for name in bags},
        volumes,
    )


def _together(hashes: tuple[str | None, ...]) -> str | None:
    """Return one hash for those of a row: its own where there is one."""
    known = [one for one in hashes if one is not None]
    if not known or len(known) < len(hashes):
        return None
    return known[0] if len(known) == 1 else hashlib.sha256("".join(known).encode()).hexdigest()


def _hashes(files: Sequence[str], cache: Cache | None) -> dict[str, str | None]:
    if cache is None:
        return dict(zip(files, digests(files), strict=True))
    contents = zip(files, Contents(cache).look(files), strict=True)
    return {path: None if content is None else content.digest.hex() for path, content in contents}


def _unreadable(
    sources: dict[str, list[tuple[str, ...]]], data: Data, cache: Cache | None
) -> dict[str, str]:
    """Return why files cannot be read."""
    reasons: dict[str, str] = {}
    for name, view in data.images.items():
        slices = isinstance(view.instances, Slices)
        files = list(dict.fromkeys(path for row in sources[name] for path in row))
        for path in files:
            reason = paths.there(path) if slices else paths.regular_file(path)
            if reason is not None:
                reasons[path] = reason
        wanted = [path for path in files if path not in reasons]
        if cache is None and not slices:
            checked = zip(wanted, _rust.check_images(wanted), strict=True)
            reasons |= {path: reason for path, reason in checked if reason is not None}
            continue
        samples = view_samples(view, cache, 0)
        at_once = _VOLUMES_AT_ONCE if slices else _AT_ONCE
        for start in range(0, len(wanted), at_once):
            _, failures = samples.fetch(wanted[start : start + at_once])
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
        part.replace("\\", "/")
        for view in data.images.values()
        for cell in table.text(view.column)
        if cell is not None and "\0" not in cell
        for part in (split(cell) if isinstance(view.instances, Bag) else [cell])
    ]
    candidates = [own, Path(data.root)]
    hits = [sum((root / cell).exists() for cell in cells) for root in candidates]
    return candidates[1] if hits[1] > hits[0] else own
