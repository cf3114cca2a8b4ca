"""A target in simple parts, for checks and summaries: classes or numbers, one value for a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.spec.target import MultitaskTarget, SurvivalTarget, TargetSpec, of_task


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """One value for each row that has it.

    Attributes:
        name: The column; of a multitask target "<task>", or "<task>/<label>".
        values: Class index int64 [m] or number float64 [m], of the rows that have one.
        classes: Names of the classes; empty for a number.
        rows: Which rows these are, int64 [m], ascending.
        kind: Kind of the target that it is part of.
    """

    name: str
    values: NDArray[Any]
    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    kind: str

    def of(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of those among these rows that have one."""
        chosen: NDArray[Any] = self.values[np.isin(self.rows, rows)]
        return chosen


NO_YES = ("no", "yes")
"""What the two values of a label are called."""

CENSORED = ("censored", "event")
"""What the two ends of a survival time are called."""


def outcomes(spec: TargetSpec, classes: Sequence[str], target: NDArray[Any]) -> list[Outcome]:
    """Return the parts of a target.

    A label, and whether a class of pixels is in a mask, is a part with the classes no and yes; a survival time is the part with the classes
    censored and event.

    Args:
        spec: The target.
        classes: Its classes, as `Preprocessing.classes`.
        target: As `Target.encode` gave it.

    Example:
        >>> from medfusion.spec import MultilabelTarget
        >>> labels = np.array([[1, 0], [np.nan, 1]])
        >>> found = outcomes(MultilabelTarget(columns=("a", "b")), ("a", "b"), labels)
        >>> [(part.name, part.values.tolist()) for part in found]
        [('a', [1]), ('b', [0, 1])]
    """
    if isinstance(spec, MultitaskTarget):
        return [
            dataclasses.replace(
                one, name=f"{name}/{one.name}" if own.kind == "multilabel" else name
            )
            for name, own, labels, values in task_columns(spec, classes, target)
            for one in outcomes(own, labels, values)
        ]
    if spec.kind == "multilabel":
        return [
            _known(name, target[:, place], NO_YES, spec.kind) for place, name in enumerate(classes)
        ]
    if spec.kind == "segmentation":
        return [
            _known(name, (target[:, place] > 0).astype(float), NO_YES, spec.kind)
            for place, name in enumerate(classes)
            if place
        ]
    if isinstance(spec, SurvivalTarget):
        return [_known(spec.event, target[:, 1], CENSORED, spec.kind)]
    return [_known(spec.columns[0], target, tuple(classes), spec.kind)]


def task_columns(
    spec: MultitaskTarget, classes: Sequence[str], target: NDArray[Any]
) -> Iterator[tuple[str, TargetSpec, tuple[str, ...], NDArray[np.float64]]]:
    """Yield name, target, classes and columns of each task.

    Args:
        spec: The tasks.
        classes: Classes of all tasks.
        target: Columns of all tasks side by side, [n, C], NaN where missing.

    Yields:
        The columns are [n], or [n, C] of labels and of a time with its event.
    """
    start = 0
    for name, own in spec.tasks.items():
        columns = target[:, start : start + len(own.columns)]
        start += len(own.columns)
        narrow = columns.shape[1] == 1 and own.kind != "multilabel"
        yield name, own, of_task(classes, name), columns[:, 0] if narrow else columns


def _known(name: str, values: NDArray[Any], classes: tuple[str, ...], kind: str) -> Outcome:
    rows = np.flatnonzero(~np.isnan(values))
    known = values[rows]
    return Outcome(name, known.astype(np.int64) if classes else known, classes, rows, kind)
