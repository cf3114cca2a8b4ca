"""The files of bags: a cell of the table names a folder, or several files separated by ";"."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from medfusion.data import paths

SEPARATOR = ";"

_JUNK = frozenset({"thumbs.db", "desktop.ini"})
"""What Windows leaves in folders; names with a dot in front are left out too."""


class Bags(NamedTuple):
    """The bags of one column.

    Attributes:
        names: What each cell stands for: a folder or file, or several joined by ";"; None where
            it is empty.
        files: The files of each row, those of a folder in the order of their names.
        reasons: Why a row has no bag though its cell is filled.
    """

    names: list[str | None]
    files: list[tuple[str, ...]]
    reasons: dict[int, str]


def find_bags(
    cells: Sequence[str | None], root: Path, column: str, where: Callable[[int], str]
) -> Bags:
    """Return the files that each cell stands for.

    The files directly in a folder count, none of deeper folders. They need not be readable.

    Args:
        cells: What the table says.
        root: Folder from which relative paths start and which no path may leave.
        column: Name of the column, for messages.
        where: Gives the place of a row in words.

    Raises:
        DataRootError: Paths that leave the root, also by a link in a folder.
    """
    parts = [(row, part) for row, cell in enumerate(cells) for part in split(cell)]
    named = _resolved(parts, root, column, where)
    listed = [
        (row, path, [path] if entries is None else entries)
        for row, path in named
        for entries in [_entries(path)]
    ]
    files: list[list[str]] = [[] for _ in cells]
    inside = [(row, entry) for row, _, entries in listed for entry in entries]
    for row, path in _resolved(inside, root, column, where):
        files[row].append(path)
    names: list[list[str]] = [[] for _ in cells]
    for row, path in named:
        names[row].append(path)
    reasons = {}
    for row, cell in enumerate(cells):
        if cell is not None and not files[row]:
            what = SEPARATOR.join(names[row]) or repr(cell)
            reasons[row] = f"{what}: holds no file; empty the cell of a bag that does not exist"
    return Bags(
        [SEPARATOR.join(found) if found else None for found in names],
        [tuple(found) for found in files],
        reasons,
    )


def split(cell: str | None) -> list[str]:
    """Return the paths that a cell names.

    >>> split("a.png; b.png;")
    ['a.png', 'b.png']
    """
    return [part for part in (text.strip() for text in (cell or "").split(SEPARATOR)) if part]


def _resolved(
    parts: Sequence[tuple[int, str]], root: Path, column: str, where: Callable[[int], str]
) -> list[tuple[int, str]]:
    texts = [text for _, text in parts]
    found = paths.resolve(texts, root, column, lambda place: where(parts[place][0]))
    return [(row, path) for (row, _), path in zip(parts, found, strict=True) if path is not None]


def _entries(path: str) -> list[str] | None:
    """Return the files of a folder in the order of names; None where the path is no folder."""
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if not entry.is_dir())
    except OSError:
        return None  # what is wrong with it is said when it is read
    return [
        os.path.join(path, name)  # noqa: PTH118 - text stays as it is
        for name in names
        if not name.startswith(".") and name.lower() not in _JUNK
    ]
