"""The tables in a folder, for a person to choose from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medfusion.data.inspection import TABLES

DEPTH = 4
MOST = 300
_LOOKED_AT = 20_000
"""Entries of folders that are looked at; folders with many images are passed over quickly."""


def table_files(folder: str | Path) -> tuple[list[dict[str, Any]], bool]:
    """Return the tables below a folder, known by their names' endings, and whether that is all.

    Hidden folders and links that lead elsewhere are passed over.

    Returns:
        `path` relative to the folder with slashes, `bytes` and `changed` (seconds since 1970) of
        each, the nearest to the folder first; and False where there are more.

    Example:
        >>> table_files(".")[0][:1]  # doctest: +SKIP
        [{'path': 'skin.csv', 'bytes': 139212, 'changed': 1790000000.0}]
    """
    base = os.fspath(folder)
    found: list[dict[str, Any]] = []
    seen = 0
    level = [base]
    for _ in range(DEPTH):
        deeper: list[str] = []
        for here in level:
            for entry in _entries(here):
                seen += 1
                if seen > _LOOKED_AT or len(found) >= MOST:
                    return found, False
                if entry.is_dir(follow_symlinks=False):
                    deeper.append(entry.path)
                elif Path(entry.name).suffix.lower() in TABLES and entry.is_file(
                    follow_symlinks=False
                ):
                    facts = entry.stat(follow_symlinks=False)
                    path = Path(entry.path).relative_to(base).as_posix()
                    found.append({"path": path, "bytes": facts.st_size, "changed": facts.st_mtime})
        level = deeper
    return found, not level


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not entry.name.startswith((".", "__"))]
    except OSError:
        return []
    return sorted(kept, key=lambda entry: entry.name)
