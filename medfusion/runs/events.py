"""events.jsonl: everything that happened in a run, one JSON object a line, only ever appended to."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from medfusion.runs import atomic

FILE = "events.jsonl"

Event = dict[str, Any]
"""Keys `seq` (1, 2, ...), `time` (seconds since 1970), `kind`, and what the kind adds:

- start: epochs, steps_per_epoch, experiment, hash
- resume: step, epoch; steps and epochs after these are done anew and replace the earlier ones
- step: step, epoch, loss, lr, grad_norm, seconds, wait_seconds (time that the step waited for data)
- epoch: epoch, step, metrics {"train/loss", "val/loss", "val/auc", ...}, best, seconds, data_wait (share of its
  training that was spent waiting for data), classes {"auc": {"<class>": value}, ...} where there are classes,
  inside {"gates/image": {mean, low, high}, ...} where the model has gates, attention weights or experts
- gradients: step, norms {"<part of the model>": norm before clipping}, every `training.record.gradients` steps
- message: level ("info", "warning", "error"), text
- checks: checks (list of {name, outcome, message, count})
- system: cpu, memory, disk, gpu, gpu_memory (percent)
- state: state
"""


class EventWriter:
    """Appends events; safe for several threads of the one process that works on the run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._seq = _repair(self._path)
        with atomic.storage_errors(self._path):
            self._file = self._path.open("a", encoding="utf-8")

    def write(self, kind: str, **content: Any) -> None:
        """Append one event.

        Raises:
            StorageError: The disk is full.
        """
        with self._lock, atomic.storage_errors(self._path):
            event = {"seq": self._seq + 1, "time": round(time.time(), 3), "kind": kind, **content}
            self._file.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
            self._file.flush()
            self._seq += 1

    def sync(self) -> None:
        """Make what was appended durable."""
        with self._lock, atomic.storage_errors(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EventReader:
    """Reads what was appended since the last call; a torn last line is left for the next call.

    Args:
        folder: The run folder.
        offset: Bytes that were read already.
        seq: Number of the last event in them.
    """

    def __init__(self, folder: Path, offset: int = 0, seq: int = 0) -> None:
        self._path = folder / FILE
        self._offset = offset
        self._seq = seq

    def new(self) -> list[Event]:
        """Return the events appended since the last call, in order."""
        try:
            with self._path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                if file.tell() < self._offset:  # repaired after a crash
                    self._offset = 0
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        complete = content.rfind(b"\n") + 1
        self._offset += complete
        found = [event for event in _parse(content[:complete]) if event["seq"] > self._seq]
        if found:
            self._seq = found[-1]["seq"]
        return found


def _parse(content: bytes) -> Iterator[Event]:
    for line in content.splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # a line damaged by hand or by a dying disk costs itself only
            continue
        if isinstance(event, dict) and isinstance(event.get("seq"), int) and "kind" in event:
            yield event


def _repair(path: Path) -> int:
    """Cut off a torn last line and return the last sequence number."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    if complete < len(content):
        with atomic.storage_errors(path), path.open("r+b") as file:
            file.truncate(complete)
    return max((event["seq"] for event in _parse(content[:complete])), default=0)
