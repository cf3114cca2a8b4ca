"""What a file or a folder is, from its first bytes and headers only; no pixels are read."""

from __future__ import annotations

import collections
import os
from pathlib import Path
from typing import Any

import numpy as np

from medfusion import _rust
from medfusion.data.numbers import NotNumbersError, to_numbers
from medfusion.data.table import read_table
from medfusion.errors import InputError

TABLES = frozenset({".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".parquet"})
CATEGORIES_AT_MOST = 20
MAX_FILES = 1_000_000


def inspect(path: str | Path) -> dict[str, Any]:
    """Say what a table, an image, a folder or another medical file is.

    Args:
        path: A file or a folder.

    Returns:
        Plain values: `kind` ("table", "image", "folder", "dicom", "nifti" or "unknown"), `path`
        and what the kind adds.

    Raises:
        InputError: There is no such file.
        TableError: A table that cannot be read.

    Example:
        >>> inspect("cohort.csv")["rows"]  # doctest: +SKIP
        600
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path}: there is no such file or folder"
        raise InputError(msg)
    if path.is_dir():
        return _folder(path)
    kind = _kind(path)
    facts: dict[str, Any] = {"kind": kind, "path": str(path), "bytes": path.stat().st_size}
    if kind == "image":
        height, width, channels, bits = _rust.probe_image(str(path))
        facts |= {"height": height, "width": width, "channels": channels, "bits": bits}
    elif kind == "table":
        facts |= _table(path)
    return facts


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(352)
    if head[128:132] == b"DICM":
        return "dicom"
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    if path.name.lower().endswith((".nii.gz", ".img.gz", ".hdr.gz")):
        return "nifti"
    try:
        _rust.probe_image(str(path))
    except _rust.ImageDecodeError:
        return "table" if path.suffix.lower() in TABLES else "unknown"
    return "image"


def _table(path: Path) -> dict[str, Any]:
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
    """Return what a column looks like: a guess, for a person to correct."""
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
    if (
        sum(cell.lower().endswith((".png", ".jpg", ".jpeg", ".tif", ".tiff")) for cell in known)
        > len(known) / 2
    ):
        return facts | {"guess": "image"}
    if len(counts) == len(known) and len(known) > CATEGORIES_AT_MOST:
        return facts | {"guess": "id"}
    if len(counts) <= max(CATEGORIES_AT_MOST, len(known) // 20):
        return facts | {"guess": "categorical", "levels": dict(counts.most_common(10))}
    return facts | {"guess": "text"}


def _folder(path: Path) -> dict[str, Any]:
    kinds: collections.Counter[str] = collections.Counter()
    sizes: collections.Counter[str] = collections.Counter()
    total, size = 0, 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += 1
            if total > MAX_FILES:
                msg = f"{path}: more than {MAX_FILES} files; inspect a part of it"
                raise InputError(msg)
            file = Path(folder) / name
            try:
                kind, length = _kind(file), file.stat().st_size
            except OSError:
                kinds["unreadable"] += 1
                continue
            kinds[kind] += 1
            size += length
            if kind == "image":
                height, width, channels, bits = _rust.probe_image(str(file))
                sizes[f"{height}x{width}, {channels} channel(s), {bits} bit"] += 1
    return {
        "kind": "folder",
        "path": str(path),
        "files": total,
        "bytes": size,
        "kinds": dict(kinds.most_common()),
        "images": dict(sizes.most_common(20)),
    }
