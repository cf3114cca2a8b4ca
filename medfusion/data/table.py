"""One table of text: CSV, TSV, Excel or Parquet, read without guessing at types.

Everything stays text until a column is asked for as numbers: identifiers keep their leading
zeros, and a word among numbers is an error with its row instead of a silent gap.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medfusion.data import delimited, encoding, workbook
from medfusion.data.numbers import NotNumbersError, to_numbers
from medfusion.errors import TableError, nearest

MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", ".", "#N/A", "<NA>"}
)
"""Cells that mean "not known", in exactly this spelling: "none" and "Na" stay values."""

MAX_BYTES = 2 << 30
SHOWN = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table of text with the place of every row in its file.

    Attributes:
        frame: One column of `str` or None (missing) per column of the file; white space around
            cells and names is cut off.
        path: The file.
        lines: int64 [n], line (text) or row (Excel, Parquet) of the file that each row stands on.
        format: "csv", "excel" or "parquet".
        separator: Separator of a text file, else "".
        encoding: Encoding of a text file, else "".
        notes: What the reader should tell the user, such as sheets that were left out.
        sha256: Hash of the file's bytes.
    """

    frame: pd.DataFrame
    path: Path
    lines: NDArray[np.int64]
    format: str
    separator: str = ""
    encoding: str = ""
    notes: tuple[str, ...] = ()
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """Names of the columns in the file's order."""
        return [str(name) for name in self.frame.columns]

    def where(self, row: int) -> str:
        """Return the place of a row in words: "line 7"."""
        return f"{'line' if self.format == 'csv' else 'row'} {self.lines[row]}"

    def require(self, names: Iterable[tuple[str, str]]) -> None:
        """Check that columns exist.

        Args:
            names: Pairs of a column's name and the key of the experiment that asks for it.

        Raises:
            TableError: Some do not; all of them are listed with the nearest name.
        """
        lost = []
        for name, key in names:
            if name not in self.frame.columns:
                near = nearest(name, self.columns)
                hint = f"; did you mean {near!r}?" if near else ""
                lost.append(f"{key}: there is no column {name!r}{hint}")
        if lost:
            known = ", ".join(self.columns[:40])
            problems = "\n  ".join(lost)
            msg = f"{self.path}:\n  {problems}\n  Columns of the table: {known}"
            raise TableError(msg)

    def text(self, name: str) -> list[str | None]:
        """Return a column as text, None where missing."""
        self.require([(name, "column")])
        return list(self.frame[name])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as numbers, NaN where missing.

        Raises:
            TableError: Cells that are no numbers, with their rows and contents.
        """
        cells = self.text(name)
        try:
            return to_numbers(cells, comma_separated=self.separator == ",")
        except NotNumbersError as error:
            shown = ", ".join(
                f"{self.where(row)}: {cells[row]!r}" for row in error.positions[:SHOWN]
            )
            more = len(error.positions) - SHOWN
            rest = f" and {more} more" if more > 0 else ""
            msg = (
                f"{self.path}: column {name!r} is asked for as numbers but {error.reason} "
                f"({shown}{rest}). Correct the cells, leave them empty where the value is not "
                "known, or list the column under `categorical`"
            )
            raise TableError(msg) from None

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Table:
        """Return the table with only the given rows, in that order."""
        index = np.asarray(rows, dtype=np.int64)
        frame = self.frame.iloc[index].reset_index(drop=True)
        return dataclasses.replace(self, frame=frame, lines=self.lines[index])


def read_table(path: str | Path) -> Table:
    """Read a table from CSV, TSV (any suffix), Excel (.xlsx) or Parquet, told apart by content.

    Text: the separator (comma, semicolon, tab, bar), the decimal mark (dot or comma, per column)
    and the encoding (UTF-8, UTF-16 with a mark, GB18030/GBK, Windows-1252) are found. Excel: the
    first sheet that is not empty.

    Args:
        path: The file.

    Raises:
        TableError: The file is missing, no table, empty, or has rows of unequal length, columns
            without or with the same name; the message says where and what to do.

    Example:
        >>> table = read_table("cohort.csv")  # doctest: +SKIP
        >>> table.numbers("age")  # doctest: +SKIP
    """
    path = Path(path)
    raw = _read_bytes(path)
    if raw.startswith(b"PAR1"):
        frame, notes = workbook.read_parquet(raw, path)
        header = [str(name).strip() for name in frame]
        columns = [_clean(cells) for cells in frame.values()]
        _check_header(header, path)
        return _build(
            path, raw, header, columns, np.arange(1, len(columns[0]) + 1), "parquet", notes=notes
        )
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        records, lines, notes = workbook.read_excel(raw, path)
        return _from_records(path, raw, records, lines, "excel", notes=notes)
    content, name = encoding.decode(raw, path)
    records, lines, separator = delimited.parse(content, path)
    notes = ()
    if name == "cp1252":
        notes = ("read as Windows-1252 text; if letters look wrong, save the file as UTF-8",)
    return _from_records(
        path, raw, records, lines, "csv", separator=separator, encoding=name, notes=notes
    )


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            msg = f"{path}: is a folder, not a table; name the file in it"
            raise TableError(msg)
        if path.stat().st_size > MAX_BYTES:
            msg = f"{path}: larger than {MAX_BYTES >> 30} GiB; keep only the columns that are used"
            raise TableError(msg)
        return path.read_bytes()
    except FileNotFoundError:
        near = nearest(path.name, (item.name for item in _siblings(path)))
        hint = f"; did you mean {near!r}?" if near else ""
        msg = f"{path}: there is no such file{hint}"
        raise TableError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        raise TableError(msg) from None


def _siblings(path: Path) -> list[Path]:
    try:
        return [item for item in path.parent.iterdir() if item.is_file()]
    except OSError:
        return []


def _from_records(
    path: Path,
    raw: bytes,
    records: list[list[str]],
    lines: list[int],
    kind: str,
    **found: Any,
) -> Table:
    if len(records) < 2:
        what = "is empty" if not records else "has a header but no rows"
        msg = f"{path}: the table {what}; give one line of column names and one line per subject"
        raise TableError(msg)
    width = max(len(records[0]), *(_width(record) for record in records))
    header = records[0] + [""] * (width - len(records[0]))
    _check_widths(path, records, lines, kind)
    columns = [
        _clean([record[index] if index < len(record) else "" for record in records[1:]])
        for index in range(width)
    ]
    kept = [
        index
        for index, name in enumerate(header)
        if name or any(cell is not None for cell in columns[index])
    ]
    header = [header[index] for index in kept]
    _check_header(header, path)
    return _build(
        path, raw, header, [columns[index] for index in kept], np.asarray(lines[1:]), kind, **found
    )


def _width(record: list[str]) -> int:
    width = len(record)
    while width and not record[width - 1]:
        width -= 1
    return width


def _check_widths(path: Path, records: list[list[str]], lines: list[int], kind: str) -> None:
    # Excel's rows are cells of one grid; only text can lose or gain a separator.
    if kind != "csv":
        return
    width = len(records[0])
    bad = [
        f"line {line} has {len(record)}"
        for record, line in zip(records, lines, strict=True)
        if len(record) < width or _width(record) > width
    ]
    if bad:
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        msg = (
            f"{path}: the header has {width} cells but {', '.join(bad[:SHOWN])}{more}; "
            "put cells that contain the separator in quotation marks"
        )
        raise TableError(msg)


def _check_header(header: list[str], path: Path) -> None:
    empty = [str(index + 1) for index, name in enumerate(header) if not name]
    if empty:
        msg = f"{path}: column {', '.join(empty[:SHOWN])} has no name; name it or delete it"
        raise TableError(msg)
    twice = sorted({name for name in header if header.count(name) > 1}) if _repeats(header) else []
    if twice:
        names = ", ".join(repr(name) for name in twice[:SHOWN])
        msg = f"{path}: several columns are called {names}; give each column its own name"
        raise TableError(msg)


def _repeats(header: list[str]) -> bool:
    return len(set(header)) < len(header)


def _clean(cells: Iterable[str | None]) -> NDArray[np.object_]:
    found = [None if cell is None or cell in MISSING else cell for cell in cells]
    return np.array([*found, None], dtype=object)[:-1]


def _build(
    path: Path,
    raw: bytes,
    header: list[str],
    columns: list[NDArray[np.object_]],
    lines: NDArray[np.int64],
    kind: str,
    **found: Any,
) -> Table:
    if not len(lines):
        msg = f"{path}: the table has column names but no rows"
        raise TableError(msg)
    frame = pd.DataFrame(dict(zip(header, columns, strict=True)), dtype=object)
    sha256 = hashlib.sha256(raw).hexdigest()
    return Table(frame, path, lines.astype(np.int64), kind, sha256=sha256, **found)
