"""Text with separators (CSV, TSV) as rows of cells: separator found, every oddity an error."""

from __future__ import annotations

import csv
import io
import itertools
import re
from pathlib import Path
from typing import Any

from medfusion.errors import TableError

SEPARATORS = ("\t", ";", "|", ",")
"""What may stand between cells; on a tie the earlier one wins, as a comma is also a decimal mark."""

_SAMPLE = 50
_STATED = re.compile(r"^sep=(.)\r?\n", re.IGNORECASE)


def parse(content: str, source: Path) -> tuple[list[list[str]], list[int], str]:
    r"""Return the records of a text, the line each one starts on, and the separator.

    Empty lines, and lines that hold nothing but separators, are left out.

    Args:
        content: The text.
        source: The file, for messages.

    Raises:
        TableError: A quote that never closes, a cell beyond 131072 characters, text after a quote.

    Example:
        >>> parse("id;dose\n1;2,5\n", Path("a.csv"))
        ([['id', 'dose'], ['1', '2,5']], [1, 2], ';')
    """
    stated = _STATED.match(content)  # Excel's own way to name the separator
    first = 1
    if stated:
        content = content[stated.end() :]
        first = 2
    separator = stated.group(1) if stated else _find_separator(content)
    records: list[list[str]] = []
    lines: list[int] = []
    reader = _reader(content, separator)
    start = 0
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells):
                records.append(cells)
                lines.append(start + first)
            start = reader.line_num
    except csv.Error as error:
        msg = (
            f"{source}, line {start + first}: {error}; "
            'a quotation mark (") that is opened must be closed, one inside a cell is doubled'
        )
        raise TableError(msg) from None
    return records, lines, separator


def _reader(content: str, separator: str) -> Any:
    return csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)


def _find_separator(content: str) -> str:
    best, best_score = ",", (0.0, 0)
    for separator in SEPARATORS:
        widths = _widths(content, separator)
        if not widths or widths[0] < 2:
            continue
        alike = sum(width == widths[0] for width in widths) / len(widths)
        # A consistent table beats a wide one; the header's width decides among ragged ones.
        score = (1.0, 0) if alike == 1 else (alike, widths[0])
        if score > best_score:
            best, best_score = separator, score
    return best


def _widths(content: str, separator: str) -> list[int]:
    widths = []
    try:
        for record in itertools.islice(_reader(content, separator), _SAMPLE):
            widths += [len(record)] if any(cell.strip() for cell in record) else []
    except csv.Error:
        pass
    return widths
