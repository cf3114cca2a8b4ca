"""A run's own process, apart from the kernel or terminal that asks for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from medfusion.errors import RunError
from medfusion.runs import control, status
from medfusion.runs import folder as files

POLL_SECONDS = 0.1
LEAVING_SECONDS = 30.0
"""How long a process may take to end after its last word in status.json: libraries are let go."""


def start(run: Path) -> int:
    """Start or resume a run in a process that survives this one; return its pid.

    Args:
        run: The run folder. What the process prints goes to its log.txt.

    Raises:
        RunError: A process works on this run already.
    """
    said = status.read(run)
    if said.active or not _leaves(run, said):
        msg = f"{run}: is running already"
        raise RunError(msg)
    control.ask(run, "run")
    environment = dict(os.environ)
    # Jupyter's inline backend and comm settings mean nothing to the process.
    environment.pop("MPLBACKEND", None)
    with (run / files.LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "medfusion", "resume", str(run)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=run,
            env=environment,
            start_new_session=True,
        )
    _children[run] = process
    return process.pid


def _leaves(run: Path, said: status.Status) -> bool:
    """Wait for a process started here that has said its last; return whether none is left."""
    child = _children.get(run)
    if child is not None and child.pid == said.pid:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(LEAVING_SECONDS)
    return not at_work(run)


def wait(run: Path, timeout: float | None = None) -> status.Status:
    """Wait until no process works on the run and return its status.

    Raises:
        TimeoutError: It is still at work after `timeout` seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while at_work(run) or status.read(run).active:
        if deadline is not None and time.monotonic() > deadline:
            msg = f"{run}: still {status.read(run).state} after {timeout:g} s"
            raise TimeoutError(msg)
        time.sleep(POLL_SECONDS)
    return status.read(run)


_children: dict[Path, subprocess.Popen[bytes]] = {}


def starting(run: Path, said: status.Status) -> bool:
    """Return whether a process was started here and status.json has nothing of it yet.

    Args:
        run: The run folder.
        said: What its status.json says.
    """
    child = _children.get(run)
    return child is not None and child.pid != said.pid and at_work(run)


def at_work(run: Path) -> bool:
    """Return whether a process that was started here is still there; one that has ended is let go."""
    child = _children.get(run)
    if child is not None and child.poll() is not None:
        _children.pop(run, None)  # another thread may have
        return False
    return child is not None
