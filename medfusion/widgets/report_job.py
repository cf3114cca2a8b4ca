"""Writes the report of a run in a process of its own, so that the kernel stays free."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = "report.html"
"""Where the panels put the report, in the run's folder."""

LONGEST = 900.0


def write(run: Path, told: Callable[[dict[str, Any]], None]) -> None:
    """Start writing; `told` is called at once and at the end, with state, path and trouble."""
    out = run / FILE
    told({"state": "writing", "path": str(out), "trouble": ""})

    def work() -> None:
        told({"path": str(out), **_written(run, out)})

    threading.Thread(target=work, name=f"report of {run.name}", daemon=True).start()


def _written(run: Path, out: Path) -> dict[str, Any]:
    words = ["report", str(run), "--out", str(out), "--json"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "medfusion", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"state": "failed", "trouble": str(error)}
    if done.returncode == 0:
        return {"state": "written", "trouble": ""}
    try:
        trouble = str(json.loads(done.stdout)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        trouble = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
    return {"state": "failed", "trouble": trouble}
