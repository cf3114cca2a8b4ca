"""What a page must know about a run, in full once and then only what is new."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from medfusion.errors import InputError
from medfusion.runs import History, RunFolder, Status, process
from medfusion.runs.columns import LONG_BYTES
from medfusion.runs.control import Control
from medfusion.runs.events import FILE as EVENTS
from medfusion.runs.folder import METRICS
from medfusion.widgets.curves import LIMIT, ThinCurve
from medfusion.widgets.sketch import sample

FRAME_LIMIT = 300
"""Points of one curve in a frame, which is also what a saved notebook keeps."""
LOADS = ("cpu", "memory", "disk", "gpu", "gpu_memory")
MESSAGES = 200
TEXT = 2000

ENDED = frozenset({"stopped", "finished", "failed", "interrupted"})

Message = dict[str, Any]
Buffers = list[bytes]


class Feed:
    """Follows a run folder and words what is new for the page.

    Every message has a `seq`, one more than the last; a page that misses one shows the next frame.

    Args:
        run: The run.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._history = History(run.path)
        self._control = Control(run.path)
        self._version = self._history.version
        self._curves: dict[str, ThinCurve] = {}
        self._messages = 0
        self._loads = 0
        self._results: tuple[int, dict[str, Any]] = (0, {})
        self._last: Message = {}
        self._status = Status()
        self._trouble = ""
        self.seq = 0

    @property
    def long(self) -> bool:
        """Whether the first reading takes a noticeable time."""
        path = self._run.path / EVENTS
        return path.is_file() and path.stat().st_size >= LONG_BYTES

    @property
    def state(self) -> str:
        """The run's state, as of the last poll."""
        return self._status.state

    @property
    def ended(self) -> bool:
        """Whether nothing works on the run, as of the last poll.

        A process that was started here and has not yet said so works on it, too.
        """
        return self._status.state in ENDED and not process.at_work(self._run.path)

    def poll(self) -> tuple[Message, Buffers] | None:
        """Read the folder and return what is new, or None.

        Returns:
            The message, kind "points" with only what is new, or kind "all" where the curves were
            drawn anew; and its buffers.
        """
        self._read()
        if self._version != self._history.version:  # a resumed run took steps back
            self._version = self._history.version
            self._curves.clear()
            self._loads = 0
            self._take()
            return self.everything()
        new = self._take()
        message: Message = {}
        if new:
            message["curves"] = new
        if len(self._history.messages) > self._messages:
            message["messages"] = self._new_messages()
        facts = self._facts()
        changed = {key: value for key, value in facts.items() if self._last.get(key) != value}
        if any(curve.redrawn for curve in self._curves.values()):
            return self.everything()
        if not changed and not message:
            return None
        self._last = facts
        self.seq += 1
        return {"kind": "points", "seq": self.seq, **changed, **message}, []

    def everything(self) -> tuple[Message, Buffers]:
        """Return all there is: kind "all", curves as int32 steps and float32 values in buffers."""
        self._last = self._facts()
        self._messages = len(self._history.messages)
        self.seq += 1
        names, buffers = [], []
        for name, curve in self._curves.items():
            curve.redrawn = False
            step, value = curve.points(LIMIT)
            names.append(name)
            buffers += [step.astype(np.int32).tobytes(), value.astype(np.float32).tobytes()]
        return {
            "kind": "all",
            "seq": self.seq,
            **self._last,
            "curves": names,
            "messages": self._worded(self._history.messages[-MESSAGES:]),
        }, buffers

    def sketch(self) -> Message:
        """Return a frame of a long history within a moment: the curves are a sample."""
        self._read_status()
        curves = {}
        for name, curve in sample(self._run.path).items():
            thin = ThinCurve()
            thin.extend(curve.step, curve.value)
            step, value = thin.points(FRAME_LIMIT)
            curves[name] = [step.astype(int).tolist(), _short(value)]
        facts = self._facts()
        facts["status"]["note"] = "sample"
        return {"seq": 0, **facts, "curves": curves, "messages": []}

    def frame(self) -> Message:
        """Return a small picture of all there is, as plain JSON."""
        curves = {}
        for name, curve in self._curves.items():
            step, value = curve.points(FRAME_LIMIT)
            curves[name] = [step.astype(int).tolist(), _short(value)]
        return {
            "seq": self.seq,
            **self._facts(),
            "curves": curves,
            "messages": self._worded(self._history.messages[-MESSAGES:]),
        }

    def _read(self) -> None:
        self._trouble = ""
        try:
            self._history.update()
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._trouble = f"{EVENTS}: damaged ({type(error).__name__}: {error})"
        self._read_status()

    def _read_status(self) -> None:
        try:
            said = self._run.status
            if said.state in ENDED and process.starting(self._run.path, said):
                said = dataclasses.replace(said, state="created", error=None)
            self._status = said
        except InputError as error:
            self._trouble = str(error)

    def _take(self) -> dict[str, Any]:
        new = {}
        for name, curve in list(self._history.curves.items()):
            thin = self._curves.setdefault(str(name), ThinCurve())
            if thin.taken < len(curve.step):
                at = thin.taken
                step, value = thin.extend(curve.step[at:], curve.value[at:])
                if len(step) and not thin.redrawn:
                    new[str(name)] = [step.astype(int).tolist(), _short(value)]
        self._take_load(new)
        return new

    def _take_load(self, new: dict[str, Any]) -> None:
        """Take the load of the machine as curves over seconds since the first event."""
        system = self._history.system
        events, self._loads = system[self._loads :], len(system)
        origin = self._history.start.get("time", system[0].get("time") if system else None)
        for name in LOADS:
            pairs = [
                (round(event["time"] - origin), event[name])
                for event in events
                if _number(event.get("time")) is not None
                and _number(origin) is not None
                and _number(event.get(name)) is not None
            ]
            if not pairs:
                continue
            thin = self._curves.setdefault(f"load/{name}", ThinCurve())
            at, value = thin.extend([pair[0] for pair in pairs], [pair[1] for pair in pairs])
            if not thin.redrawn:
                new[f"load/{name}"] = [at.astype(int).tolist(), _short(value)]

    def _new_messages(self) -> list[Message]:
        new = self._history.messages[self._messages :][-MESSAGES:]
        self._messages = len(self._history.messages)
        return self._worded(new)

    @staticmethod
    def _worded(messages: list[Any]) -> list[Message]:
        return [
            {
                "time": _number(message.get("time")),
                "level": str(message.get("level", "info")),
                "text": str(message.get("text", ""))[:TEXT],
            }
            for message in messages
        ]

    def _facts(self) -> Message:
        status = self._status
        done = self._history.curves.get("step/loss")
        # status.json beats every two seconds; the events are ahead of it.
        ahead = _count(done.step[-1]) if done is not None and done.step and status.active else 0
        system = self._history.system[-1] if self._history.system else status.system or {}
        return {
            "status": {
                "state": status.state,
                "asked": self._control.wish(self._status.pid, self._status.born),
                "epoch": max(_count(status.epoch), len(self._history.epochs) if ahead else 0),
                "epochs": _count(status.epochs),
                "step": max(_count(status.step), ahead),
                "steps": _count(status.steps),
                "seconds_left": _number(status.seconds_left),
                "error": _worded_error(status),
                "trouble": self._trouble,
                "note": "",
                # By this the page knows the folder again through the Jupyter server.
                "process": [str(status.host or ""), _count(status.pid), _number(status.born)],
            },
            "system": {
                key: _number(system.get(key))
                for key in LOADS
                if _number(system.get(key)) is not None
            },
            "best": self._best(),
            "checks": self._worded_checks(),
            "results": self._read_results(),
        }

    def _best(self) -> int | None:
        """Return the step of the best epoch so far."""
        steps = [event.get("step") for event in self._history.epochs if event.get("best")]
        return int(steps[-1]) if steps and isinstance(steps[-1], int) else None

    def _worded_checks(self) -> list[Message]:
        return [
            {key: str(check.get(key, ""))[:TEXT] for key in ("name", "outcome", "message")}
            for check in self._history.checks
            if isinstance(check, dict)
        ]

    def _read_results(self) -> dict[str, Any]:
        path = self._run.path / METRICS
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        if stamp != self._results[0]:
            try:
                found = _worded_results(self._run.metrics) if stamp else {}
            except InputError as error:
                self._trouble, found = str(error), {}
            self._results = (stamp, found)
        return self._results[1]


def _worded_error(status: Status) -> str:
    if not isinstance(status.error, dict):
        return ""
    return ": ".join(str(part) for part in status.error.values() if part)[:TEXT]


def _worded_results(metrics: dict[str, Any]) -> dict[str, Any]:
    """Keep numbers as numbers and everything else as text, whatever the file holds."""
    return {
        str(split): {
            str(name): {
                "value": _number(found.get("value")),
                "ci": [_number(end) for end in found.get("ci") or []][:2],
                "n": _number(found.get("n")),
            }
            for name, found in values.items()
            if isinstance(found, dict)
        }
        for split, values in metrics.items()
        if isinstance(values, dict)
    }


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _count(value: Any) -> int:
    return int(_number(value) or 0)


def _short(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
