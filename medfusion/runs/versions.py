"""Models with names: versions.json in the runs folder says which run is `skin@2`."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfusion.errors import RunError, unknown
from medfusion.runs import atomic
from medfusion.runs.folder import BEST, CHECKPOINTS, METRICS, RunFolder
from medfusion.runs.notes import Notes

FILE = "versions.json"
LOCK = ".versions.lock"
NAME = re.compile(r"\w[\w.+-]{0,63}")
REFERENCE = re.compile(rf"(?P<name>{NAME.pattern})@(?P<number>[1-9]\d{{0,8}}|latest)")

_writing = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a named model.

    Attributes:
        name: The model.
        number: 1, 2, ...; a number is never given twice.
        run: Name of the run, a folder beside versions.json.
        sha256: Digest of the run's best checkpoint when the version was made.
        experiment_hash: Of the run's experiment.
        metrics: The run's metrics at that time, by split and name; empty before it was evaluated.
        date: When, ISO 8601 with the zone.
        note: What a person said about it.
    """

    name: str
    number: int
    run: str
    sha256: str
    experiment_hash: str = ""
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    date: str = ""
    note: str = ""

    @property
    def reference(self) -> str:
        """As it is written where a run is taken: `skin@2`."""
        return f"{self.name}@{self.number}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


def add(name: str, run: RunFolder, note: str = "") -> Version:
    """Name a run's model; the version is the next of that name.

    Args:
        name: Letters, digits and `- _ + .`.
        run: A run that has trained weights and is not at work.
        note: What to remember about it.

    Raises:
        RunError: The name cannot be one, or the run is at work or has no trained weights.
        StorageError: The registry cannot be written.

    Example:
        >>> add("skin", RunFolder("runs/skin-20260101-120000")).reference  # doctest: +SKIP
        'skin@1'
    """
    if NAME.fullmatch(name) is None:
        msg = f"{name!r} cannot name a model: use 1 to 64 letters, digits and - _ + ."
        raise RunError(msg)
    note = Notes(note=note).note
    if run.status.active:
        msg = f"{run.path}: is {run.status.state}; name it when it has ended"
        raise RunError(msg)
    sha256 = _digest(run)
    metrics = run.metrics if (run.path / METRICS).is_file() else {}
    with _changing(run.path.parent) as models:
        model = models.setdefault(name, {"last": 0, "versions": []})
        model["last"] += 1
        version = Version(
            name=name,
            number=model["last"],
            run=run.name,
            sha256=sha256,
            experiment_hash=str(run.environment.get("experiment_hash", "")),
            metrics=metrics,
            date=dt.datetime.now(tz=dt.UTC).astimezone().isoformat(timespec="seconds"),
            note=note,
        )
        model["versions"].append({k: v for k, v in version.to_json().items() if k != "name"})
    return version


def remove(reference: str, runs: str | Path = "runs") -> Version:
    """Take a version off the registry and return what it was; the run stays, its number is gone.

    Raises:
        RunError: There is no such version.
        StorageError: The registry cannot be written.
    """
    version = find(reference, runs)
    with _changing(Path(runs)) as models:
        model = models[version.name]
        model["versions"] = [one for one in model["versions"] if one["number"] != version.number]
    return version


def list_versions(runs: str | Path = "runs", name: str | None = None) -> list[Version]:
    """Return the versions of a runs folder by name and number.

    Raises:
        RunError: The registry is damaged, or it has no model of this name.
    """
    models = _read(Path(runs))
    if name is not None and name not in models:
        raise RunError(unknown("model", name, models))
    chosen = sorted(models) if name is None else [name]
    return [Version(name=one, **item) for one in chosen for item in models[one]["versions"]]


def find(reference: str, runs: str | Path = "runs") -> Version:
    """Return a version by `name@2` or `name@latest`.

    Raises:
        RunError: There is no such version.
    """
    asked = REFERENCE.fullmatch(reference)
    if asked is None:
        msg = f"{reference!r} is no version: write NAME@NUMBER or NAME@latest, such as skin@2"
        raise RunError(msg)
    found = list_versions(runs, asked["name"])
    numbers = [one.number for one in found]
    if asked["number"] == "latest" and found:
        return found[-1]
    if asked["number"] == "latest" or int(asked["number"]) not in numbers:
        there = ", ".join(map(str, numbers)) or "none"
        msg = f"{reference}: there is no such version of {asked['name']}; there are: {there}"
        raise RunError(msg)
    return found[numbers.index(int(asked["number"]))]


def load(reference: str, runs: str | Path = "runs") -> RunFolder:
    """Return the run of a version after checking that its weights are those that were named.

    Raises:
        RunError: There is no such version, its run is gone, or its weights have changed.
    """
    version = find(reference, runs)
    path = Path(runs) / version.run
    if not path.is_dir():
        msg = f"{version.reference}: its run {path} is not there any more"
        raise RunError(msg)
    run = RunFolder(path)
    if _digest(run) != version.sha256:
        msg = (
            f"{version.reference}: the best checkpoint of {path} has changed since it was named "
            f"({version.date}); look at that run and name it anew: medfusion versions add "
            f"{version.name} {path}"
        )
        raise RunError(msg)
    return run


def find_run(word: str | Path, runs: str | Path = "runs") -> RunFolder:
    """Return the run that a person means: its folder, its name in the runs folder, or `name@2`.

    A version of another runs folder is written behind that folder: `elsewhere/runs/skin@2`.

    Args:
        word: What the person wrote.
        runs: The runs folder.

    Raises:
        RunError: There is no such run, or the weights of the version have changed.
    """
    path = Path(word)
    named = REFERENCE.fullmatch(path.name)
    if path.exists() or (path.name == str(word) and (Path(runs) / path).is_dir()):
        return RunFolder(path if path.exists() else Path(runs) / path)
    if named is None:
        return RunFolder(path)
    return load(path.name, runs if path.name == str(word) else path.parent)


def of_run(path: Path) -> list[str]:
    """Return the versions that a run is, such as `skin@2`.

    Raises:
        RunError: The registry is damaged.
    """
    return [one.reference for one in list_versions(path.parent) if one.run == path.name]


def _digest(run: RunFolder) -> str:
    path = run.path / CHECKPOINTS / BEST
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        msg = f"{run.path}: has no trained weights; only a trained model can be named"
        raise RunError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RunError(msg) from None


def _read(runs: Path) -> dict[str, Any]:
    path = runs / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        models = document["models"]
        for name, model in models.items():
            numbers = [Version(name=name, **item).number for item in model["versions"]]
            if numbers != sorted(set(numbers)) or max(numbers, default=0) > model["last"]:
                msg = f"numbers of {name}"
                raise ValueError(msg)  # noqa: TRY301 - told like the other damages
            for item in model["versions"]:
                if item["run"] != Path(item["run"]).name:  # never out of the runs folder
                    msg = f"run {item['run']!r}"
                    raise ValueError(msg)  # noqa: TRY301
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError) as error:
        msg = f"{path}: damaged ({error}); correct it, or delete it to name the models anew"
        raise RunError(msg) from None
    return dict(models)


@contextlib.contextmanager
def _changing(runs: Path) -> Iterator[dict[str, Any]]:
    """Read the registry, let it be changed and write it, one after the other where several do."""
    with _writing, _locked(runs / LOCK):
        models = _read(runs)
        yield models
        atomic.write_json(runs / FILE, {"medfusion": 1, "models": models})


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes out while the file is held, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # Windows: the threads of one process are kept apart all the same
        yield
        return
    with atomic.storage_errors(path):
        file = path.open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
