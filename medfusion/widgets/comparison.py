"""Runs beside each other: curves, overlays, paired differences, what was changed between them."""

from __future__ import annotations

import shlex
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from numpy.typing import NDArray

from medfusion.errors import InputError, RunError
from medfusion.runs import History, RunFolder
from medfusion.runs.differences import Difference, configuration, environment
from medfusion.runs.overview import stamps
from medfusion.runs.versions import find_run
from medfusion.spec import main_metrics
from medfusion.widgets import plotly_library
from medfusion.widgets.curves import decimate
from medfusion.widgets.panel import Panel, answers

MOST_RUNS = 8
SPLITS = ("train", "val", "test")
POINTS = 500
KEPT = 32

Buffers = list[bytes]


class ComparisonPart:
    """Answers what a page asks about runs that are compared; part of a panel.

    What is drawn of them (split, class, curve) is in the panel's state, under "comparison".

    Args:
        panel: The panel whose page asks.
        find: Returns the run that the page means by a name.
    """

    def __init__(self, panel: Panel, find: Callable[[str], RunFolder]) -> None:
        self._panel = panel
        self._find = find
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.RLock()

    def show(self, names: Sequence[str], split: str = "test") -> None:
        """Compare these runs; fewer than two are not compared.

        Raises:
            InputError: More than can be told apart, or no such split.
        """
        if len(names) > MOST_RUNS:
            msg = f"{len(names)} runs; at most {MOST_RUNS} can be told apart, choose fewer"
            raise InputError(msg)
        before = self._panel.state.get("comparison") or {}
        chosen = {
            "runs": list(names),
            "split": _split(split),
            "class": before.get("class"),
            "curve": before.get("curve"),
        }
        self._panel.publish(comparison=chosen if len(names) > 1 else None)

    @answers
    def look(
        self, split: str | None = None, class_: str | None = None, curve: str | None = None
    ) -> None:
        """Look at another split, class or curve."""
        now = self._panel.state.get("comparison")
        if now is None:
            msg = "choose two runs to compare"
            raise InputError(msg)
        changed = {"class": class_, "curve": curve}
        if split is not None:
            changed["split"] = _split(split)
        asked = {name: value for name, value in changed.items() if isinstance(value, str)}
        self._panel.publish(comparison={**now, **asked})

    @answers
    def compared(self) -> tuple[dict[str, Any], Buffers]:
        """Return metrics, curves and what was changed; buffers are step and value of each curve."""
        runs, split = self._chosen()
        troubles: list[str] = []
        drawn = [self._curves(run, troubles) for run in runs]
        names = list(dict.fromkeys(name for curves in drawn for name in curves))
        buffers = [
            np.asarray(numbers, dtype=kind).tobytes()
            for curves in drawn
            for name in names
            for kind, numbers in zip(
                (np.int32, np.float32), curves.get(name, ((), ())), strict=True
            )
        ]
        return {
            "runs": [{"name": run.name, "path": str(run.path), **_state(run)} for run in runs],
            "split": split,
            "metrics": _metrics(runs, split, troubles),
            "main": _main(runs[0]),
            "curves": names,
            "classes": self._classes(runs, troubles),
            "fields": _worded(configuration, runs, troubles),
            "places": _worded(environment, runs, troubles),
            "troubles": list(dict.fromkeys(troubles)),
        }, buffers

    @answers
    def overlays(self, class_: str) -> tuple[dict[str, Any], Buffers]:
        """Return counts of a class by run; buffers are the eight rows of curves of each run."""
        from medfusion.report.overlay import overlay

        runs, split = self._chosen()
        found: list[dict[str, Any]] = []
        buffers: Buffers = []
        for run in runs:
            key = ("overlay", run.path, split, class_, stamps(run.path))
            try:
                one = self._cached(key, partial(overlay, run, split, class_))
            except InputError as error:
                found.append({"n": 0, "positive": 0, "why": str(error)})
                buffers += [b""] * 8
                continue
            found.append({"n": one.n, "positive": one.positive, "why": ""})
            rows = (*one.roc, *one.recall, *one.calibration)
            buffers += [np.asarray(row, dtype=np.float32).tobytes() for row in rows]
        return {"runs": found, "class": class_, "split": split}, buffers

    @answers
    def differences(self) -> dict[str, Any]:
        """Return each further run minus the first in the main metric, or why that cannot be said.

        The p values of several differences are adjusted by Holm's method, as one family.
        """
        from medfusion.evaluation.multiplicity import holm
        from medfusion.report.paired import differences

        runs, split = self._chosen()
        found: list[dict[str, Any]] = []
        for run in runs[1:]:
            files = [(one.path, stamps(one.path)) for one in (run, runs[0])]
            key = ("difference", split, *files)
            try:
                own = self._cached(key, partial(differences, run, runs[0], split))
            except InputError as error:
                found.append({"run": run.name, "why": str(error)})
                continue
            found += [{"run": run.name, "why": "", **item} for item in own]
        tested = [item for item in found if item.get("p") is not None]
        for item, p in zip(tested, holm([item["p"] for item in tested]), strict=True):
            item["adjusted"] = p
        return {"reference": runs[0].name, "split": split, "differences": found}

    # -----------------------------------------------------------------------------------------------

    def _chosen(self) -> tuple[list[RunFolder], str]:
        now = self._panel.state.get("comparison")
        if now is None:
            msg = "choose two runs to compare"
            raise InputError(msg)
        return [self._find(name) for name in now["runs"]], now["split"]

    def _cached(self, key: Any, work: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = work()
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _curves(
        self, run: RunFolder, troubles: list[str]
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        history = self._kept.get(("history", run.path))
        try:
            if history is None:
                history = History(run.path)
            history.update()
        except (OSError, ValueError, KeyError, TypeError) as error:
            troubles.append(f"{run.path / 'events.jsonl'}: damaged ({error})")
            return {}
        self._kept["history", run.path] = history
        found = {}
        for name, curve in history.curves.items():
            if not name.startswith(("train/", "val/")):
                continue
            step = np.asarray(curve.step, dtype=np.float64)
            value = np.asarray(curve.value, dtype=np.float64)
            good = np.isfinite(value)
            found[name] = decimate(step[good], value[good], POINTS)
        return found

    def _classes(self, runs: Sequence[RunFolder], troubles: list[str]) -> list[str]:
        """Return the classes that all runs with predictions have."""
        from medfusion.report.overlay import classes_of

        known: list[list[str]] = []
        for run in runs:
            try:
                key = ("classes", run.path, stamps(run.path))
                known.append(self._cached(key, partial(classes_of, run)))
            except InputError as error:
                troubles.append(str(error))
        if not known:
            return []
        return [name for name in known[0] if all(name in other for other in known)]


class ComparisonPanel(Panel):
    """Compares runs: curves over one another, paired differences, what was changed between them.

    Args:
        runs: Two to eight runs: runs, their folders, or versions such as "skin@2". Differences are
            to the first.
        split: "train", "val" or "test".

    Raises:
        InputError: Too few or too many runs, or one is not there.
        TypeError: An argument that the panel does not have.

    Example:
        >>> ComparisonPanel("runs/skin-20260101-120000", "skin@2")  # doctest: +SKIP
    """

    library = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )

    def __init__(
        self, *runs: RunFolder | str | Path, split: str = "test", **arguments: Any
    ) -> None:
        found = [run if isinstance(run, RunFolder) else find_run(run) for run in runs]
        self.runs = {str(run.path): run for run in found}
        if len(self.runs) < 2:
            msg = "give two different runs or more to compare"
            raise InputError(msg)
        super().__init__("comparison", ["split"], **arguments)
        self.library = plotly_library.found()
        part = ComparisonPart(self, self.runs.__getitem__)
        self.attach(part)
        part.show(list(self.runs), split)
        paths = list(self.runs)
        self.publish(
            python=[f"mf.compare({', '.join(map(repr, paths))}, split={split!r})"],
            commands=[shlex.join(["medfusion", "compare", *paths, "--split", split])],
        )

    def __repr__(self) -> str:
        return f"ComparisonPanel({', '.join(map(repr, self.runs))})"


def _split(given: Any) -> str:
    if given not in SPLITS:
        msg = f"{given!r} is no split; there are {', '.join(SPLITS)}"
        raise InputError(msg)
    return str(given)


def _state(run: RunFolder) -> dict[str, Any]:
    try:
        status = run.status
    except RunError:
        return {"state": "damaged", "epoch": 0, "epochs": 0}
    return {"state": status.state, "epoch": status.epoch, "epochs": status.epochs}


def _main(run: RunFolder) -> str:
    try:
        return main_metrics(run.experiment.data.target)[0]
    except InputError:
        return ""


def _metrics(runs: Sequence[RunFolder], split: str, troubles: list[str]) -> list[dict[str, Any]]:
    """Return the metrics of a split that any of the runs has, those of single classes left out."""
    found = []
    for run in runs:
        try:
            found.append(run.metrics.get(split, {}))
        except RunError as error:
            troubles.append(str(error))
            found.append({})
    names = dict.fromkeys(name for one in found for name in one if "[" not in name)
    return [{"name": name, "values": [one.get(name) for one in found]} for name in names]


def _worded(
    differing: Callable[[Sequence[RunFolder]], list[Difference]],
    runs: Sequence[RunFolder],
    troubles: list[str],
) -> list[dict[str, Any]]:
    try:
        return [{"field": item.field, "values": item.words} for item in differing(runs)]
    except InputError as error:
        troubles.append(str(error))
        return []
