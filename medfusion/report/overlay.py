"""Curves of several runs over one another: ROC, precision-recall and calibration of one class."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.errors import InputError, RunError
from medfusion.evaluation import calibration_bins, precision_recall_curve, roc_curve
from medfusion.evaluation.layout import ClassLayout, LabelLayout, layout_of
from medfusion.report.discrimination import thin
from medfusion.report.paired import rows_of_task
from medfusion.runs import RunFolder
from medfusion.spec import MultitaskTarget
from medfusion.spec.target import TargetSpec

Floats = NDArray[np.float64]
Rows = dict[str, dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Overlay:
    """The curves of one run for one class; empty where one of two classes is absent.

    Attributes:
        n: Cases.
        positive: Cases of the class.
        roc: 1 - specificity and sensitivity, each [m].
        recall: Recall and precision, each [m]; a step has the precision of its right end.
        calibration: Predicted, observed, and the ends of the observed interval, each [bins].
    """

    n: int
    positive: int
    roc: tuple[Floats, Floats]
    recall: tuple[Floats, Floats]
    calibration: tuple[Floats, Floats, Floats, Floats]


def classes_of(run: RunFolder) -> list[str]:
    """Return the classes whose curves can be drawn: of a binary target its event.

    A class of one of several tasks is written behind it, "<task>/<class>". Numbers, times and
    regions have none.

    Raises:
        RunError: The run has no predictions yet.
    """
    rows = {row["id"]: row for row in run.predictions}
    header = list(next(iter(rows.values()), {}))
    return [name for name, *_ in _places(run, header)]


def overlay(run: RunFolder, split: str, name: str) -> Overlay:
    """Return the curves of a class on one split.

    Args:
        run: A run with predictions.
        split: "train", "val" or "test".
        name: One of `classes_of`.

    Raises:
        InputError: The run has no such class.
        RunError: The predictions are missing or damaged.
    """
    rows: Rows = {row["id"]: row for row in run.predictions if row["split"] == split}
    header = list(next(iter(rows.values()), {}))
    for known, task, target, place in _places(run, header):
        if known == name:
            own = rows if task is None else rows_of_task(rows, task, target)
            try:
                truth, score = _one(own, target, place)
            except (KeyError, ValueError) as error:
                msg = f"{run.path}: predictions.csv is damaged ({error})"
                raise RunError(msg) from None
            return _curves(truth, score)
    msg = f"{run.name}: has no class {name!r} on the {split} split"
    raise InputError(msg)


def _places(run: RunFolder, header: list[str]) -> list[tuple[str, str | None, TargetSpec, int]]:
    """Return name, task, target and place of each class."""
    target = run.experiment.data.target
    tasks: Mapping[str | None, TargetSpec] = (
        dict(target.tasks.items()) if isinstance(target, MultitaskTarget) else {None: target}
    )
    found = []
    for task, own in tasks.items():
        form = layout_of(own)
        if not isinstance(form, ClassLayout):
            continue
        start = "" if task is None else f"{task}/"
        names = form.classes([c.removeprefix(start) for c in header if c.startswith(start)])
        for place, name in enumerate(names):
            if own.kind == "binary" and place != 1:
                continue
            found.append((f"{start}{name}", task, own, place))
    return found


def _one(rows: Rows, target: TargetSpec, place: int) -> tuple[NDArray[np.bool_], Floats]:
    """Return truth and probability of a class, of the rows in which it is known."""
    form = layout_of(target)
    listed = list(rows.values())
    header = list(listed[0]) if listed else []
    classes = form.classes(header)
    values: NDArray[Any] = form.read(listed, classes)
    score = form.predictions(listed, header)[:, place]
    if isinstance(form, LabelLayout):
        known = ~np.isnan(values[:, place])
        return values[known, place] == 1, score[known]
    return values == place, score


def _curves(truth: NDArray[np.bool_], score: Floats) -> Overlay:
    none = np.empty(0)
    positive = int(truth.sum())
    if not 0 < positive < len(truth):
        return Overlay(len(truth), positive, (none, none), (none, none), (none, none, none, none))
    roc = roc_curve(truth, score)
    recall = precision_recall_curve(truth, score)
    bins = calibration_bins(truth, score)
    corners = thin(roc.false_positive_rate, roc.true_positive_rate)
    steps = thin(recall.recall, recall.precision)
    return Overlay(
        len(truth),
        positive,
        (roc.false_positive_rate[corners], roc.true_positive_rate[corners]),
        (recall.recall[steps], recall.precision[steps]),
        (bins.predicted, bins.observed, bins.low, bins.high),
    )
