"""Paths written in a table, resolved to files that lie inside the data root or refused."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from medfusion.errors import DataRootError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|(?:data|file|https?|ftp|s3|gs):", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:")
SHOWN = 5


class _OutsideError(Exception):
    """A cell that is refused, with the reason."""


def resolve(
    cells: Sequence[str | None], root: Path, column: str, where: Callable[[int], str]
) -> list[str | None]:
    """Return the absolute path for each cell, None for an empty one.

    Windows' backslashes count as slashes. Symbolic links and ".." are followed before the check,
    so neither leads out of the root. The files need not exist.

    Args:
        cells: What the table says.
        root: Folder from which relative paths start and which no path may leave.
        column: Name of the column, for messages.
        where: Gives the place of a row in words.

    Raises:
        DataRootError: Cells that leave the root, or are addresses; with their rows.
    """
    real_root = os.path.realpath(root)
    folders: dict[str, str] = {}
    found: list[str | None] = []
    refused: list[str] = []
    for row, cell in enumerate(cells):
        try:
            found.append(None if cell is None else _resolve(cell, real_root, folders))
        except _OutsideError as error:
            found.append(None)
            refused.append(f"{where(row)}: {cell!r} {error}")
    if refused:
        listed = "\n  ".join(refused[:SHOWN])
        more = f"\n  and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        msg = (
            f"column {column!r}: paths that leave the data root {real_root}:\n  {listed}{more}\n"
            "  Put the files under that folder, or set data.root to a folder that holds them"
        )
        raise DataRootError(msg)
    return found


def regular_file(path: str) -> str | None:
    """Return why a path is no readable file, or None when it is one.

    >>> regular_file("/no/such/file")
    'there is no such file'
    """
    mode = _mode(path)
    if isinstance(mode, str):
        return mode
    # A pipe or a device would block the reader for ever.
    return None if stat.S_ISREG(mode) else "is no file"


def there(path: str) -> str | None:
    """Return why a path is neither a readable file nor a folder, or None when it is one.

    >>> there("/")
    """
    mode = _mode(path)
    if isinstance(mode, str):
        return mode
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "is neither a file nor a folder"


def _mode(path: str) -> int | str:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - one call per image of a large cohort
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except (OSError, ValueError) as error:
        return f"cannot be opened ({getattr(error, 'strerror', None) or error})"


def _resolve(cell: str, root: str, folders: dict[str, str]) -> str:
    if "\0" in cell:
        msg = "holds a NUL character"
        raise _OutsideError(msg)
    if _ADDRESS.match(cell):
        msg = "is an address, not a path; download the files first"
        raise _OutsideError(msg)
    if os.name != "nt" and _DRIVE.match(cell):
        msg = "is a path on a Windows drive; write it relative to the data root"
        raise _OutsideError(msg)
    path = os.path.join(root, cell.replace("\\", "/"))  # noqa: PTH118
    folder, name = os.path.split(path)
    if name in ("", ".", ".."):
        real = os.path.realpath(path)
    else:
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real = os.path.join(folders[folder], name)  # noqa: PTH118
        if os.path.islink(real):  # noqa: PTH114
            real = os.path.realpath(real)
    if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
        msg = "leads outside"
        raise _OutsideError(msg)
    return real
