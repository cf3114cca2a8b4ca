"""What a run is doing: status.json, with a heartbeat that tells the living from the dead."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from pathlib import Path
from typing import Any, Literal

import psutil

from medfusion.errors import RunError
from medfusion.runs import atomic

State = Literal[
    "created", "running", "paused", "evaluating", "stopped", "finished", "failed", "interrupted"
]
ACTIVE: frozenset[State] = frozenset({"running", "paused", "evaluating"})
"""States in which a process works on the run."""

FILE = "status.json"
STALE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Status:
    """One reading of status.json.

    Attributes:
        state: What the run is doing. "interrupted" is never written: it is read where a file says
            that a process works on the run but that process is gone.
        pid: Process that works on the run, with `host` and `born` (its start, seconds since 1970).
        heartbeat: Last sign of life, seconds since 1970.
        epoch: Epochs completed.
        epochs: Epochs asked for.
        step: Steps of the optimizer completed.
        steps: Steps asked for.
        seconds_left: Estimate of the time to the end, None before there is one.
        error: Type and message of what ended a failed run.
        data_wait: Share of the last epoch's training that was spent waiting for data, 0 to 1.
        system: Load of the machine: cpu, memory, disk (percent), gpu where there is one.
    """

    state: State = "created"
    pid: int | None = None
    host: str | None = None
    born: float | None = None
    heartbeat: float = 0.0
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    error: dict[str, str] | None = None
    data_wait: float | None = None
    system: dict[str, float] | None = None

    @property
    def active(self) -> bool:
        """Whether a process works on the run."""
        return self.state in ACTIVE

    def write(self, folder: Path) -> None:
        """Write status.json atomically."""
        atomic.write_json(folder / FILE, dataclasses.asdict(self))


def of_this_process() -> dict[str, Any]:
    """Return pid, host and start of this process, as `Status` has them."""
    process = psutil.Process()
    return {"pid": process.pid, "host": socket.gethostname(), "born": process.create_time()}


def read(folder: Path) -> Status:
    """Read status.json and check that who is said to work is alive.

    Raises:
        RunError: The file is missing or damaged.
    """
    path = folder / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in dataclasses.fields(Status)}
        status = Status(**{key: value for key, value in document.items() if key in known})
        if status.state not in ACTIVE | {"created", "stopped", "finished", "failed"}:
            msg = f"state {status.state!r}"
            raise ValueError(msg)  # noqa: TRY301 - told like the other damages
    except FileNotFoundError:
        msg = f"{folder}: not a run folder (it has no {FILE})"
        raise RunError(msg) from None
    except (ValueError, TypeError, AttributeError, OSError) as error:
        msg = f"{path}: damaged ({error}); `medfusion resume` rebuilds it from the last checkpoint"
        raise RunError(msg) from None
    if status.active and not _alive(status):
        return dataclasses.replace(status, state="interrupted", seconds_left=None)
    return status


def _alive(status: Status) -> bool:
    if status.host != socket.gethostname():  # a shared disk: only the heartbeat can tell
        return time.time() - status.heartbeat < STALE_SECONDS
    if status.pid is None or status.born is None:
        return False
    try:
        process = psutil.Process(status.pid)
        same = abs(process.create_time() - status.born) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
