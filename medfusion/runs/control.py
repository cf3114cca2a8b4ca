"""What a person asks of a running run: control.json, written by panels and the command line.

A page whose kernel is busy with a cell writes the file itself, through the Jupyter server: then it
says which page asked and its how manieth wish it was, so that the kernel does not do it once more,
and which process it means (pid, born): written late, it does not reach the next one.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Literal

import psutil

from medfusion.errors import RunError
from medfusion.runs import atomic, status

FILE = "control.json"
CLOCKS_SECONDS = 5.0
"""How far the clocks of files and of processes may lie apart."""
Wish = Literal["run", "pause", "stop"]


def ask(folder: Path, wish: Wish) -> None:
    """Ask the process that works on the run to run, pause or stop after its current step."""
    atomic.write_json(folder / FILE, {"wish": wish})


def done_by_page(folder: Path, page: str, count: int) -> bool:
    """Return whether a page wrote this wish, or a later one, itself.

    Args:
        folder: The run folder.
        page: What the page calls itself.
        count: The number of the wish among the page's.
    """
    found = _read(folder / FILE)
    if found is None or found.get("page") != page:
        return False
    last = found.get("count")
    return isinstance(last, int) and last >= count


def forget_old(folder: Path) -> None:
    """Take back a wish that an earlier process, or an earlier call, has heeded or did not live to.

    One made since this process began holds, unless the work has ended since: a person may ask a
    run to stop while it is still starting.
    """
    file = folder / FILE
    try:
        asked = file.stat().st_mtime_ns
    except FileNotFoundError:
        return
    born = psutil.Process().create_time() - CLOCKS_SECONDS
    if asked < born * 1e9 or asked <= _ended(folder):
        ask(folder, "run")


def _ended(folder: Path) -> int:
    """Return when the work came to its last end, ns since 1970; 0 where it has not."""
    with contextlib.suppress(RunError):  # a damaged status.json is nobody's at work
        if status.read(folder).active:
            return 0
    try:
        return (folder / status.FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class Control:
    """Reads the wish; one `stat` a call while nothing changes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._stamp: tuple[int, int, int] | None = None
        self._document: dict[str, Any] = {}

    def wish(self, pid: int | None = None, born: float | None = None) -> Wish:
        """Return what was asked for last; "run" where nothing was.

        Args:
            pid: Process that works on the run; by default this one.
            born: Its start, seconds since 1970.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return "run"
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp != self._stamp:
            document = _read(self._path)
            # Where it cannot be read, the Jupyter server may be writing: it is read again.
            self._stamp = None if document is None else stamp
            self._document = document or {}
        asked = self._document.get("wish")
        if asked not in ("run", "pause", "stop") or _of_another(self._document, pid, born):
            return "run"
        wish: Wish = asked
        return wish


def _of_another(document: dict[str, Any], pid: int | None, born: float | None) -> bool:
    """Return whether a wish names another process than the given one, by default this."""
    meant, since = document.get("pid"), document.get("born")
    if meant is None:
        return False
    if pid is None:
        own = psutil.Process()
        pid, born = own.pid, own.create_time()
    if meant != pid:
        return True
    return isinstance(since, int | float) and born is not None and abs(born - since) > 1.0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None
