"""What the columns of a table look like: a guess, for a person to correct."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import numbers_or_none
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
    columns = [column_facts(name, table.text(name)) for name in table.columns]
    return {
        "rows": len(table),
        "format": table.format,
        "separator": table.separator,
        "encoding": table.encoding,
        "notes": list(table.notes),
        "columns": columns,
    }


def column_facts(name: str, cells: Sequence[str | None]) -> dict[str, Any]:
    """Return what a column looks like: `guess`, `missing`, `distinct`, and its range or levels.

    The guess is "numeric", "categorical", "image", "volume", "id", "text" or "empty".

    >>> column_facts("sex", ["f", "m", None])
    {'name': 'sex', 'missing': 1, 'distinct': 2, 'guess': 'categorical', 'levels': {'f': 1, 'm': 1}}
    """
    counts = collections.Counter(cell for cell in cells if cell is not None)
    known = counts.total()
    facts: dict[str, Any] = {
        "name": name,
        "missing": len(cells) - known,
        "distinct": len(counts),
    }
    if not known:
        return facts | {"guess": "empty"}
    numbers = _numbers(counts)
    if numbers is not None and len(counts) > 2:
        low, middle, high = (float(np.quantile(numbers, q)) for q in (0, 0.5, 1))
        return facts | {"guess": "numeric", "min": low, "median": middle, "max": high}
    for guess, endings in _FILES.items():
        if sum(n for cell, n in counts.items() if cell.lower().endswith(endings)) > known / 2:
            return facts | {"guess": guess}
    if len(counts) == known and known > CATEGORIES_AT_MOST:
        return facts | {"guess": "id"}
    if len(counts) <= max(CATEGORIES_AT_MOST, known // 20):
        return facts | {"guess": "categorical", "levels": dict(counts.most_common(10))}
    return facts | {"guess": "text"}


def _numbers(counts: collections.Counter[str]) -> NDArray[np.float64] | None:
    """Return the numbers of all rows, None where a cell is none."""
    values = numbers_or_none(list(counts))
    return None if values is None else np.repeat(values, list(counts.values()))
