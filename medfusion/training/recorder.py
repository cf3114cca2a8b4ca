"""Writes what happens in training to the run folder: events, status, heartbeat, system load."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from pathlib import Path
from typing import Any, Self

import psutil
import torch

from medfusion.errors import RunError, StorageError
from medfusion.runs import events
from medfusion.runs import status as statuses
from medfusion.runs.control import Control
from medfusion.runs.events import EventWriter
from medfusion.runs.status import State, Status
from medfusion.training.callbacks import Callback, EpochReport, StepReport

BEAT_SECONDS = 2.0
PAUSE_POLL_SECONDS = 0.1


class Recorder(Callback):
    """Keeps a run folder up to date while its process works on it.

    A context manager: on entering, the state becomes "running" and a thread beats the heart every
    two seconds; on leaving, the last state stays.

    Args:
        folder: The run folder.
        epochs: Epochs asked for.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder = folder
        self.resumed = (folder / events.FILE).exists()
        self.events = EventWriter(folder)
        self.stop_asked = threading.Event()
        self._control = Control(folder)
        self._lock = threading.Lock()
        # What was done before holds until training goes on: it may be stopped before that.
        before = Status()
        with contextlib.suppress(RunError):  # damaged or missing
            before = statuses.read(folder)
        self._status = Status(
            state="running",
            heartbeat=time.time(),
            epoch=before.epoch,
            epochs=epochs,
            step=before.step,
            steps=before.steps,
            **statuses.of_this_process(),
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._began: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        self._write()
        psutil.cpu_percent()  # the first call only starts the measurement
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.events.close()

    # What training tells -------------------------------------------------------------------------

    def on_train_begin(self, engine: Any) -> None:
        """Note how many steps there will be."""
        progress = engine.progress
        self._began = (time.monotonic(), progress.step)
        self._update(
            epoch=progress.epoch,
            step=progress.step,
            steps=engine.steps_per_epoch * engine.settings.epochs,
        )

    def on_step_end(self, engine: Any, report: StepReport) -> None:  # noqa: ARG002
        """Append a step event."""
        content = dataclasses.asdict(report)
        if not report.parts:
            del content["parts"]
        content["seconds"] = round(report.seconds, 5)
        content["wait_seconds"] = round(report.wait_seconds, 5)
        self.events.write("step", **content)
        with self._lock:
            self._status = dataclasses.replace(
                self._status, step=report.step, seconds_left=self._seconds_left(report.step)
            )

    def on_epoch_end(self, engine: Any, report: EpochReport) -> None:  # noqa: ARG002
        """Append an epoch event and make it durable."""
        content = dataclasses.asdict(report)
        for optional in ("classes", "inside"):
            if not content[optional]:
                del content[optional]
        self.events.write("epoch", **content)
        self.events.sync()
        self._update(epoch=report.epoch, data_wait=report.data_wait)

    def on_gradients(self, engine: Any, step: int, norms: dict[str, float]) -> None:  # noqa: ARG002
        """Append the norms of the gradient."""
        if norms:
            self.events.write("gradients", step=step, norms=norms)

    def message(self, text: str, level: str = "info") -> None:
        """Append a message."""
        self.events.write("message", level=level, text=text)

    def state(self, state: State, error: BaseException | None = None) -> None:
        """Set the run's state and note it in the events."""
        described = None
        if error is not None:
            described = {"type": type(error).__name__, "message": str(error)}
        self._update(state=state, error=described, seconds_left=None)
        self.events.write("state", state=state)

    # What a person asks --------------------------------------------------------------------------

    def ask(self) -> str:
        """Return "run" or "stop"; block while a pause is asked for."""
        wish = self._wish()
        if wish != "pause":
            return wish
        self.state("paused")
        paused = time.monotonic()
        while wish == "pause":
            time.sleep(PAUSE_POLL_SECONDS)
            wish = self._wish()
        self.state("running")
        if self._began is not None:  # a pause says nothing about speed
            self._began = (self._began[0] + time.monotonic() - paused, self._began[1])
        return wish

    def _wish(self) -> str:
        return "stop" if self.stop_asked.is_set() else self._control.wish()

    # Status --------------------------------------------------------------------------------------

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._status = dataclasses.replace(self._status, **changes)
        self._write()

    def _write(self) -> None:
        with self._lock:
            self._status = dataclasses.replace(self._status, heartbeat=round(time.time(), 3))
            self._status.write(self.folder)

    def _seconds_left(self, step: int) -> float | None:
        if self._began is None or step <= self._began[1] or not self._status.steps:
            return None
        elapsed = time.monotonic() - self._began[0]
        per_step = elapsed / (step - self._began[1])
        return round(per_step * (self._status.steps - step), 1)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            load = system_load(self.folder)
            # A full disk must not kill the heartbeat: training itself reports it.
            with contextlib.suppress(StorageError):
                with self._lock:
                    self._status = dataclasses.replace(self._status, system=load)
                self._write()
                self.events.write("system", **load)


def system_load(folder: Path) -> dict[str, float]:
    """Return the load of processor, memory, disk and GPU in percent."""
    load = {
        "cpu": psutil.cpu_percent(),
        "memory": psutil.virtual_memory().percent,
        "disk": psutil.disk_usage(str(folder)).percent,
    }
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        load["gpu_memory"] = round(100 * (1 - free / total), 1)
        with contextlib.suppress(
            ModuleNotFoundError, RuntimeError
        ):  # needs NVIDIA's monitor library
            load["gpu"] = float(torch.cuda.utilization())
    return load
