"""Walk a folder and read the headers of all DICOM files in it, on threads."""

from __future__ import annotations

import collections
import dataclasses
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medfusion import _rust
from medfusion.data.dicom.frames import Frame, frames_of
from medfusion.errors import VolumeReadError

CHUNK = 4096
"""Headers in memory at once: what is not kept of them is a few kB each."""
MAX_FILES = 1_000_000
PREAMBLE = 132
LEAST = 600
"""Bytes that a file with its meta group (PS3.10) has at least."""
DIRECTORY = "1.2.840.10008.1.3.10"
SUFFIXES = (".dcm", ".dicom", ".ima")


@dataclasses.dataclass
class Scan:
    """What a folder holds.

    Attributes:
        path: What was looked at.
        frames: Every image of every DICOM file.
        damaged: DICOM files that cannot be read, with the reason.
        other: Files that are no DICOM, and directories of DICOM files (DICOMDIR).
        unseen: Folders and files that may not be opened, with the reason.
        imageless: DICOM objects without pixels (reports, structures), by modality.
    """

    path: str
    frames: list[Frame] = dataclasses.field(default_factory=list)
    damaged: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    other: list[str] = dataclasses.field(default_factory=list)
    unseen: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    imageless: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


def scan(path: str | os.PathLike[str], *, threads: int = 0) -> Scan:
    """Read the headers of a DICOM file, or of all DICOM files in a folder and those below it.

    Links to folders are followed, each folder once. Files are known by their content, so names
    and extensions do not matter; what is no DICOM is passed over and listed.

    Args:
        path: A file or a folder.
        threads: Threads that read; 0 takes all cores.

    Raises:
        VolumeReadError: There is no such path, or it may not be opened, or holds too much.
    """
    text = os.fspath(path)
    found = Scan(text)
    return scan_files(files_of(text, found), found, threads=threads)


def scan_files(files: Sequence[str], found: Scan, *, threads: int = 0) -> Scan:
    """Read the headers of files into `found`."""
    known: dict[Any, Any] = {}
    for start in range(0, len(files), CHUNK):
        part = files[start : start + CHUNK]
        for file, header in zip(part, _rust.dicom_headers(part, threads), strict=True):
            if isinstance(header, str):
                _failed(file, header, found)
            elif header["sop_class"] == DIRECTORY or _is_directory(file):
                found.other.append(file)
            elif not header["has_pixels"]:
                _without_pixels(file, header, found)
            else:
                try:
                    found.frames += frames_of(file, header, known)
                except (ValueError, OSError) as error:
                    found.damaged.append((file, str(error)))
    return found


def files_of(text: str, found: Scan) -> list[str]:
    """Return a file, or all regular files of a folder, in the order of their names.

    Raises:
        VolumeReadError: There is no such path, or it may not be opened, or holds too much.
    """
    try:
        mode = os.stat(text).st_mode  # noqa: PTH116
    except (OSError, ValueError) as error:
        msg = f"{text}: cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise VolumeReadError(msg) from error
    if not stat.S_ISDIR(mode):
        if stat.S_ISREG(mode):
            return [text]
        msg = f"{text}: is neither a file nor a folder"
        raise VolumeReadError(msg)
    files = []
    for file in _walk(text, found):
        files.append(file)
        if len(files) > MAX_FILES:
            msg = f"{text}: holds more than {MAX_FILES} files; name a folder within it"
            raise VolumeReadError(msg)
    if not files and found.unseen and found.unseen[0][0] == text:
        msg = f"{text}: cannot be opened ({found.unseen[0][1]})"
        raise VolumeReadError(msg)
    return files


def _walk(top: str, found: Scan) -> Iterator[str]:
    """Yield the regular files of a tree; every folder once, however many links lead to it."""
    seen: set[tuple[int, int]] = set()
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            place = os.stat(folder)  # noqa: PTH116 - called for each folder of large trees
            if (place.st_dev, place.st_ino) in seen:
                continue
            seen.add((place.st_dev, place.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            found.unseen.append((folder, error.strerror or str(error)))
            continue
        below = []
        for entry in entries:
            try:
                if entry.is_dir():
                    below.append(entry.path)
                elif entry.is_file():
                    yield entry.path
            except OSError as error:
                found.unseen.append((entry.path, error.strerror or str(error)))
        folders += reversed(below)


def _without_pixels(file: str, header: dict[str, Any], found: Scan) -> None:
    if header["truncated"]:
        found.damaged.append((file, "the file ends before its pixels"))
    elif header["sop_class"] is None and os.path.getsize(file) < LEAST:  # noqa: PTH202
        found.damaged.append((file, "the file ends before its data set"))
    else:
        found.imageless[header["modality"] or "no modality"] += 1


def _failed(file: str, reason: str, found: Scan) -> None:
    """Sort a file without a readable header: damaged DICOM, something else, or not to be opened."""
    try:
        with Path(file).open("rb") as opened:
            head = opened.read(PREAMBLE)
    except OSError as error:
        found.unseen.append((file, error.strerror or str(error)))
        return
    if _is_directory(file):
        found.other.append(file)
    elif head[128:] == b"DICM" or file.lower().endswith(SUFFIXES):
        found.damaged.append((file, reason))
    else:
        found.other.append(file)


def _is_directory(file: str) -> bool:
    return os.path.basename(file).upper() == "DICOMDIR"  # noqa: PTH119
