"""Predictions of all folds, pooled: each case once, by the fold in which it was not learned from."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.errors import RunError
from medfusion.evaluation.layout import Layout, TimeLayout, layout_of
from medfusion.modalities.candidates import Candidate
from medfusion.modalities.folds import Folds

Floats = NDArray[np.float64]
Rows = Sequence[Mapping[str, str]]


@dataclasses.dataclass(frozen=True, eq=False)
class Pooled:
    """One side of every fold, put together.

    Attributes:
        kind: Kind of the target.
        classes: Names of the classes; empty where there are none.
        row: Positions of the cases in the cohort, int64 [n].
        fold: Fold of each case, int64 [n].
        groups: Group of each case, [n].
        target: Target of each case, [n] or [n, C].
        predictions: Prediction of each case by candidate, [n, columns].
    """

    kind: str
    classes: tuple[str, ...]
    row: NDArray[np.int64]
    fold: NDArray[np.int64]
    groups: list[str]
    target: NDArray[Any]
    predictions: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.row)


def pool(
    folds: Folds,
    candidates: Sequence[Candidate],
    tables: Mapping[tuple[str, int], Rows],
    side: str,
) -> Pooled:
    """Pool what the candidates predicted for one side of every fold.

    Args:
        folds: The folds.
        candidates: Whose predictions.
        tables: Rows of predictions.csv by name of the candidate and fold.
        side: "test" or "val".

    Raises:
        RunError: Predictions that do not fit the folds or each other.
    """
    form = layout_of(folds.experiment.data.target)
    shared = _shared([list(rows[0]) for rows in tables.values()])
    classes, header = form.classes(shared), _judged(form, shared)
    wanted = form.columns(header)
    row = np.concatenate([folds.rows(fold, side) for fold in range(len(folds))])
    fold_of = np.concatenate(
        [np.full(len(folds.rows(fold, side)), fold) for fold in range(len(folds))]
    )
    targets: list[Mapping[str, str]] = []
    predictions: dict[str, list[Floats]] = {one.name: [] for one in candidates}
    for fold in range(len(folds)):
        ids = [folds.cohort.ids[index] for index in folds.rows(fold, side)]
        for one in candidates:
            rows = tables[one.name, fold]
            if form.classes(list(rows[0])) != classes or not wanted:
                msg = f"{one.label}, fold {fold + 1}: its predictions have other classes"
                raise RunError(msg)
            found = {item["id"]: item for item in rows if item["split"] == side}
            lost = [name for name in ids if name not in found]
            if (lost and one.role != "complete") or len(found) + len(lost) != len(ids):
                msg = (
                    f"{one.label}, fold {fold + 1}: its {side} rows are not those of the "
                    "comparison; start anew in another --runs folder"
                )
                raise RunError(msg)
            stand_in = _constant(form, rows, classes, header) if lost else None
            part = form.predictions([found[name] for name in ids if name in found], header)
            if stand_in is not None:
                whole = np.tile(stand_in, (len(ids), 1))
                whole[[name in found for name in ids]] = part
                part = whole
            predictions[one.name].append(part)
            if one is candidates[0]:
                targets += [found[name] for name in ids]
    return Pooled(
        kind=folds.experiment.data.target.kind,
        classes=classes,
        row=row,
        fold=fold_of,
        groups=[folds.cohort.groups[index] for index in row],
        target=form.read(targets, classes),
        predictions={name: np.concatenate(parts) for name, parts in predictions.items()},
    )


def read_predictions(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of predictions."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _judged(form: Layout, header: Sequence[str]) -> Sequence[str]:
    """Return the columns that are judged: of survival the risk, whose rank the C-index looks at."""
    return ["risk"] if isinstance(form, TimeLayout) else header


def _shared(headers: Sequence[Sequence[str]]) -> list[str]:
    """Return the columns that all tables have; times of survival differ between folds."""
    return [name for name in headers[0] if all(name in other for other in headers)]


def _constant(form: Layout, rows: Rows, classes: tuple[str, ...], header: Sequence[str]) -> Floats:
    """Return what is predicted without any knowledge: the mean over the training rows.

    Shares of the classes, or the mean of a number; of other targets the mean prediction.
    """
    train = [item for item in rows if item["split"] == "train"]
    columns = form.columns(header)
    target = form.read(train, classes)
    if target.ndim == 1 and classes and len(columns) == len(classes):
        return np.bincount(target.astype(np.int64), minlength=len(classes)) / len(train)
    if target.ndim == 1 and len(columns) == 1:
        return np.array([float(target.mean())])
    found: Floats = form.predictions(train, header).mean(axis=0)
    return found
