"""MedFusion from Python: `train`, `watch` and `Run`, `compare_modalities` and `Comparison`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from medfusion.errors import RunError
from medfusion.modalities import ComparisonFolder, Settings
from medfusion.runs import RunFolder, Status, process, versions
from medfusion.spec import Experiment


class Run(RunFolder):
    """One execution of an Experiment, in its own process; the folder is the truth.

    A closed tab, a restarted kernel or another notebook re-attaches with `Run(path)` and sees the
    whole history.

    Args:
        path: The run folder.

    Raises:
        RunError: There is no run folder.

    Example:
        >>> run = Run("runs/skin-20260101-120000")  # doctest: +SKIP
        >>> run.wait().metrics["test"]["auc"]  # doctest: +SKIP
    """

    _shown_in: int | None = None

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until the run has ended, then return it.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: It is still at work.
            RunError: It failed; the message says why.
        """
        status = process.wait(self.path, timeout)
        if status.state == "failed":
            raise RunError(_why(self, status))
        return self

    def resume(self) -> Self:
        """Go on with a run that was stopped or killed, in a process of its own.

        Raises:
            RunError: It is running already.
        """
        process.start(self.path)
        return self

    def panel(self) -> Any:
        """Return the live panel: curves, time left, log, Pause, Resume and Stop."""
        return watch(self)

    def report(self, path: str | Path) -> Path:
        """Write the report, one HTML file that opens offline, and return its path.

        Raises:
            RunError: The run is damaged.
            StorageError: The file cannot be written.
        """
        from medfusion.report import write_report

        return write_report(self, Path(path))

    def predict(self, table: str | Path, masks: str | Path | None = None) -> Any:
        """Return the predictions for a table as a DataFrame: id and prob_<class> or value.

        Args:
            table: The table.
            masks: Folder for the predicted masks of a segmentation, one PNG a row.

        Raises:
            RunError: The run has no trained weights yet.
            TableError: The table lacks a column of the run's.
        """
        from medfusion.training.prediction import predict, prediction_frame

        return prediction_frame(*predict(self, table, None if masks is None else Path(masks)))

    def _ipython_display_(self) -> None:
        cell = _cell()
        if cell is not None and cell == self._shown_in:  # `train` showed the panel in this cell
            print(repr(self))  # noqa: T201 - what IPython would show otherwise
        else:
            self.panel()._ipython_display_()


def train(
    experiment: Experiment | str | Path, *, runs: str | Path = "runs", show: bool | None = None
) -> Run:
    """Start training in a process of its own and return the run at once.

    In a notebook the live panel is shown; the kernel stays free. `run.wait()` waits for the end.

    Args:
        experiment: An Experiment, or the path of its YAML.
        runs: Folder that holds the runs.
        show: Show the live panel; by default in notebooks only.

    Raises:
        SpecError: The experiment does not follow the schema.
        StorageError: The run folder cannot be made.

    Example:
        >>> run = train("skin.yaml")  # doctest: +SKIP
        >>> run.wait().metrics["test"]["auc"]["value"]  # doctest: +SKIP
    """
    if not isinstance(experiment, Experiment):
        experiment = Experiment.from_yaml(experiment)
    run = Run.create(experiment, runs)
    process.start(run.path)
    cell = _cell()
    if show or (show is None and cell is not None):
        from IPython.display import display

        display(run.panel())  # type: ignore[no-untyped-call]
        run._shown_in = cell  # noqa: SLF001
    return run


def watch(*runs: RunFolder | str | Path) -> Any:
    """Return the live panel of one run, or of several laid over each other.

    Args:
        runs: The runs, or the paths of their folders.

    Raises:
        InputError: No run is given.
        RunError: There is no run folder.

    Example:
        >>> watch("runs/skin-20260101-120000", "runs/skin-20260102-090000")  # doctest: +SKIP
    """
    from medfusion.widgets import RunPanel

    return RunPanel(*runs)


class Comparison(ComparisonFolder):
    """A comparison of modalities in its own process: does fusing image and table pay?

    Args:
        path: Its folder.

    Raises:
        RunError: There is no comparison.

    Example:
        >>> comparison = compare_modalities("skin.yaml", fusions=["gated"])  # doctest: +SKIP
        >>> comparison.wait().verdict  # doctest: +SKIP
        'Fusion (gated) gains 0.021 AUC [0.004, 0.038] over the image alone (p = 0.010).'
    """

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until it has ended, then return it.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: It is still at work.
            RunError: It failed; the message says why.
        """
        status = process.wait(self.path, timeout)
        if status.state == "failed":
            raise RunError(_why(self, status))
        return self

    def resume(self) -> Self:
        """Go on where it was stopped or killed, in a process of its own.

        Raises:
            RunError: It is at work already.
        """
        process.start(self.path)
        return self

    def report(self, path: str | Path) -> Path:
        """Write the report, one HTML file that opens offline, and return its path.

        Raises:
            RunError: It is not finished.
            StorageError: The file cannot be written.
        """
        from medfusion.report import write_comparison

        return write_comparison(self, path)


def compare_modalities(
    experiment: Experiment | str | Path,
    *,
    fusions: Sequence[str] = (),
    folds: int | None = None,
    own_split: bool = False,
    rivals: bool = True,
    complete_rows: bool = False,
    smallest_gain: float | None = None,
    runs: str | Path = "runs",
) -> Comparison:
    """Start comparing modalities in a process of its own and return the comparison at once.

    The image alone, the table alone, every fusion and rivals from scikit-learn on the table learn
    from identical folds. The same call again goes on with what is not finished, and trains only
    what is new.

    Args:
        experiment: An Experiment with images and table columns, or the path of its YAML.
        fusions: Kinds of fusion; by default the experiment's own, and late fusion where known.
        folds: Number of folds over groups; by default 5, and one for a column split.
        own_split: Keep the experiment's own split.
        rivals: Compare with scikit-learn on the table alone too.
        complete_rows: Compare with the first fusion trained on rows that lack nothing, too.
        smallest_gain: Smallest gain in the metric that would matter, by default 0.01.
        runs: Folder that holds it.

    Raises:
        InputError: There is nothing to compare, or a fusion is unknown.
        RunError: It is at work already.

    Example:
        >>> comparison = compare_modalities("skin.yaml", fusions=["gated", "bilinear"])  # doctest: +SKIP
        >>> comparison.wait().report("verdict.html")  # doctest: +SKIP
    """
    if not isinstance(experiment, Experiment):
        experiment = Experiment.from_yaml(experiment)
    settings = Settings(
        fusions=tuple(fusions),
        folds=folds,
        own_split=own_split,
        rivals=rivals,
        complete_rows=complete_rows,
        smallest_gain=smallest_gain,
    )
    comparison = Comparison.create(experiment, settings, runs)
    process.start(comparison.path)
    return comparison


def compare(*runs: RunFolder | str | Path, split: str = "test") -> Any:
    """Return the panel that compares runs: curves, differences with p values, what was changed.

    Args:
        runs: Two runs or more: runs, their folders, or versions such as "skin@2".
        split: "train", "val" or "test".

    Raises:
        InputError: Fewer than two runs, or one is not there.

    Example:
        >>> compare("runs/skin-20260101-120000", "runs/skin-20260102-080000")  # doctest: +SKIP
    """
    from medfusion.widgets.comparison import ComparisonPanel

    return ComparisonPanel(*runs, split=split)


def load_version(name: str, number: int | None = None, *, runs: str | Path = "runs") -> Run:
    """Return the run of a named version, after checking that its weights are those that were named.

    Args:
        name: The model's name.
        number: Its version; the latest without one.
        runs: The runs folder.

    Raises:
        RunError: There is no such version, its run is gone, or its weights have changed.

    Example:
        >>> load_version("skin", 2).predict("new.csv")  # doctest: +SKIP
    """
    return Run(versions.load(f"{name}@{'latest' if number is None else number}", runs).path)


def _cell() -> int | None:
    """Return the number of the notebook cell being executed; None outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return int(shell.execution_count)


def _why(run: RunFolder | ComparisonFolder, status: Status) -> str:
    if status.error is not None:
        return f"{run.path}: {status.error['message']}"
    return f"{run.path}: failed; see {run.path / 'log.txt'}"
