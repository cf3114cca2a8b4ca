"""What the columns of a table look like: a guess, for a person to correct."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np

from medfusion.data.numbers import NotNumbersError, to_numbers
from medfusion.data.table import read_table

CATEGORIES_AT_MOST = 20
_FILES = {
    "image": (".png", ".jpg", ".jpeg", ".tif", ".tiff"),
    "volume": (".nii", ".nii.gz", ".dcm", ".hdr"),
}


def table_facts(path: Path) -> dict[str, Any]:
    """Return the rows, the format and the columns of a table as plain values.

    Raises:
        TableError: The table cannot be read.
    """
    table = read_table(path)
    columns = [_column(name, table.text(name)) for name in table.columns]
    return {
        "rows": len(table),
        "format": table.format,
        "separator": table.separator,
        "encoding": table.encoding,
        "notes": list(table.notes),
        "columns": columns,
    }


def _column(name: str, cells: list[str | None]) -> dict[str, Any]:
    known = [cell for cell in cells if cell is not None]
    counts = collections.Counter(known)
    facts: dict[str, Any] = {
        "name": name,
        "missing": len(cells) - len(known),
        "distinct": len(counts),
    }
    if not known:
        return facts | {"guess": "empty"}
    try:
        numbers = to_numbers(known)
    except NotNumbersError:
        numbers = None
    if numbers is not None and len(counts) > 2:
        low, middle, high = (float(np.quantile(numbers, q)) for q in (0, 0.5, 1))
        return facts | {"guess": "numeric", "min": low, "median": middle, "max": high}
    for guess, endings in _FILES.items():
        if sum(cell.lower().endswith(endings) for cell in known) > len(known) / 2:
            return facts | {"guess": guess}
    if len(counts) == len(known) and len(known) > CATEGORIES_AT_MOST:
        return facts | {"guess": "id"}
    if len(counts) <= max(CATEGORIES_AT_MOST, len(known) // 20):
        return facts | {"guess": "categorical", "levels": dict(counts.most_common(10))}
    return facts | {"guess": "text"}
