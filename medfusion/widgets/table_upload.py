"""A table that a page sends in parts, checked by its content before it is kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medfusion.errors import InputError, StorageError, TableError
from medfusion.widgets.draft_panel import word
from medfusion.widgets.panel import answers

MOST_BYTES = 128 << 20
"""Bytes of a table that may come from a page; a larger one is put into the folder as a file."""
PART_BYTES = 512 << 10
MOST_AT_ONCE = 4

_SUFFIX = {"csv": (".csv", ".tsv", ".txt"), "excel": (".xlsx", ".xlsm"), "parquet": (".parquet",)}
_REFUSED = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class TableUpload:
    """Takes a table in parts and writes it into a folder.

    It is named as the person named it, as far as that is a file's name; a file that is there is
    never overwritten.

    Args:
        folder: Where it is kept.
        opened: Called with its path relative to the folder when it is there.
    """

    def __init__(self, folder: Path, opened: Callable[[str], Any]) -> None:
        self._folder = folder
        self._opened = opened
        self._parts: dict[str, tuple[str, int, Any]] = {}

    @answers
    def data_upload(self, name: str, size: int) -> dict[str, Any]:
        """Begin: return the key under which the parts come, and how large they are."""
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            msg = f"{word(name)}: is empty"
            raise InputError(msg)
        if size > MOST_BYTES:
            msg = (
                f"{name}: {size >> 20} MiB is more than the {MOST_BYTES >> 20} MiB that a page may "
                "send; put the file into the folder and choose it there"
            )
            raise InputError(msg)
        while len(self._parts) >= MOST_AT_ONCE:  # begun and never finished
            self._parts.pop(next(iter(self._parts)))[2].close()
        key = os.urandom(8).hex()
        self._parts[key] = (word(name), size, tempfile.SpooledTemporaryFile(8 << 20))  # noqa: SIM115
        return {"key": key, "part": PART_BYTES}

    @answers
    def data_upload_part(self, key: str, at: int, content: str) -> dict[str, Any]:
        """Take a part, as base64; the last one is answered with the path of the table."""
        if word(key) not in self._parts:
            msg = "this upload was not begun, or has ended; choose the file again"
            raise InputError(msg)
        name, size, file = self._parts[key]
        try:
            part = base64.b64decode(word(content), validate=True)
        except (binascii.Error, ValueError):
            part = b""
        if file.tell() != at or not part or at + len(part) > size:
            self._drop(key)
            msg = f"{name}: a part was lost on the way; choose the file again"
            raise InputError(msg)
        file.write(part)
        if file.tell() < size:
            return {"got": file.tell()}
        file.seek(0)
        whole = file.read()
        self._drop(key)
        path = self._kept(name, whole)
        self._opened(path)
        return {"got": size, "path": path}

    def _drop(self, key: str) -> None:
        self._parts.pop(key)[2].close()

    def _kept(self, name: str, content: bytes) -> str:
        from medfusion.data.table import read_table

        handle, temporary = tempfile.mkstemp(prefix=".upload-", dir=self._folder)
        path = Path(temporary)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            try:
                kind = read_table(path).format
            except InputError as error:
                raise TableError(str(error).replace(str(path), name)) from None
            target = self._free(name, kind, content)
            if target.exists():
                path.unlink()
            else:
                path.chmod(0o600)
                path.rename(target)
        except OSError as error:
            path.unlink(missing_ok=True)
            msg = f"{name}: cannot be written ({error.strerror or error})"
            raise StorageError(msg) from error
        except InputError:
            path.unlink(missing_ok=True)
            raise
        return target.name

    def _free(self, name: str, kind: str, content: bytes) -> Path:
        """Return a path that is free, or holds the very same content."""
        plain = _REFUSED.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(". ")[:120]
        stem, suffix = os.path.splitext(plain or "table")  # noqa: PTH122 - a name, not a path
        if suffix.lower() not in _SUFFIX[kind]:
            suffix = _SUFFIX[kind][0]
        target = self._folder / f"{stem}{suffix}"
        number = 1
        while target.exists() and _digest(target) != hashlib.sha256(content).hexdigest():
            number += 1
            target = self._folder / f"{stem} ({number}){suffix}"
        return target


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
