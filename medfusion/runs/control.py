"""What a person asks of a running run: control.json, written by panels and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from medfusion.runs import atomic

FILE = "control.json"
Wish = Literal["run", "pause", "stop"]


def ask(folder: Path, wish: Wish) -> None:
    """Ask the process that works on the run to run, pause or stop after its current step."""
    atomic.write_json(folder / FILE, {"wish": wish})


class Control:
    """Reads the wish; one `stat` a call while nothing changes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._stamp: tuple[int, int] | None = None
        self._wish: Wish = "run"

    def wish(self) -> Wish:
        """Return what was asked for last; "run" where nothing was."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return "run"
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                asked = json.loads(self._path.read_text(encoding="utf-8")).get("wish")
            except (ValueError, OSError, AttributeError):
                asked = None
            self._wish = asked if asked in ("run", "pause", "stop") else "run"
        return self._wish
