"""A run folder: made, opened, listed, read."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any, Self

from medfusion.errors import CorrectionsError, RunError
from medfusion.runs import atomic, control, environment, notes, status
from medfusion.runs.history import History
from medfusion.runs.notes import Notes
from medfusion.runs.status import Status
from medfusion.spec import Experiment

EXPERIMENT = "experiment.yaml"
ENVIRONMENT = "environment.json"
SPLIT = "split.csv"
PREDICTIONS = "predictions.csv"
METRICS = "metrics.json"
CHECKPOINTS = "checkpoints"
BEST = "best.safetensors"
PREPROCESSING = "preprocessing.json"
TASK = "task.json"
MISTAKES = "mistakes.json"
LOG = "log.txt"
CORRECTIONS = "corrections.jsonl"


class RunFolder:
    """One execution of an Experiment, read from its folder; the folder is the truth.

    Args:
        path: The folder.

    Raises:
        RunError: There is no run folder.
    """

    def __init__(self, path: str | Path) -> None:
        self._given = Path(path).absolute()
        self.path = self._given.resolve()
        if not (self.path / EXPERIMENT).is_file():
            msg = f"{path}: not a run folder (it has no {EXPERIMENT})"
            raise RunError(msg)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def experiment(self) -> Experiment:
        """The experiment as executed."""
        return Experiment.from_yaml(self.path / EXPERIMENT)

    @property
    def status(self) -> Status:
        """What the run is doing now."""
        return status.read(self.path)

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, hardware, seeds, git, data fingerprint."""
        return self._json(ENVIRONMENT)

    @property
    def metrics(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Metrics by split and name, each with value, ci, method and n."""
        return self._json(METRICS)

    @property
    def predictions(self) -> list[dict[str, str]]:
        """Rows of predictions.csv."""
        return self._rows(PREDICTIONS, ("id", "split"))

    @property
    def split(self) -> list[dict[str, str]]:
        """Rows of split.csv: id, group, split."""
        return self._rows(SPLIT, ("id", "group", "split"))

    @property
    def notes(self) -> Notes:
        """Tags and note that a person gave the run."""
        return notes.read(self.path)

    def tag(self, *tags: str) -> None:
        """Put tags on the run.

        Raises:
            RunError: One cannot be a tag.
            StorageError: The notes cannot be written.
        """
        self.notes.changed(tag=tags).write(self.path)

    def untag(self, *tags: str) -> None:
        """Take tags off the run, where it has them.

        Raises:
            StorageError: The notes cannot be written.
        """
        self.notes.changed(untag=tags).write(self.path)

    def annotate(self, note: str) -> None:
        """Write the run's note; it replaces the one before.

        Raises:
            RunError: The note is too long or has control characters.
            StorageError: The notes cannot be written.
        """
        self.notes.changed(note=note).write(self.path)

    def delete(self) -> None:
        """Delete the run for good; see `medfusion.runs.deletion.delete`.

        Raises:
            RunError: It is at work, was opened by a link, or is a named version of a model.
            StorageError: It cannot be removed.
        """
        from medfusion.runs import deletion

        deletion.delete(self._given)

    def history(self) -> History:
        """Return the curves so far; `update()` on it reads what came since."""
        found = History(self.path)
        found.update()
        return found

    def pause(self) -> None:
        """Ask the run to pause after its current step."""
        control.ask(self.path, "pause")

    def proceed(self) -> None:
        """Ask a paused run to go on."""
        control.ask(self.path, "run")

    def stop(self) -> None:
        """Ask the run to save and stop after its current step; it can be resumed."""
        control.ask(self.path, "stop")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            msg = f"{self.path}: has no {name} yet (the run is {self.status.state})"
            raise RunError(msg) from None
        except (ValueError, OSError) as error:
            msg = f"{path}: damaged ({error})"
            raise RunError(msg) from None
        if not isinstance(document, dict):
            msg = f"{path}: damaged (not a JSON object)"
            raise RunError(msg)
        return document

    def _rows(self, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        path = self.path / name
        try:
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
        except FileNotFoundError:
            msg = f"{self.path}: has no {name} yet (the run is {self.status.state})"
            raise RunError(msg) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            msg = f"{path}: damaged ({error})"
            raise RunError(msg) from None
        if not set(columns) <= set(reader.fieldnames or ()) or any(None in row for row in rows):
            msg = f"{path}: damaged (it needs the columns {', '.join(columns)})"
            raise RunError(msg)
        return rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @classmethod
    def create(cls, experiment: Experiment, runs: str | Path = "runs") -> Self:
        """Make the folder of a new run, complete enough to be resumed, but do not start it.

        Args:
            experiment: What will be executed.
            runs: Folder that holds the runs; made where missing.

        Raises:
            StorageError: The folder cannot be made.
            CorrectionsError: The experiment names a journal of corrections that cannot be read.
        """
        corrections = _corrections(experiment)
        runs = Path(runs)
        with atomic.storage_errors(runs):
            runs.mkdir(parents=True, exist_ok=True)
            path = _fresh(runs, experiment.name)
        try:
            with atomic.storage_errors(path):
                (path / CHECKPOINTS).mkdir()
            facts = environment.describe(experiment.folder)
            facts |= {"experiment_hash": experiment.hash, "seed": experiment.seed}
            facts["experiment_folder"] = str(experiment.folder)
            executed = experiment.resolved()
            if corrections is not None:
                # A copy: resuming must not see what is decided after the run began.
                atomic.write_bytes(path / CORRECTIONS, corrections)
                facts["corrections"] = {
                    "file": str(_origin(Path(executed.data.corrections or ""))),
                    "sha256": hashlib.sha256(corrections).hexdigest(),
                }
                data = executed.data.model_copy(update={"corrections": CORRECTIONS})
                executed = executed.model_copy(update={"data": data})
            atomic.write_json(path / ENVIRONMENT, facts)
            Status(epochs=experiment.training.epochs).write(path)
            atomic.write_text(path / EXPERIMENT, executed.to_yaml())
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return cls(path)


def _corrections(experiment: Experiment) -> bytes | None:
    """Return the whole lines of the journal that an experiment names; None where it names none."""
    if experiment.data.corrections is None:
        return None
    path = experiment.folder / experiment.data.corrections
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: the journal of corrections cannot be read ({error.strerror or error})"
        raise CorrectionsError(msg) from None
    return content[: content.rfind(b"\n") + 1]


def _origin(path: Path) -> Path:
    """Return the journal that a run's own copy was made from; any other path as it is."""
    try:
        facts = json.loads((path.parent / ENVIRONMENT).read_text(encoding="utf-8"))
        return Path(facts["corrections"]["file"])
    except (OSError, ValueError, KeyError, TypeError):
        return path


def _fresh(runs: Path, name: str) -> Path:
    stamp = dt.datetime.now(tz=dt.UTC).astimezone().strftime("%Y%m%d-%H%M%S")
    stem = re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "run"
    for number in range(1000):
        path = runs / f"{stem}-{stamp}{f'-{number + 1}' if number else ''}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    msg = f"{runs}: no free name for a run"
    raise RunError(msg)


def list_runs(runs: str | Path = "runs") -> list[RunFolder]:
    """Return the runs in a folder, the newest first; what is no run is passed over, and what is hidden."""
    runs = Path(runs)
    if not runs.is_dir():
        return []
    found = [
        path
        for path in runs.iterdir()
        if not path.name.startswith(".") and (path / EXPERIMENT).is_file()
    ]
    found.sort(key=lambda path: (path / EXPERIMENT).stat().st_mtime, reverse=True)
    return [RunFolder(path) for path in found]
