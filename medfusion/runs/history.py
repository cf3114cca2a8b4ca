"""The curves of a run, folded from its events as they come."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from medfusion.runs import columns
from medfusion.runs.columns import Columns
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

    A long file is read by column at first: a million steps take about a second.

    Attributes:
        curves: By name. For each step "step/loss", "step/lr", "step/grad_norm"; for each epoch
            "train/loss", "val/loss", "val/auc", ...; where they were recorded,
            "class/<metric>/<class>" and "inside/<what>/<part>/<mean, low or high>" for each epoch
            and "gradient/<part of the model>" now and then.
        epochs: The epoch events, in order.
        messages: The message events, in order.
        checks: Outcome of the data checks.
        system: The system events, in order.
        start: The start event, empty before there is one.
        version: Grows when curves were cut, so that a viewer knows to draw them anew.
    """

    STEP_VALUES = ("loss", "lr", "grad_norm")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = EventReader(folder)
        self._opened = False
        self.curves: dict[str, Curve] = {}
        self.epochs: list[Event] = []
        self.messages: list[Event] = []
        self.checks: list[dict[str, Any]] = []
        self.system: list[Event] = []
        self.start: Event = {}
        self.version = 0

    def update(self) -> bool:
        """Read what was appended since the last call; return whether there was anything."""
        if not self._opened:
            self._opened = True
            found = columns.read(self._folder, self.STEP_VALUES)
            if found is not None:
                self._take(found)
                return True
        events = self._reader.new()
        for event in events:
            self._fold(event)
        return bool(events)

    def _take(self, found: Columns) -> None:
        for event in found.others:
            self._fold(event)
        for name, value in found.values.items():
            good = value == value  # noqa: PLR0124 - NaN alone differs from itself
            if good.any():
                self.curves[f"step/{name}"] = Curve(found.step[good].tolist(), value[good].tolist())
        self._reader = EventReader(self._folder, found.offset, found.seq)

    def _fold(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "resume":
            self._cut(event["step"])
        elif kind == "checks":
            self.checks = event["checks"]
        elif kind == "start":
            self.start = event
        else:
            kept = {"epoch": self.epochs, "message": self.messages, "system": self.system}
            if kind in kept:
                kept[kind].append(event)
            for name, value in _VALUES[kind](event) if kind in _VALUES else ():
                self._add(name, event["step"], value)

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


def _step_values(event: Event) -> list[tuple[str, float | None]]:
    return [(f"step/{name}", event.get(name)) for name in History.STEP_VALUES]


def _gradient_values(event: Event) -> list[tuple[str, float | None]]:
    return [(f"gradient/{name}", value) for name, value in event.get("norms", {}).items()]


def _epoch_values(event: Event) -> list[tuple[str, float | None]]:
    found = list(event.get("metrics", {}).items())
    for metric, by_class in event.get("classes", {}).items():
        found += [(f"class/{metric}/{name}", value) for name, value in by_class.items()]
    for name, figures in event.get("inside", {}).items():
        found += [(f"inside/{name}/{which}", value) for which, value in figures.items()]
    return found


_VALUES = {"step": _step_values, "epoch": _epoch_values, "gradients": _gradient_values}
