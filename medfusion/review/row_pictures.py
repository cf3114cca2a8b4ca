"""Pictures of a row for a reviewer: of each view the file that the table names."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from medfusion.data import bags, paths
from medfusion.data.cache import Cache
from medfusion.data.pictures import Pictures
from medfusion.data.table import Table
from medfusion.errors import InputError
from medfusion.spec import Experiment
from medfusion.spec.data import Bag, View


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


NONE = "no image"
"""Note of a view that the row does not have."""


class RowPictures:
    """Draws the views of rows; nothing is read before it is asked for.

    Args:
        experiment: Says which views there are, and from which folder their paths start.
        table: Its table.

    Example:
        >>> RowPictures(run.experiment, review.table).large(0)[0].view  # doctest: +SKIP
        'photo'
    """

    def __init__(self, experiment: Experiment, table: Table) -> None:
        data = experiment.data
        self._table, self._views = table, data.images
        self._root = table.path.parent if data.root is None else experiment.folder / data.root
        self._pictures = Pictures(Cache.default(data.cache_gigabytes))

    @property
    def views(self) -> list[str]:
        """Names of the views."""
        return list(self._views)

    def small(self, rows: Sequence[int | None]) -> list[bytes]:
        """Return a small PNG of the first view that each row has; empty where it has none."""
        files = [None if row is None else self._first(row) for row in rows]
        wanted = list(dict.fromkeys(file for file in files if file is not None))
        made = dict(zip(wanted, self._pictures.small(wanted), strict=True)) if wanted else {}
        found = [made.get(file, "") if file is not None else "" for file in files]
        return [one if isinstance(one, bytes) else b"" for one in found]

    def large(self, row: int) -> list[Picture]:
        """Return a large picture of each view of a row; of a volume its middle slice."""
        return [self._large(name, view, row) for name, view in self._views.items()]

    def _first(self, row: int) -> str | None:
        for view in self._views.values():
            try:
                file, _ = self._file(view, row)
            except InputError:
                continue
            if file is not None:
                return file
        return None

    def _large(self, name: str, view: View, row: int) -> Picture:
        try:
            file, note = self._file(view, row)
            if file is None:
                return Picture(name, b"", note)
            facts = self._pictures.facts(file)
            if facts["kind"] == "image":
                return Picture(name, self._pictures.large(file), note)
            plane, count = next(iter(facts["planes"].items()))
            words = f"{plane}, slice {count // 2 + 1} of {count}"
            return Picture(name, self._pictures.large(file, plane, count // 2), words)
        except (InputError, OSError, ValueError) as error:
            return Picture(name, b"", str(error))

    def _file(self, view: View, row: int) -> tuple[str | None, str]:
        """Return the file that stands for a view, and what part of it that is."""
        if view.column not in self._table.columns:
            return None, f"the table has no column {view.column!r} any more"
        cell, root = self._table.text(view.column)[row], Path(self._root)
        if cell is None:
            return None, NONE
        if not isinstance(view.instances, Bag):
            return paths.resolve([cell], root, view.column, self._where)[0], ""
        found = bags.find_bags([cell], root, view.column, self._where)
        if not found.files[0]:
            return None, found.reasons.get(0, NONE)
        middle, count = len(found.files[0]) // 2, len(found.files[0])
        return found.files[0][middle], f"image {middle + 1} of {count}"

    @staticmethod
    def _where(_: int) -> str:
        return "this row"
