"""The data of an experiment in the making, as a page looks at it: table, roles, rows, pictures.

An attachable part of a panel of a draft (`Panel.attach`); its questions are called `data_...`. What
it finds is worked out from the table and the draft and kept nowhere else.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfusion.errors import InputError, MedFusionError, TableError, UnknownNameError, unknown
from medfusion.widgets.data_checking import Checking
from medfusion.widgets.draft_panel import DraftPanel, word
from medfusion.widgets.panel import Answer, answers
from medfusion.widgets.table_upload import TableUpload

if TYPE_CHECKING:
    from medfusion.data.pictures import Pictures
    from medfusion.data.role_guess import Column
    from medfusion.data.row_order import Order, RowOrder
    from medfusion.data.table import Table

PICTURES_AT_ONCE = 60
WARMING = "MedFusion loads what reads tables"
_CACHE_GIGABYTES = 4.0


@dataclasses.dataclass
class _Opened:
    """A table that was read, as long as its file stays as it was."""

    stamp: tuple[str, int, int]
    table: Table
    columns: list[Column]
    order: RowOrder
    bars: list[list[int]]

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise TableError(unknown("column", name, [column.name for column in self.columns]))


class DataDesk:
    """Answers what a page asks about the data of a draft.

    Args:
        panel: The panel whose draft it is.

    Example:
        >>> panel.attach(DataDesk(panel))  # doctest: +SKIP
    """

    def __init__(self, panel: DraftPanel) -> None:
        self._panel = panel
        self._opened: _Opened | None = None
        self._pictures: Pictures | None = None
        self._leaks: tuple[str, dict[str, str]] = ("", {})
        self._sides: tuple[str, list[str]] = ("", [])
        self._checked: Checking | None = None
        panel.attach(TableUpload(panel.draft.folder, self.data_open))
        panel.observe(lambda _: self._show(), "state")
        self._show()
        # The first table is read sooner when pandas is there already.
        threading.Thread(target=_warm, name=WARMING, daemon=True).start()

    # The table and its columns ----------------------------------------------------------------------

    @answers
    def data_tables(self) -> dict[str, Any]:
        """Return the tables below the draft's folder."""
        from medfusion.data.table_files import table_files

        found, complete = table_files(self._panel.draft.folder)
        return {"tables": found, "complete": complete, "folder": str(self._panel.draft.folder)}

    @answers
    def data_open(self, path: str, typed: bool = False) -> Answer:
        """Take a table: what its columns are is guessed, in one step of the draft.

        Args:
            path: Relative to the draft's folder, which it may leave only where it was typed.
            typed: Whether a person typed it.
        """
        from medfusion.data.role_guess import propose

        folder = self._panel.draft.folder
        target = folder / word(path)
        if not word(path).strip():
            msg = "choose a table first"
            raise InputError(msg)
        if typed is not True and not target.resolve().is_relative_to(folder):
            msg = f"{path}: leaves the folder {folder}; type the path to open it all the same"
            raise InputError(msg)
        named = _named(target, folder)
        opened = self._read(named)
        data = propose(opened.table, opened.columns, named, folder)
        self._panel.draft.set(("data",), data)
        self._panel.changed()
        return self.data_columns()

    @answers
    def data_columns(self) -> dict[str, Any]:
        """Return the columns of the table: what they look like, and what speaks against them."""
        opened = self._table()
        table = opened.table
        return {
            "path": self._panel.draft.get(("data", "table")),
            "rows": len(table),
            "format": table.format,
            "notes": list(table.notes),
            "columns": [
                column.facts | {"notes": column.notes, "target": column.target, "bars": bars}
                for column, bars in zip(opened.columns, opened.bars, strict=True)
            ],
            "leaks": self._found_leaks(opened),
        }

    @answers
    def data_assign(self, column: str, role: str) -> None:
        """Give a column another role: one step of the draft."""
        from medfusion.data import roles

        opened = self._table()
        facts = opened.column(word(column)).facts
        made = roles.assign(self._data(), column, word(role), facts)
        self._panel.draft.set(("data",), made)
        self._panel.changed()

    # Rows -----------------------------------------------------------------------------------------

    @answers
    def data_page(self, start: int, count: int, order: dict[str, Any]) -> dict[str, Any]:
        """Return some rows of the table in an order."""
        opened = self._table()
        return opened.order.page(_order(order), _whole(start), _whole(count))

    @answers
    def data_spread(self, column: str, by: str = "") -> Answer:
        """Return how a column is spread: in all, by "split" or by "class"."""
        from medfusion.data.distribution import spread

        table = self._table().table
        cells = table.text(word(column))
        parts = {"": lambda: None, "split": self._split, "class": self._classes}
        if by not in parts:
            raise UnknownNameError(unknown("way to divide rows", str(by), ["split", "class"]))
        facts, counts = spread(cells, parts[by]())
        return facts | {"column": column, "by": by}, [counts.tobytes()]

    @answers
    def data_missing(self, order: dict[str, Any]) -> Answer:
        """Return where values are missing: one byte for each column and block of rows."""
        from medfusion.data.distribution import missing_map

        opened = self._table()
        rows = opened.order.rows(_order(order))
        found = missing_map(opened.table, rows)
        names = opened.table.columns
        share = [column.facts["missing"] / len(opened.table) for column in opened.columns]
        values = {"columns": names, "share": share, "blocks": found.shape[1], "rows": len(rows)}
        return values, [found.tobytes()]

    # Pictures ---------------------------------------------------------------------------------------

    @answers
    def data_pictures(self, view: str, start: int, count: int, order: dict[str, Any]) -> Answer:
        """Return small pictures of some rows of a view, empty where there is none."""
        opened = self._table()
        rows = opened.order.rows(_order(order))
        first = max(0, _whole(start))
        wanted = [int(row) for row in rows[first : first + min(_whole(count), PICTURES_AT_ONCE)]]
        table = opened.table
        data = self._data()
        names = _mapping(data.get("target"))
        label = names.get("column") or names.get("event")
        shown = {
            key: _cells(table, column, wanted)
            for key, column in (("id", data.get("id")), ("label", label))
        }
        found = [self._files(word(view), row) for row in wanted]
        files = [one[0] for one in found if isinstance(one, list) and one]
        made = dict(zip(files, self._painter().small(files), strict=True))
        buffers, reasons = [], []
        for one in found:
            picture = one if isinstance(one, str) else made[one[0]] if one else ""
            buffers.append(picture if isinstance(picture, bytes) else b"")
            reasons.append("" if isinstance(picture, bytes) else picture)
        values = {"total": len(rows), "start": first, "rows": wanted, "reasons": reasons, **shown}
        return values, buffers

    @answers
    def data_subject(self, row: int) -> dict[str, Any]:
        """Return a row in full: its cells, and what its images are."""
        table = self._table().table
        number = _row(row, table)
        views = []
        for name in _mapping(self._data().get("images")):
            files = self._files(name, number)
            facts: dict[str, Any] = {"name": name, "files": [], "problem": ""}
            if isinstance(files, str):
                facts["problem"] = files
            elif files:
                facts["files"] = [Path(file).name for file in files]
                try:
                    facts |= self._painter().facts(files[0])
                except (InputError, OSError) as error:
                    facts["problem"] = str(error)
            views.append(facts)
        return {
            "row": number,
            "where": table.where(number),
            "cells": [table.frame[name].iat[number] for name in table.columns],
            "columns": table.columns,
            "views": views,
        }

    @answers
    def data_picture(
        self, row: int, view: str, file: int = 0, plane: str = "", place: int = 0
    ) -> Answer:
        """Return a large picture of a row's image, or of a slice of its volume."""
        files = self._files(word(view), _row(row, self._table().table))
        if isinstance(files, str):
            raise InputError(files)
        if not 0 <= _whole(file) < len(files):
            msg = f"row {row} has no such image"
            raise InputError(msg)
        return {}, [self._painter().large(files[file], word(plane), _whole(place))]

    # Checks -----------------------------------------------------------------------------------------

    @answers
    def data_checks(self) -> dict[str, Any]:
        """Return what the data checks found, or that they are at work; ask again then."""
        opened = self._table()
        experiment = self._experiment()
        key = json.dumps([opened.stamp, self._data()], sort_keys=True)
        if self._checked is None or self._checked.key != key:
            groups = [name for name in self._groups(opened) if name in opened.table.columns]
            self._checked = Checking(key, experiment, self._data(), groups)
        return self._checked.answer()

    @answers
    def data_mend(self, action: str, columns: list[str]) -> None:
        """Mend a finding: one step of the draft."""
        from medfusion.data import remedies

        draft = self._panel.draft
        names = [word(name) for name in columns] if isinstance(columns, list) else []
        draft.set((), remedies.apply(draft.document, word(action), names))
        self._panel.changed()

    # What is behind ---------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show the roles that follow from the draft, where they changed."""
        from medfusion.data import roles

        data = _mapping(self._panel.state.get("document", {}).get("data"))
        shown = {
            "table": data.get("table"),
            "roles": roles.roles_of(data),
            "views": list(_mapping(data.get("images"))),
        }
        if self._panel.state.get("data") != shown:
            self._panel.publish(data=shown)

    def _data(self) -> Mapping[str, Any]:
        return _mapping(self._panel.draft.get(("data",)))

    def _table(self) -> _Opened:
        named = self._data().get("table")
        if not isinstance(named, str) or not named.strip():
            msg = "choose a table first"
            raise InputError(msg)
        return self._read(named)

    def _read(self, named: str) -> _Opened:
        from medfusion.data.distribution import small_bars
        from medfusion.data.role_guess import look
        from medfusion.data.row_order import RowOrder
        from medfusion.data.table import read_table

        path = self._panel.draft.folder / named
        try:
            facts = path.stat()
            stamp = (str(path), facts.st_size, facts.st_mtime_ns)
        except (OSError, ValueError):
            stamp = (str(path), -1, -1)  # the reader says what is wrong
        if self._opened is None or self._opened.stamp != stamp:
            table = read_table(path)
            bars = [small_bars(table.text(name)) for name in table.columns]
            self._opened = _Opened(stamp, table, look(table), RowOrder(table), bars)
        return self._opened

    def _experiment(self) -> Any:
        """Return an experiment with the draft's data, whatever else the draft lacks still."""
        from medfusion.spec import Experiment

        document = {"medfusion": 1, "data": dict(self._data())}
        return Experiment.from_mapping(document, folder=self._panel.draft.folder)

    def _found_leaks(self, opened: _Opened) -> dict[str, str]:
        from medfusion.data.role_guess import leaks

        target = _mapping(self._data().get("target"))
        key = json.dumps([opened.stamp, target], sort_keys=True)
        if self._leaks[0] != key:
            self._leaks = key, leaks(opened.table, target, opened.columns)
        return self._leaks[1]

    def _groups(self, opened: _Opened) -> list[str]:
        from medfusion.data.role_guess import groups_of

        return groups_of(opened.columns)

    def _split(self) -> list[str]:
        from medfusion.data.sides import sides

        opened = self._table()
        data = self._experiment().data
        key = json.dumps([opened.stamp, self._data()], sort_keys=True)
        if self._sides[0] != key:
            self._sides = key, sides(opened.table, data).tolist()
        return self._sides[1]

    def _classes(self) -> list[str | None]:
        target = _mapping(self._data().get("target"))
        kind = target.get("kind")
        named = target.get("event" if kind == "survival" else "column")
        if kind not in ("binary", "multiclass", "ordinal", "survival") or not isinstance(
            named, str
        ):
            msg = "the target has no classes to divide rows by"
            raise InputError(msg)
        return self._table().table.text(named)

    def _painter(self) -> Pictures:
        if self._pictures is None:
            from medfusion.data.cache import Cache
            from medfusion.data.pictures import Pictures

            self._pictures = Pictures(Cache.default(_CACHE_GIGABYTES))
        return self._pictures

    def _files(self, view: str, row: int) -> list[str] | str:
        """Return the files of a row's view, or why they are refused."""
        from medfusion.data import paths
        from medfusion.data.bags import find_bags

        data = self._data()
        named = _mapping(_mapping(data.get("images")).get(view))
        table = self._table().table
        column = named.get("column")
        if not isinstance(column, str):
            raise UnknownNameError(unknown("view", view, _mapping(data.get("images"))))
        table.require([(column, f"data.images.{view}.column")])
        cells = _cells(table, column, [row])
        root = data.get("root")
        folder = self._panel.draft.folder
        base = table.path.parent if not isinstance(root, str) else folder / root
        try:
            if _mapping(named.get("instances")).get("kind") == "bag":
                return list(find_bags(cells, base, column, lambda _: table.where(row)).files[0])
            found = paths.resolve(cells, base, column, lambda _: table.where(row))
        except MedFusionError as error:
            return str(error)
        return [path for path in found if path is not None]


def _named(target: Path, folder: Path) -> str:
    """Return how the experiment writes a path: relative where it lies below its folder."""
    real = target.resolve()
    return real.relative_to(folder).as_posix() if real.is_relative_to(folder) else str(real)


def _cells(table: Table, column: Any, rows: list[int]) -> list[str | None]:
    if column not in table.columns:
        return [None] * len(rows)
    cells = table.frame[column]
    return [cells.iat[row] for row in rows]


def _order(given: Any) -> Order:
    from medfusion.data.row_order import Order

    if not isinstance(given, dict) or set(given) - {
        field.name for field in dataclasses.fields(Order)
    }:
        msg = f"{given!r} is no order of rows"
        raise InputError(msg)
    return Order(
        by=_word_or_none(given.get("by")),
        down=given.get("down") is True,
        find=word(given.get("find", "")),
        column=_word_or_none(given.get("column")),
        value=_word_or_none(given.get("value")),
    )


def _word_or_none(given: Any) -> str | None:
    return None if given is None else word(given)


def _whole(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        msg = f"{given!r} is no whole number"
        raise InputError(msg)
    return given


def _row(given: Any, table: Table) -> int:
    number = _whole(given)
    if not 0 <= number < len(table):
        msg = f"the table has {len(table)} rows; there is no row {number}"
        raise InputError(msg)
    return number


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _warm() -> None:
    import medfusion.data.pictures
    import medfusion.data.role_guess
    import medfusion.data.table  # noqa: F401
