"""What was decoded and prepared once, kept on disk between epochs, runs and processes.

A record is found by its key, the SHA-256 of the content of its source and of all that was done to
it, so an image that was changed or a transform that was set otherwise is made anew and never
taken from the cache. All records lie in one memory-mapped file (`cache_file`) in the user's own
cache folder, private to the user, since they are medical images.

The cache only ever saves time. Where it cannot work (a folder that is read-only, a full disk, a
file that is damaged, another process that holds the lock) the work goes on without it, and
`Cache.notes` says why.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import cache_file
from medfusion.data.cache_file import CacheFile, DamagedError, Item, Record

__all__ = ["Cache", "Item", "cache_folder"]

VARIABLE = "MEDFUSION_CACHE"
GIB = 2**30
FILE = "prepared.cache"
LOCK_SECONDS = 10.0
"""How long to wait for another process that writes; then this batch is not kept."""

_KEPT_FREE = GIB
_NOTES = 20


def cache_folder() -> Path | None:
    """Return the folder of the cache, or None where it is switched off.

    It is what the environment variable MEDFUSION_CACHE says ("off" switches it off), else
    `medfusion` in the user's cache folder: XDG_CACHE_HOME or ~/.cache, ~/Library/Caches on macOS,
    %LOCALAPPDATA% on Windows.

    Example:
        >>> cache_folder()  # doctest: +SKIP
        PosixPath('/home/ada/.cache/medfusion')
    """
    said = os.environ.get(VARIABLE, "")
    if said.lower() == "off":
        return None
    if said:
        return Path(said).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "medfusion"
    except RuntimeError:  # an account without a home
        return None


class Cache:
    """Arrays by key, in one file. Safe for threads, for several processes and after a fork.

    Args:
        path: The file; its folder is made where missing, readable by the user alone.
        max_bytes: What the file may take; what does not fit is not kept.

    Attributes:
        notes: Why something is not kept, in sentences; empty as long as all is well.

    Example:
        >>> cache = Cache(Path("prepared.cache"), 2**30)  # doctest: +SKIP
        >>> cache.put([Item(key, slot, array)])  # doctest: +SKIP
        >>> (cache.get([key])[0] == array).all()  # doctest: +SKIP
        True
    """

    def __init__(self, path: str | Path, max_bytes: int) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self.notes: list[str] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._file: CacheFile | None = None
        self._off = False

    @classmethod
    def default(cls, gigabytes: float) -> Cache | None:
        """Return the user's cache, at most `gigabytes` GiB; None where it is switched off."""
        folder = cache_folder()
        if folder is None or gigabytes <= 0:
            return None
        return cls(folder / "prepared" / FILE, int(gigabytes * GIB))

    def get(self, keys: Sequence[bytes | None]) -> list[NDArray[Any] | None]:
        """Return the arrays of keys, None where there is none.

        The arrays lie in the mapped file: read-only, and not copied. The checksum of each is
        compared when this process first asks for it.
        """
        records: list[Record | None] = [None] * len(keys)
        fresh: list[Record] = []
        with self._usable() as file:
            if file is not None:
                records = _found(file, keys)
                if None in records and file.refresh():  # another process may have appended
                    records = _found(file, keys)
                fresh = [r for r in records if r is not None and r.key not in file.checked]
        damaged = self._compare(fresh)
        return [None if r is None or r.key in damaged else r.array for r in records]

    def put(self, items: Sequence[Item]) -> None:
        """Keep arrays, as far as they fit. What is there already is not kept twice."""
        items = [item for item in items if cache_file.accepts(item.array)]
        with self._usable() as file:
            if file is None or not file.writeable or not items:
                return
            with self._writing() as locked:
                if not locked:
                    return
                newest = self._newest(file)
                newest.refresh()
                fresh = {item.key: item for item in items if item.key not in newest}
                fitting = self._fitting(newest, list(fresh.values()))
                if fitting:
                    newest.append(fitting)

    def facts(self) -> dict[str, Any]:
        """Return where the file is, what it holds and when it was last used."""
        facts = {"path": str(self.path), "bytes": 0, "arrays": 0, "last_used": None}
        with self._usable(make=False) as file:
            if file is not None:
                used = max((part.used for part in file.segments), default=None)
                facts |= {"bytes": file.committed, "arrays": len(file), "last_used": used}
        return facts

    def clear(self) -> int:
        """Remove the file and return its bytes; a process that has it open keeps what it has."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            found = self.path.stat().st_size if self.path.exists() else 0
            self.path.unlink(missing_ok=True)
            return found

    # The file and who may use it -----------------------------------------------------------------

    @contextlib.contextmanager
    def _usable(self, *, make: bool = True) -> Iterator[CacheFile | None]:
        """Give the open file to one thread at a time, None where there is none.

        No failure of the cache goes further than this.
        """
        if self._pid != os.getpid():  # a forked child: a thread that it lacks may hold the lock
            self._lock, self._file, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            with self._failures():
                if self._file is None and not self._off and (make or self.path.exists()):
                    self._file = self._open()
            with self._failures():
                yield self._file

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except DamagedError as error:  # it is made anew when it is asked for next
            self._close(f"{self.path} was damaged: {error}")
        except OSError as error:
            self._off = True
            self._close(f"{error.filename or self.path}: {error.strerror or error}")

    def _open(self) -> CacheFile | None:
        folder = self.path.parent
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid"):
            facts = folder.stat()
            if facts.st_uid != os.getuid():
                raise PermissionError(errno.EPERM, "belongs to another user", str(folder))
            if facts.st_mode & 0o077:
                folder.chmod(0o700)
        try:
            file = CacheFile(self.path)
        except (FileNotFoundError, DamagedError):
            with self._writing() as locked:
                return self._made() if locked else None
        if file.writeable and file.committed > self.max_bytes * 3 // 4:
            with self._writing() as locked:
                if locked:
                    return self._compacted(self._newest(file))
        return file

    def _made(self) -> CacheFile:
        """Return the file as another process has made it meanwhile, else a new one."""
        try:
            return CacheFile(self.path)
        except FileNotFoundError:
            pass
        except DamagedError as error:
            self._note(f"{self.path} is begun anew: {error}")
        self._sweep()
        return CacheFile.create(self.path)

    def _compacted(self, file: CacheFile) -> CacheFile:
        self._sweep()
        try:
            saved = cache_file.compact(file, self.max_bytes // 2, time.time())
        except OSError as error:
            self._note(f"{self.path} cannot be made smaller: {error.strerror}")
            return file
        return CacheFile(self.path) if saved else file

    def _sweep(self) -> None:
        """Remove what a process left that was killed while it made a new file."""
        for left in self.path.parent.glob(f".{self.path.name}.*.part"):
            left.unlink(missing_ok=True)

    def _newest(self, file: CacheFile) -> CacheFile:
        """Return the file at the path, which another process may have replaced."""
        if file.replaced():
            file.close()
            self._file = file = self._made()
        return file

    def _fitting(self, file: CacheFile, items: list[Item]) -> list[Item]:
        disk = shutil.disk_usage(self.path.parent)
        room = min(
            self.max_bytes - file.committed,
            # A cache must not be what fills the disk on which checkpoints are written.
            disk.free - min(_KEPT_FREE, disk.total // 20),
        )
        fitting = []
        left = room - cache_file.size_of([])
        for item in items:
            left -= cache_file.size_of([item]) - cache_file.size_of([])
            if left < 0:
                self._note(
                    f"{self.path} is full ({file.committed / GIB:.3g} of "
                    f"{self.max_bytes / GIB:.3g} GiB; {disk.free / GIB:.3g} GiB are free on its "
                    "disk): what does not fit is made anew each time"
                )
                break
            fitting.append(item)
        return fitting

    @contextlib.contextmanager
    def _writing(self) -> Iterator[bool]:
        """Keep other processes from writing; False where that cannot be had."""
        lock = filelock.FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout:
            self._note(f"{self.path}: another process is writing; not everything is kept")
            yield False
            return
        except NotImplementedError as error:  # a file system without locks
            raise OSError(errno.ENOTSUP, str(error), lock.lock_file) from None
        try:
            yield True
        finally:
            lock.release()

    def _compare(self, records: Sequence[Record]) -> set[bytes]:
        """Return the keys of the records whose bytes are damaged, and forget these."""
        if not records:
            return set()
        sums = _rust.checksums([record.raw for record in records], 1)
        pairs = list(zip(records, sums, strict=True))
        damaged = {record.key for record, crc in pairs if crc != record.crc}
        with self._usable() as file:
            if file is not None:
                file.checked.update({record.key for record in records} - damaged)
                for key in damaged:
                    file.drop(key)
        if damaged:
            self._note(f"{self.path}: arrays were damaged and are made anew")
        return damaged

    def _close(self, reason: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._note(f"nothing more is cached: {reason}" if self._off else reason)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(sentence)


def _found(file: CacheFile, keys: Sequence[bytes | None]) -> list[Record | None]:
    return [None if key is None else file.get(key) for key in keys]
