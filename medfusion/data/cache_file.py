"""The file of the cache: arrays that are only ever appended, read through a memory map.

Little-endian, all parts aligned to 64 bytes::

    header   magic, version, commit mark: the length that is whole, and its CRC-32
    segment  head, a table with one entry an array, the arrays
    segment  ...

A segment is written behind the commit mark first and the mark is moved then, so a process that is
killed at any byte leaves a file that is whole up to its mark. What lies before the mark is never
written again, but for the day of a segment's last use. The file never becomes shorter: a process
that has mapped it would die of that (SIGBUS). It is replaced instead, by a rename.

Nothing in the file is trusted: lengths are checked against the file and the table's CRC-32 when it
is opened, an array's own CRC-32 when it is first read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import stat
import struct
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust

VERSION = 1
ALIGNMENT = 64
DAY = 24 * 60 * 60

_MAGIC = b"\x93MEDFUSE"
_HEADER = struct.Struct("<8sI4xQI")
_MARK = struct.Struct("<QI")
_MARK_AT = 16
_SEGMENT_MAGIC = b"PART"
_HEAD = struct.Struct("<4sIQI4xQ")
_USED_AT = 24
_ENTRY = np.dtype(
    [
        ("key", "V32"),
        ("slot", "V16"),
        ("offset", "<u8"),
        ("nbytes", "<u8"),
        ("crc", "<u4"),
        ("ndim", "<u4"),
        ("dtype", "S8"),
        ("shape", "<u8", (6,)),
    ]
)
_DTYPES = {
    np.dtype(kind).str.encode(): np.dtype(kind)
    for kind in ("|b1", "|u1", "|i1", "<u2", "<i2", "<f2", "<u4", "<i4", "<f4", "<u8", "<i8", "<f8")
}


class DamagedError(Exception):
    """The file is not one of ours, or not whole; it has to be made anew."""


class Item(NamedTuple):
    """An array to keep."""

    key: bytes
    """32 bytes: what it was made of and how."""
    slot: bytes
    """16 bytes: what it is; a newer item of the same slot makes this one stale."""
    array: NDArray[Any]
    """C-contiguous, at most 6 axes, of plain numbers."""


@dataclasses.dataclass(eq=False, slots=True)
class Record:
    """An array of the file; not to be trusted before its bytes were compared with `crc`."""

    key: bytes
    array: NDArray[Any]
    raw: NDArray[np.uint8]
    crc: int


@dataclasses.dataclass(eq=False, slots=True)
class Segment:
    """A part of the file that was written at once."""

    offset: int
    length: int
    used: int
    entries: NDArray[Any]


class CacheFile:
    """An open file of the cache. One thread at a time; the caller holds the locks.

    Args:
        path: The file.

    Attributes:
        committed: Bytes that are whole.
        segments: Its parts, in the order they were written.
        checked: Keys of the arrays whose bytes were compared with their checksum.
        writeable: Whether arrays can be appended.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: It is of another version, foreign or damaged.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writeable = True
        try:
            handle = os.open(path, os.O_RDWR | _FLAGS)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            handle = os.open(path, os.O_RDONLY | _FLAGS)
            self.writeable = False
        self._file = os.fdopen(handle, "r+b" if self.writeable else "rb", buffering=0)
        self._index: dict[bytes, tuple[Segment, int]] = {}
        self._records: dict[bytes, Record] = {}
        self.checked: set[bytes] = set()
        self.segments: list[Segment] = []
        self.committed = ALIGNMENT
        self._map: NDArray[np.uint8] = np.empty(0, np.uint8)
        try:
            self._check_header()
            self.refresh()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path) -> Self:
        """Put a new, empty file in place of whatever is there."""
        with _replacing(path) as file:
            _start(file)
        return cls(path)

    def __contains__(self, key: bytes) -> bool:
        return key in self._index

    def __len__(self) -> int:
        return len(self._index)

    def close(self) -> None:
        """Close the file; arrays that were handed out stay valid."""
        self._file.close()
        self._map = np.empty(0, np.uint8)
        self._records.clear()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def replaced(self) -> bool:
        """Whether another file, or none, has taken this one's place."""
        try:
            now, mine = os.stat(self.path), os.fstat(self._file.fileno())  # noqa: PTH116
        except OSError:
            return True
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def refresh(self) -> bool:
        """Take in what was appended since; return whether there was anything.

        Raises:
            DamagedError: What was appended is not whole.
        """
        mark = self._read(_MARK_AT, _MARK.size)
        length, crc = _MARK.unpack(mark)
        if zlib.crc32(mark[:8]) != crc:
            msg = "its commit mark is damaged"
            raise DamagedError(msg)
        if length == self.committed:
            return False
        if not self.committed < length <= os.fstat(self._file.fileno()).st_size:
            msg = f"its commit mark says {length} bytes, which are not there"
            raise DamagedError(msg)
        while self.committed < length:
            segment = self._segment(self.committed, length)
            self.segments.append(segment)
            self._add(segment)
            self.committed += segment.length
        return True

    def get(self, key: bytes) -> Record | None:
        """Return an array, or None where there is none."""
        record = self._records.get(key)
        if record is None and key in self._index:
            segment, number = self._index[key]
            record = self._record(key, segment.entries[number])
            if record is None:
                del self._index[key]
                return None
            self._records[key] = record
            self._touch(segment)
        return record

    def drop(self, key: bytes) -> None:
        """Forget an array that turned out to be damaged; it may be appended again."""
        self._records.pop(key, None)
        self._index.pop(key, None)
        self.checked.discard(key)

    def append(self, items: Sequence[Item]) -> None:
        """Append arrays and move the commit mark.

        Raises:
            OSError: The disk is full or the like; what was there before is intact.
        """
        segment = _write_segment(
            self._file, self.committed, _entries(items), (_raw(item.array) for item in items)
        )
        self._file.seek(_MARK_AT)
        _write(self._file, _mark(segment.offset + segment.length))
        self.segments.append(segment)
        self._add(segment)
        self.committed += segment.length

    def raw(self, entry: Any) -> NDArray[np.uint8]:
        """Return the bytes of an entry, as they lie in the file."""
        first, count = int(entry["offset"]), int(entry["nbytes"])
        if first + count > len(self._map):
            # What was mapped before stays so as long as an array looks at it, not longer.
            self._records.clear()
            try:
                mapped = mmap.mmap(self._file.fileno(), self.committed, access=mmap.ACCESS_READ)
            except ValueError as error:  # longer than the file, which somebody has cut
                raise DamagedError(str(error)) from None
            self._map = np.frombuffer(mapped, np.uint8)
        return self._map[first : first + count]

    def _check_header(self) -> None:
        facts = os.fstat(self._file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            msg = "it is no regular file"
            raise DamagedError(msg)
        if hasattr(os, "getuid") and facts.st_uid != os.getuid():
            msg = "it belongs to another user"
            raise DamagedError(msg)
        header = self._read(0, _HEADER.size)
        magic, version, _, _ = _HEADER.unpack(header)
        if magic != _MAGIC:
            msg = "it is no cache of MedFusion"
            raise DamagedError(msg)
        if version != VERSION:
            msg = f"it is of version {version}, not {VERSION}"
            raise DamagedError(msg)

    def _segment(self, offset: int, end: int) -> Segment:
        head = self._read(offset, ALIGNMENT)
        magic, count, length, crc, used = _HEAD.unpack_from(head)
        first = offset + ALIGNMENT + count * _ENTRY.itemsize
        last = offset + length
        if magic != _SEGMENT_MAGIC or length % ALIGNMENT or not first <= last <= end:
            msg = f"the part at byte {offset} is damaged"
            raise DamagedError(msg)
        table = self._read(offset + ALIGNMENT, count * _ENTRY.itemsize)
        entries = np.frombuffer(table, _ENTRY)
        inside = (
            (entries["offset"] >= first)
            & (entries["offset"] <= last)
            & (entries["nbytes"] <= last - np.minimum(entries["offset"], last))
            & (entries["offset"] % ALIGNMENT == 0)
        )
        if zlib.crc32(table, zlib.crc32(head[:16])) != crc or not inside.all():
            msg = f"the table at byte {offset} is damaged"
            raise DamagedError(msg)
        return Segment(offset, length, used, entries)

    def _add(self, segment: Segment) -> None:
        for number, key in enumerate(_column(segment.entries, "key")):
            if key in self._index:
                self.drop(key)
            self._index[key] = (segment, number)

    def _record(self, key: bytes, entry: Any) -> Record | None:
        dtype, ndim = _DTYPES.get(bytes(entry["dtype"])), int(entry["ndim"])
        if dtype is None or ndim > 6:
            return None
        shape = tuple(entry["shape"][:ndim].tolist())
        count = dtype.itemsize
        for side in shape:
            count *= side  # Python's integers do not wrap
        if count != entry["nbytes"]:
            return None
        raw = self.raw(entry)
        return Record(key, raw.view(dtype).reshape(shape), raw, int(entry["crc"]))

    def _touch(self, segment: Segment) -> None:
        """Note that a part is in use, once in a while."""
        now = int(time.time())
        if self.writeable and now - segment.used > DAY / 24:
            segment.used = now
            with contextlib.suppress(OSError):  # it only decides what goes first
                self._file.seek(segment.offset + _USED_AT)
                _write(self._file, now.to_bytes(8, "little"))

    def _read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        content = b""
        while len(content) < count and (more := self._file.read(count - len(content))):
            content += more
        if len(content) < count:
            msg = "it ends too early"
            raise DamagedError(msg)
        return content


def size_of(items: Iterable[Item]) -> int:
    """Return the bytes that arrays take in a file, when they are appended together."""
    return ALIGNMENT + sum(_ENTRY.itemsize + int(_aligned(i.array.nbytes)) for i in items)


def accepts(array: NDArray[Any]) -> bool:
    """Whether an array is of a kind that the file holds."""
    known = array.dtype.str.encode() in _DTYPES
    return known and array.ndim <= 6 and bool(array.flags.c_contiguous)


def compact(file: CacheFile, room: int, now: float) -> int:
    """Return the bytes saved by a new file without what is stale, put in the place of `file`.

    Stale is what a newer array of its slot has replaced. Where the rest takes more than `room`,
    the parts that nobody has used for a day go too, the longest unused first.

    Args:
        file: Is closed when another has taken its place; open it anew.
        room: Bytes that the new file should take.
        now: Seconds since 1970.

    Raises:
        OSError: The disk is full or the like; the old file is still there.
    """
    live = _live(file.segments)
    sizes = [
        ALIGNMENT
        + int(_aligned(part.entries["nbytes"][kept] + 0).sum())
        + len(kept) * _ENTRY.itemsize
        for part, kept in zip(file.segments, live, strict=True)
    ]
    total = ALIGNMENT + sum(size for size, kept in zip(sizes, live, strict=True) if len(kept))
    for number in sorted(range(len(sizes)), key=lambda number: file.segments[number].used):
        part = file.segments[number]
        if total <= room or part.used > now - DAY:
            break
        if len(live[number]):
            total -= sizes[number]
            live[number] = live[number][:0]
    saved = file.committed - total
    if saved < max(1, file.committed // 10):  # not worth the writing
        return 0
    with _replacing(file.path) as new:
        end = _start(new)
        for part, kept in zip(file.segments, live, strict=True):
            if len(kept):
                entries = part.entries[kept]
                payloads = (file.raw(entry) for entry in entries)
                written = _write_segment(new, end, entries.copy(), payloads, part.used)
                end += written.length
        new.seek(_MARK_AT)
        _write(new, _mark(end))
    file.close()
    return saved


def _live(segments: Sequence[Segment]) -> list[NDArray[np.int64]]:
    """Return the entries of each part that no later one replaces."""
    keys: set[bytes] = set()
    slots: set[bytes] = set()
    found = []
    for part in reversed(segments):
        kept = []
        names = list(zip(_column(part.entries, "key"), _column(part.entries, "slot"), strict=True))
        for number, (key, slot) in reversed(list(enumerate(names))):
            if key not in keys and slot not in slots:
                kept.append(number)
            keys.add(key)
            slots.add(slot)
        found.append(np.array(kept[::-1], dtype=np.int64))
    return found[::-1]


def _column(entries: NDArray[Any], name: str) -> list[bytes]:
    width = entries.dtype[name].itemsize
    joined = entries[name].tobytes()
    return [joined[at : at + width] for at in range(0, len(joined), width)]


def _entries(items: Sequence[Item]) -> NDArray[Any]:
    entries = np.zeros(len(items), _ENTRY)
    for entry, item in zip(entries, items, strict=True):
        array = item.array
        entry["key"], entry["slot"] = np.void(item.key), np.void(item.slot)
        entry["nbytes"], entry["ndim"], entry["dtype"] = array.nbytes, array.ndim, array.dtype.str
        entry["shape"][: array.ndim] = array.shape
    entries["crc"] = _rust.checksums([_raw(item.array) for item in items], 1)
    return entries


def _raw(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def _write_segment(
    file: Any,
    offset: int,
    entries: NDArray[Any],
    payloads: Iterable[NDArray[np.uint8]],
    used: int | None = None,
) -> Segment:
    """Write a part at `offset`; fills in where its arrays lie."""
    sizes = _aligned(entries["nbytes"]).astype(np.uint64)
    first = offset + ALIGNMENT + entries.nbytes
    entries["offset"] = np.uint64(first) + np.cumsum(sizes) - sizes
    length = first + int(sizes.sum()) - offset
    used = int(time.time()) if used is None else used
    table = entries.tobytes()
    start = struct.pack("<4sIQ", _SEGMENT_MAGIC, len(entries), length)
    crc = zlib.crc32(table, zlib.crc32(start))
    head = _HEAD.pack(_SEGMENT_MAGIC, len(entries), length, crc, used)
    file.seek(offset)
    _write(file, head.ljust(ALIGNMENT, b"\0") + table)
    for payload in payloads:
        _write(file, payload)
        _write(file, bytes(-len(payload) % ALIGNMENT))
    return Segment(offset, length, used, entries)


def _start(file: Any) -> int:
    """Write the header of an empty file and return where its first part begins."""
    header = _HEADER.pack(_MAGIC, VERSION, *_MARK.unpack(_mark(ALIGNMENT)))
    _write(file, header.ljust(ALIGNMENT, b"\0"))
    return ALIGNMENT


def _mark(length: int) -> bytes:
    return _MARK.pack(length, zlib.crc32(length.to_bytes(8, "little")))


def _write(file: Any, content: bytes | NDArray[np.uint8]) -> None:
    rest = memoryview(content)  # type: ignore[arg-type]
    while rest:
        rest = rest[file.write(rest) :]


def _aligned(count: Any) -> Any:  # a number or an array of them
    return (count + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """Give a new private file (0600) and put it in place of `path` at the end."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b", buffering=0) as file:
            yield file
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - text and Path
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
