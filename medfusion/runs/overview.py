"""Many runs at a glance: what a table of them shows, read anew only where a file has changed."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import yaml

from medfusion.errors import RunError
from medfusion.runs import events, notes, status
from medfusion.runs.folder import ENVIRONMENT, EXPERIMENT, METRICS, PREDICTIONS, SPLIT
from medfusion.runs.notes import Notes
from medfusion.spec.image_encoder import TimmEncoder
from medfusion.spec.table_encoder import MLPEncoder

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIRST_LINE = 4096
_IMAGE, _TABLE = TimmEncoder(), MLPEncoder()  # what an experiment has that names none

Stamp = tuple[int, int, int] | None


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a table says about one run.

    Attributes:
        name: The folder's name.
        path: The folder, as it stands in the runs folder.
        state: As `Status.state`; "damaged" where it cannot be read.
        epoch: Epochs completed, of `epochs`.
        epochs: Epochs asked for.
        start: First start, seconds since 1970; None before it.
        seconds: From the first start to the last sign of life; None before the start.
        metrics: Value, ends of the interval and n of each metric of the test split.
        tags: As a person gave them.
        note: As a person wrote it.
        experiment_hash: Of the experiment.
        data: Fingerprint of the data, empty before they were read.
        target: Kind of the target; empty while it is not known.
        model: The parts of the model in a few words; empty while it is not known.
        trouble: What is damaged, as a sentence.
        linked: The folder is a link to a run elsewhere.
    """

    name: str
    path: Path
    state: str = "damaged"
    epoch: int = 0
    epochs: int = 0
    start: float | None = None
    seconds: float | None = None
    metrics: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str = ""
    experiment_hash: str = ""
    data: str = ""
    target: str = ""
    model: str = ""
    trouble: str = ""
    linked: bool = False


class Overview:
    """The runs of a folder; `update` reads what has changed since.

    Args:
        runs: The runs folder.

    Example:
        >>> overview = Overview("runs")
        >>> overview.update()
        >>> [facts.name for facts in overview.facts()]  # doctest: +SKIP
        ['skin-20260101-120000']
    """

    def __init__(self, runs: str | Path = "runs") -> None:
        self.runs = Path(runs).absolute()
        self._entries: dict[str, _Entry] = {}

    def facts(self) -> list[Facts]:
        """Return all runs, the newest first."""
        found = sorted(self._entries.values(), key=lambda entry: entry.made, reverse=True)
        return [entry.facts for entry in found]

    def of(self, name: str) -> Facts | None:
        """Return one run, None where it is not there."""
        entry = self._entries.get(name)
        return None if entry is None else entry.facts

    @property
    def complete(self) -> bool:
        """Whether every experiment was read, too."""
        return all(entry.described for entry in self._entries.values())

    def update(self, seconds: float = float("inf")) -> set[str]:
        """Read what has changed and return the names of runs that are new, changed or gone.

        Args:
            seconds: Time for experiments that were not read yet; the rest follows at the next call.
        """
        names = set(self._listed())
        changed = set(self._entries) - names
        for name in changed:
            del self._entries[name]
        for name in names:
            entry = self._entries.get(name) or _Entry(self.runs / name)
            self._entries[name] = entry
            if entry.update():
                changed.add(name)
        deadline = time.monotonic() + seconds
        waiting = [entry for entry in self._entries.values() if not entry.described]
        for entry in sorted(waiting, key=lambda one: one.made, reverse=True):
            if time.monotonic() > deadline:
                break
            entry.describe()
            changed.add(entry.path.name)
        return changed

    def _listed(self) -> list[str]:
        try:
            there = list(self.runs.iterdir())
        except OSError:
            return []
        return [
            path.name
            for path in there
            if not path.name.startswith(".") and (path / EXPERIMENT).is_file()
        ]


class _Entry:
    """One run: its facts, and how its files stood when they were read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made = _mtime(path / EXPERIMENT)
        self.facts = Facts(path.name, path, linked=path.is_symlink())
        self.described = False
        self._stamps: dict[str, Stamp] = {}
        self._start: float | None = None
        self._active = False

    def update(self) -> bool:
        """Read the files that have changed; return whether the facts did."""
        before = self.facts
        moved = {
            name for name in (status.FILE, METRICS, notes.FILE, ENVIRONMENT) if self._moved(name)
        }
        trouble: dict[str, str] = {}
        if status.FILE in moved or self._active or before.state == "damaged":
            self._read_status(trouble)
        if METRICS in moved:
            self._change(metrics=self._read_metrics())
        if notes.FILE in moved:
            found = self._read_notes(trouble)
            self._change(tags=found.tags, note=found.note)
        if ENVIRONMENT in moved:
            facts = _document(self.path / ENVIRONMENT)
            self._change(
                experiment_hash=str(facts.get("experiment_hash", "")),
                data=str(facts.get("data_fingerprint", "")),
            )
        if trouble or {status.FILE, notes.FILE} & moved:
            self._change(trouble=" ".join(trouble.values()))
        return self.facts != before

    def describe(self) -> None:
        """Read the experiment, which is written once."""
        self.described = True
        try:
            content = (self.path / EXPERIMENT).read_text(encoding="utf-8")
            document = _parsed(content)
            target = document["data"]["target"]["kind"]
            self._change(target=str(target), model=_model(document))
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            self._change(trouble=f"{self.path / EXPERIMENT}: damaged ({error})")

    def _read_status(self, trouble: dict[str, str]) -> None:
        try:
            found = status.read(self.path)
        except RunError as error:
            trouble["status"] = str(error)
            self._active = False
            self._change(state="damaged")
            return
        self._active = found.active
        if self._start is None:
            self._start = _first_time(self.path / events.FILE)
        seconds = None
        if self._start is not None:
            last = time.time() if found.active else max(found.heartbeat, self._start)
            seconds = float(round(max(0.0, last - self._start)))
        self._change(
            state=found.state,
            epoch=found.epoch,
            epochs=found.epochs,
            start=self._start,
            seconds=seconds,
        )

    def _read_metrics(self) -> dict[str, dict[str, Any]]:
        found = _document(self.path / METRICS).get("test")
        if not isinstance(found, dict):
            return {}
        return {name: one for name, one in found.items() if isinstance(one, dict)}

    def _read_notes(self, trouble: dict[str, str]) -> Notes:
        try:
            return notes.read(self.path)
        except RunError as error:
            trouble["notes"] = str(error)
            return Notes()

    def _moved(self, name: str) -> bool:
        stamp = _stamp(self.path / name)
        moved = name not in self._stamps or self._stamps[name] != stamp
        self._stamps[name] = stamp
        return moved

    def _change(self, **changed: Any) -> None:
        self.facts = dataclasses.replace(self.facts, **changed)


def stamps(run: Path) -> tuple[Stamp, ...]:
    """Return how the files stand that a comparison of runs is worked out from."""
    names = (EXPERIMENT, METRICS, SPLIT, PREDICTIONS, ENVIRONMENT)
    return tuple(_stamp(run / name) for name in names)


def _parsed(content: str) -> Any:
    """Return plain values of YAML; libyaml's loader where it is there, ten times as fast."""
    loader = _Loader(content)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _model(document: dict[str, Any]) -> str:
    """Return the parts of a model in a few words: `resnet18 + mlp, gated`."""
    data, model = document["data"], document["model"]
    image, table = model.get("image"), model.get("table")
    parts = []
    if data.get("images"):
        parts.append(str(image.get("name") or image["kind"]) if image else _IMAGE.name)
    if data.get("numeric") or data.get("categorical"):
        parts.append(str(table["kind"]) if table else _TABLE.kind)
    fusion = f", {model['fusion']['kind']}" if len(parts) > 1 and model.get("fusion") else ""
    return " + ".join(parts) + fusion


def _first_time(path: Path) -> float | None:
    try:
        with path.open("rb") as file:
            found = json.loads(file.readline(_FIRST_LINE))
        return float(found["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
