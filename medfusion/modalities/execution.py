"""From a comparison's folder to its verdict: every training a run, finished ones kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import filelock

from medfusion.data.corrections import LEFT_OUT
from medfusion.errors import MedFusionError, RunError
from medfusion.modalities import rivals as simple
from medfusion.modalities.candidates import Candidate, experiment_of
from medfusion.modalities.folder import RUNS, ComparisonFolder
from medfusion.modalities.folds import Folds, draw_folds, write_table
from medfusion.modalities.pooling import Rows, pool, read_predictions
from medfusion.modalities.results import work_out
from medfusion.modalities.robustness import hidden_predictions
from medfusion.runs import RunFolder, Status, atomic, control, list_runs, status
from medfusion.spec import Experiment
from medfusion.training import execution
from medfusion.training.callbacks import Callback, StepReport

LOCK = ".lock"
TABLES = "tables"
RIVALS = "rivals"

Tell = Callable[[str], None]


def execute(
    path: str | Path,
    callbacks: Callable[[], Sequence[Callback]] = lambda: (),
    tell: Tell = lambda _: None,
) -> Status:
    """Train what is not trained yet, one after another, then judge all; return the last status.

    Works on a fresh comparison, on one that was stopped, and on one whose process was killed: what
    is finished is not trained again, what was begun goes on.

    Args:
        path: The comparison's folder.
        callbacks: Makes who else watches a training, such as a progress bar.
        tell: Is told in a line what is done next.

    Raises:
        RunError: Another process works on it, or the data changed since it began.
        InputError: The data or the experiment do not allow it.
    """
    comparison = ComparisonFolder(path)
    lock = filelock.FileLock(comparison.path / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        msg = f"{comparison.path}: another process works on this comparison"
        raise RunError(msg) from None
    with lock:
        control.forget_old(comparison.path)
        progress = _Progress(comparison)
        progress.write("running")
        try:
            end = _execute(comparison, progress, callbacks, tell)
        except BaseException as error:
            progress.write("failed", error)
            raise
        progress.write(end)
    return comparison.status


def _execute(
    comparison: ComparisonFolder,
    progress: _Progress,
    callbacks: Callable[[], Sequence[Callback]],
    tell: Tell,
) -> Any:
    document, settings = comparison.document, comparison.settings
    tell("reading the data and drawing the folds")
    folds = draw_folds(comparison.experiment, document["splits"])
    fingerprint = folds.cohort.fingerprint
    if document["fingerprint"] not in (None, fingerprint):
        msg = (
            f"{comparison.path}: the table or its images changed since this comparison began; "
            "give another --runs folder, or delete this one"
        )
        raise RunError(msg)
    comparison.update(fingerprint=fingerprint)
    candidates = _possible(folds, comparison.candidates)
    work = _work(comparison, folds, candidates)
    progress.total = len(work)
    progress.write("running")
    runs: dict[tuple[str, int], RunFolder] = {}
    entries = []
    for number, (one, fold, experiment) in enumerate(work, start=1):
        run = _find(comparison, experiment)
        if run is None or run.status.state != "finished":
            tell(f"[{number}/{len(work)}] {one.label}, fold {fold + 1} of {len(folds)}")
        if run is None:
            run = RunFolder.create(experiment, comparison.path / RUNS)
        runs[one.name, fold] = run
        entries.append({"candidate": one.name, "fold": fold, "run": run.name})
        comparison.update(runs=entries)
        if run.status.state != "finished":
            watching = [_Stop(comparison, run), *callbacks()]
            if execution.execute(run.path, watching).state != "finished":
                return "stopped"
        progress.done = number
        progress.write("running")
        if progress.asked() == "stop":
            return "stopped"
    progress.write("evaluating")
    tables: dict[tuple[str, int], Rows] = {key: run.predictions for key, run in runs.items()}
    tables |= _rivals(comparison, folds, candidates, runs, tell)
    test, val = (pool(folds, candidates, tables, side) for side in ("test", "val"))
    tell("predicting with modalities hidden")
    fusions = [one for one in candidates if one.role == "fusion"]
    width = test.predictions[fusions[0].name].shape[1]
    hidden = hidden_predictions(folds, fusions, runs, width)
    tell("comparing")
    results = work_out(folds, candidates, val, test, hidden, settings)
    comparison.update(results=results)
    return "finished"


def _possible(folds: Folds, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out rivals where scikit-learn has none for the target."""
    kind = folds.experiment.data.target.kind
    return [one for one in candidates if one.role != "rival" or kind in simple.KINDS]


def _work(
    comparison: ComparisonFolder, folds: Folds, candidates: Sequence[Candidate]
) -> list[tuple[Candidate, int, Experiment]]:
    """Return every training in order: fold by fold, so that a first fold is complete soon."""
    work = []
    for fold, spec in enumerate(folds.specs):
        for one in candidates:
            if not one.trained:
                continue
            name = f"{one.name} fold {fold + 1}"
            data = _data(comparison, folds, one, fold, spec)
            work.append((one, fold, experiment_of(folds.experiment, one, data, name)))
    return work


def _data(
    comparison: ComparisonFolder, folds: Folds, one: Candidate, fold: int, spec: Any
) -> dict[str, Any]:
    if one.role == "complete":
        rows = folds.complete.nonzero()[0]
        name = f"complete-fold-{fold + 1}.csv"
    elif "image" not in one.inputs and any(
        lost.reason != LEFT_OUT for lost in folds.cohort.excluded
    ):
        # Without images nothing would be left out: the rows would not be the same ones.
        rows = (folds.sides[fold] != "").nonzero()[0]
        name = f"readable-fold-{fold + 1}.csv"
    else:
        return {"split": dict(spec)}
    path = comparison.path / TABLES / name
    with atomic.storage_errors(path):
        path.parent.mkdir(exist_ok=True)
    return write_table(folds, fold, rows, path)


def _find(comparison: ComparisonFolder, experiment: Experiment) -> RunFolder | None:
    """Return the run of an experiment that there is already; a finished one before others."""
    found = []
    for run in list_runs(comparison.path / RUNS):
        try:
            if run.environment.get("experiment_hash") == experiment.hash:
                found.append((run.status.state == "finished", run))
        except MedFusionError:  # killed while its folder was made
            continue
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _rivals(
    comparison: ComparisonFolder,
    folds: Folds,
    candidates: Sequence[Candidate],
    runs: dict[tuple[str, int], RunFolder],
    tell: Tell,
) -> dict[tuple[str, int], Rows]:
    found: dict[tuple[str, int], Rows] = {}
    rivals = [one for one in candidates if one.role == "rival"]
    for fold in range(len(folds)):
        for one in rivals:
            tell(f"{one.label}, fold {fold + 1} of {len(folds)}")
            folder = comparison.path / RIVALS
            path = simple.predict_fold(
                one.name, runs["table", fold], folder, fold, folds.sides[fold]
            )
            found[one.name, fold] = read_predictions(path)
    return found


class _Progress:
    """Keeps status.json: its epochs are the trainings."""

    def __init__(self, comparison: ComparisonFolder) -> None:
        self._path = comparison.path
        self._control = control.Control(self._path)
        self.done, self.total = 0, 0

    def write(self, state: Any, error: BaseException | None = None) -> None:
        said = None
        if error is not None:
            said = {"type": type(error).__name__, "message": str(error)}
        found = Status(state=state, epoch=self.done, epochs=self.total, error=said)
        dataclasses.replace(found, **status.of_this_process()).write(self._path)

    def asked(self) -> str:
        return self._control.wish()


class _Stop(Callback):
    """Hands a wish to stop the comparison on to the run that is at work."""

    def __init__(self, comparison: ComparisonFolder, run: RunFolder) -> None:
        self._control, self._run = control.Control(comparison.path), run

    def on_step_end(self, engine: Any, report: StepReport) -> None:  # noqa: ARG002
        if self._control.wish() == "stop":
            self._run.stop()
