"""The curves of a run, folded from its events as they come."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from medfusion.runs.events import Event, EventReader


@dataclasses.dataclass
class Curve:
    """Values over steps; `step` counts steps of the optimizer from 1."""

    step: list[int] = dataclasses.field(default_factory=list)
    value: list[float] = dataclasses.field(default_factory=list)

    def cut(self, last: int) -> None:
        """Drop what lies after a step."""
        keep = len(self.step)
        while keep and self.step[keep - 1] > last:
            keep -= 1
        del self.step[keep:], self.value[keep:]


class History:
    """What events.jsonl says, folded: a resumed run replaces the steps it does anew.

    Attributes:
        curves: By name: "step/loss", "step/lr", "step/grad_norm" for each step, and
            "train/loss", "val/loss", "val/auc", ... for each epoch.
        epochs: The epoch events, in order.
        messages: The message events, in order.
        checks: Outcome of the data checks.
        system: The system events, in order.
        start: The start event, empty before there is one.
        version: Grows when curves were cut, so that a viewer knows to draw them anew.
    """

    STEP_VALUES = ("loss", "lr", "grad_norm")

    def __init__(self, folder: Path) -> None:
        self._reader = EventReader(folder)
        self.curves: dict[str, Curve] = {}
        self.epochs: list[Event] = []
        self.messages: list[Event] = []
        self.checks: list[dict[str, Any]] = []
        self.system: list[Event] = []
        self.start: Event = {}
        self.version = 0

    def update(self) -> bool:
        """Read what was appended since the last call; return whether there was anything."""
        events = self._reader.new()
        for event in events:
            self._fold(event)
        return bool(events)

    def _fold(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "step":
            for name in self.STEP_VALUES:
                self._add(f"step/{name}", event["step"], event.get(name))
        elif kind == "epoch":
            self.epochs.append(event)
            for name, value in event.get("metrics", {}).items():
                self._add(name, event["step"], value)
        elif kind == "message":
            self.messages.append(event)
        elif kind == "system":
            self.system.append(event)
        elif kind == "checks":
            self.checks = event["checks"]
        elif kind == "start":
            self.start = event
        elif kind == "resume":
            self._cut(event["step"])

    def _add(self, name: str, step: int, value: float | None) -> None:
        if value is not None:
            curve = self.curves.setdefault(name, Curve())
            curve.step.append(step)
            curve.value.append(value)

    def _cut(self, step: int) -> None:
        for curve in self.curves.values():
            curve.cut(step)
        self.epochs = [event for event in self.epochs if event["step"] <= step]
        self.version += 1
