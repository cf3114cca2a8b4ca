"""What a source holds: the SHA-256 of its content, read again only when it may have changed.

A file whose size, times and number are what they were when it was hashed is taken to hold what it
held then. That is no proof for a file that was changed a moment before it was hashed, since a file
system's clock ticks: such a file is hashed again until it has rested for two seconds.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medfusion import _rust
from medfusion.data.cache import Cache, Item

Stamp = tuple[int, int, int, int]
"""Bytes, last change of the content, of the entry (nanoseconds since 1970), number of the file."""

_REST = 2 * 10**9
_PAIRED = {".hdr": ".img", ".img": ".hdr"}


class Content(NamedTuple):
    """What a source held when it was looked at."""

    digest: bytes
    """SHA-256 of all its files."""
    base: str
    """The folder that its files lie in."""
    files: tuple[str, ...]
    stamps: tuple[Stamp | None, ...]
    """Of each file."""
    rested: bool
    """Whether the stamps tell a later change for sure."""


class Contents:
    """The contents of sources, remembered in this process and, through a cache, in later ones.

    Args:
        cache: Where digests are kept.

    Example:
        >>> contents = Contents(cache)  # doctest: +SKIP
        >>> contents.look(["a.jpg"])[0].digest.hex()  # doctest: +SKIP
        '9f86d081884c7d65...'
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._known: dict[str, Content] = {}

    def look(self, sources: Sequence[str]) -> list[Content | None]:
        """Return what each source holds now; None where it cannot be read.

        A source is a file, or a folder with all that is in it; of a NIfTI pair either file stands
        for both.
        """
        stamps = _rust.file_stamps(sources)
        found: list[Content | None] = [None] * len(sources)
        wanted = []
        for place, (source, stamp) in enumerate(zip(sources, stamps, strict=True)):
            known = self._known.get(source)
            if known is not None and known.rested and known.stamps == (stamp,):
                found[place] = known
            else:
                wanted.append(place)
        if wanted:
            for place, content in zip(
                wanted, self._read([sources[p] for p in wanted]), strict=True
            ):
                found[place] = content
        return found

    def unchanged(self, contents: Sequence[Content | None]) -> list[bool]:
        """Return whether each source still holds what it held: what was read since is of that."""
        paths = [path for content in contents if content for path in content.files]
        stamps = iter(_rust.file_stamps(paths))
        young = [path for c in contents if c is not None and not c.rested for path in c.files]
        digests = dict(zip(young, _rust.hash_files(young), strict=True))
        answers = []
        for content in contents:
            if content is None:
                answers.append(False)
                continue
            same = tuple(next(stamps) for _ in content.files) == content.stamps
            if same and not content.rested:
                now = [digests[path] for path in content.files]
                same = _joined(content.base, content.files, now) == content.digest
            answers.append(same)
        return answers

    def _read(self, sources: Sequence[str]) -> list[Content | None]:
        parts = [_files(source) for source in sources]
        files = list(dict.fromkeys(path for _, part in parts for path in part))
        now = time.time_ns()
        stamps = dict(zip(files, _rust.file_stamps(files), strict=True))
        rested = {path: stamp is not None and _rested(stamp, now) for path, stamp in stamps.items()}
        digests = self._digests(files, stamps, rested)
        found: list[Content | None] = []
        for source, (base, part) in zip(sources, parts, strict=True):
            digest = _joined(base, part, [digests.get(path) for path in part])
            if digest is None:
                found.append(None)
                continue
            content = Content(
                digest,
                base,
                tuple(part),
                tuple(stamps[path] for path in part),
                all(rested[path] for path in part),
            )
            if len(part) == 1:
                self._known[source] = content
            found.append(content)
        return found

    def _digests(
        self, files: Sequence[str], stamps: dict[str, Stamp | None], rested: dict[str, bool]
    ) -> dict[str, str | None]:
        """Return the hash of each file, from the cache where it is known."""
        keys = {path: _memo_key(path, stamps[path]) for path in files if rested[path]}
        kept = self._cache.get(list(keys.values()))
        digests: dict[str, str | None] = {
            path: array.tobytes().hex()
            for path, array in zip(keys, kept, strict=True)
            if array is not None and array.dtype == np.uint8 and array.shape == (32,)
        }
        unknown = [path for path in files if path not in digests and stamps[path] is not None]
        digests |= dict(zip(unknown, _rust.hash_files(unknown), strict=True))
        after = dict(zip(unknown, _rust.file_stamps(unknown), strict=True))
        items = []
        for path in unknown:
            digest = digests[path]
            if digest is None or after[path] != stamps[path]:  # changed while it was read
                digests[path] = None
            elif rested[path]:
                slot = hashlib.sha256(b"stamp\0" + os.fsencode(path)).digest()[:16]
                items.append(Item(keys[path], slot, np.frombuffer(bytes.fromhex(digest), np.uint8)))
        self._cache.put(items)
        return digests


def digests(sources: Sequence[str]) -> list[str | None]:
    """Return the digest of each source as hexadecimal text, without any memory of earlier ones.

    It is that of `Contents.look`: of a file its SHA-256, of a folder that of all that is in it.
    """
    parts = [_files(source) for source in sources]
    files = list(dict.fromkeys(path for _, part in parts for path in part))
    known = dict(zip(files, _rust.hash_files(files), strict=True))
    joined = [_joined(base, part, [known[path] for path in part]) for base, part in parts]
    return [None if digest is None else digest.hex() for digest in joined]


def _files(source: str) -> tuple[str, list[str]]:
    """Return the files that a source is made of, and the folder that they lie in."""
    path = Path(source)
    if path.is_dir():
        return source, sorted(str(file) for file in path.rglob("*") if file.is_file())
    packed = source[-3:] if source.lower().endswith(".gz") else ""
    stem, ending = os.path.splitext(source.removesuffix(packed))  # noqa: PTH122 - text stays as it is
    other = _PAIRED.get(ending.lower())
    if other is not None:
        twin = stem + (other if ending.islower() else other.upper()) + packed
        if Path(twin).is_file():
            return str(path.parent), sorted([source, twin])
    return str(path.parent), [source]


def _joined(base: str, files: Sequence[str], digests: Sequence[str | None]) -> bytes | None:
    """Return one digest for all files; that of the file itself where there is one."""
    if not files or None in digests:
        return None
    if len(files) == 1:
        return bytes.fromhex(str(digests[0]))
    # Names below the folder count, the folder's own place does not.
    names = [os.path.relpath(path, base) for path in files]
    pairs = sorted(zip(names, digests, strict=True))
    return hashlib.sha256(repr(pairs).encode("utf-8", "surrogateescape")).digest()


def _rested(stamp: Stamp, now: int) -> bool:
    # The entry's time is the kernel's own; that of the content can be set to anything.
    changed = stamp[1] if os.name == "nt" else stamp[2]
    return now - changed > _REST


def _memo_key(path: str, stamp: Stamp | None) -> bytes:
    return hashlib.sha256(b"stamp\0" + os.fsencode(path) + repr(stamp).encode()).digest()
