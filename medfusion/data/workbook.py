"""Excel and Parquet as rows and columns of text."""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

from medfusion.errors import TableError

MAX_UNPACKED = 1 << 30


def read_excel(raw: bytes, source: Path) -> tuple[list[list[str]], list[int], tuple[str, ...]]:
    """Return the records of the first sheet that is not empty, their rows, and notes.

    Args:
        raw: The file's bytes.
        source: The file, for messages.

    Raises:
        TableError: An old .xls, a password, a damaged file, or one that unpacks beyond 1 GiB.
    """
    if not raw.startswith(b"PK"):
        msg = f"{source}: an old .xls, or protected by a password; save it as .xlsx without one"
        raise TableError(msg)
    _check_archive(raw, source)
    import openpyxl

    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and drop-down lists, which hold no data.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            sheets = book.worksheets
            for sheet in sheets:
                records, rows = _sheet(sheet)
                if records:
                    notes: tuple[str, ...] = ()
                    if len(sheets) > 1:
                        left = ", ".join(repr(s.title) for s in sheets if s is not sheet)
                        notes = (f"sheet {sheet.title!r} is read; left out: {left}",)
                    return records, rows, notes
    except Exception as error:  # openpyxl raises whatever its XML parser does
        msg = f"{source}: cannot be read as Excel ({error}); save it anew or as CSV"
        raise TableError(msg) from error
    return [], [], ()


def read_parquet(raw: bytes, source: Path) -> tuple[dict[str, list[str | None]], tuple[str, ...]]:
    """Return the columns of a Parquet file as text, and notes.

    Raises:
        TableError: The file is damaged, has no columns, or two of one name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns: dict[str, list[str | None]] = {}
    left: list[str] = []
    try:
        table = pq.read_table(pa.BufferReader(raw))
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = column.type
            if pa.types.is_dictionary(kind):
                column, kind = column.cast(kind.value_type), kind.value_type  # noqa: PLW2901
            if name in columns:
                msg = f"{source}: several columns are called {name!r}"
                raise TableError(msg)
            if pa.types.is_nested(kind) or pa.types.is_binary(kind):
                left.append(name)
            elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
                columns[name] = [
                    None if cell is None else cell.strip() for cell in column.to_pylist()
                ]
            elif pa.types.is_integer(kind):
                columns[name] = pc.cast(column, pa.string()).to_pylist()
            else:
                columns[name] = [as_text(cell) for cell in column.to_pylist()]
    except (pa.ArrowException, OSError) as error:
        msg = f"{source}: cannot be read as Parquet ({error})"
        raise TableError(msg) from error
    if not columns:
        msg = f"{source}: has no columns of text or numbers"
        raise TableError(msg)
    notes = (f"columns left out, as they hold no plain values: {', '.join(left)}",) if left else ()
    return columns, notes


def as_text(value: Any) -> str:
    """Return a cell's value as text: whole numbers without a point, dates in ISO order.

    >>> as_text(3.0), as_text(0.1), as_text(None), as_text(True)
    ('3', '0.1', '', 'True')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(" ")
    return str(value).strip()


def _sheet(sheet: Any) -> tuple[list[list[str]], list[int]]:
    records, rows = [], []
    if not hasattr(sheet, "iter_rows"):  # a sheet that is a chart
        return [], []
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = [as_text(value) for value in row]
        if any(cells):
            records.append(cells)
            rows.append(number)
    return records, rows


def _check_archive(raw: bytes, source: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        msg = f"{source}: a damaged Excel file ({error})"
        raise TableError(msg) from None
    if not any(name.startswith("xl/") for name in names):
        msg = f"{source}: a ZIP archive, not a table; unpack it and name the file in it"
        raise TableError(msg)
    if size > MAX_UNPACKED:
        msg = f"{source}: unpacks to {size >> 20} MiB, more than 1 GiB; save it as CSV or Parquet"
        raise TableError(msg)
