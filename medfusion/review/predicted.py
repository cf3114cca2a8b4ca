"""What a run, and the runs of its other folds, predicted for each row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medfusion.errors import InputError, MedFusionError, RunError
from medfusion.evaluation.layout import LabelLayout, layout_of
from medfusion.runs import RunFolder, list_runs
from medfusion.spec import GroupedKFoldSplit
from medfusion.spec.target import MultitaskTarget, TargetSpec

Source = Literal["fold", "test", "val", "train"]
"""Whose prediction of a row is judged: that of a run of another fold, which did not see the row at
all; or the run's own for a row of its test, validation or training split."""

NO_YES = ("no", "yes")
"""What the two values of a label are called."""

REFUSED = {
    "survival": "a time to an event may be long or short by chance alone, so no prediction can "
    "contradict it",
    "segmentation": "its labels are the pixels of masks, which no table holds",
}
"""Kinds of target that have no labels to review, and why."""

Row = dict[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One column of labels, of the rows that have one.

    Attributes:
        column: The column of the table.
        kind: Kind of its target.
        classes: Its classes; of a label no and yes; empty for numbers.
        ids: The rows.
        splits: Their splits in the run that is reviewed.
        sources: Whose predictions are judged.
        given: Class index, int64 [m], or number, float64 [m].
        predicted: Probability of each class [m, K], or number [m].
    """

    column: str
    kind: str
    classes: tuple[str, ...]
    ids: list[str]
    splits: list[str]
    sources: list[Source]
    given: NDArray[Any]
    predicted: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Predicted:
    """All that is judged.

    Attributes:
        parts: The columns of labels.
        folds: Runs whose test rows were taken, that of the review included.
        passed: Tasks that have no labels to review.
    """

    parts: list[Part]
    folds: int
    passed: tuple[str, ...]


def read_predicted(run: RunFolder) -> Predicted:
    """Read the predictions of a run, and those of the other folds where there are finished ones.

    Args:
        run: The run.

    Raises:
        InputError: Its target has no labels to review.
        RunError: It has no predictions yet, or they are damaged.
    """
    target = run.experiment.data.target
    if target.kind in REFUSED:
        msg = f"{run.path}: predicts a {target.kind}, which has no label review: {REFUSED[target.kind]}"
        raise InputError(msg)
    own = run.predictions
    if not own:
        msg = f"{run.path}: has no predictions; `medfusion evaluate` makes them"
        raise RunError(msg)
    header = list(own[0])
    rows: dict[str, tuple[Row, str, Source]] = {}
    for row in own:
        source: Source = row["split"] if row["split"] in ("test", "val") else "train"  # type: ignore[assignment]
        rows[row["id"]] = (row, row["split"], source)
    folds = 1
    for other in _other_folds(run):
        found = other.predictions
        if not found or list(found[0]) != header:
            continue  # a fold with other classes cannot be put beside
        folds += 1
        for row in found:
            known = rows.get(row["id"])
            if row["split"] == "test" and known is not None and known[2] != "test":
                rows[row["id"]] = (row, known[1], "fold")
    passed: list[str] = []
    try:
        parts = list(_parts(target, list(rows.values()), header, passed))
    except (KeyError, ValueError) as error:
        msg = f"{run.path}: predictions.csv is damaged ({type(error).__name__}: {error})"
        raise RunError(msg) from None
    if not parts:
        msg = f"{run.path}: none of its tasks has labels to review ({', '.join(passed)})"
        raise InputError(msg)
    return Predicted(parts, folds, tuple(passed))


def _other_folds(run: RunFolder) -> Iterator[RunFolder]:
    """Yield the finished runs beside a run that differ from it by the fold alone, each fold once."""
    split = run.experiment.data.split
    if not isinstance(split, GroupedKFoldSplit):
        return
    wanted, data = _but_fold(run), run.environment.get("data_fingerprint")
    seen = {split.fold}
    for other in list_runs(run.path.parent):
        try:
            theirs = other.experiment.data.split
            if not isinstance(theirs, GroupedKFoldSplit) or theirs.fold in seen:
                continue
            if other.status.state != "finished" or _but_fold(other) != wanted:
                continue
            if other.environment.get("data_fingerprint") != data:
                continue
        except MedFusionError:  # a run that is being made, or damaged
            continue
        seen.add(theirs.fold)
        yield other


def _but_fold(run: RunFolder) -> dict[str, Any]:
    document = run.experiment.model_dump(mode="json")
    del document["data"]["split"]["fold"], document["name"]
    return document


def _parts(
    target: TargetSpec,
    rows: Sequence[tuple[Row, str, Source]],
    header: Sequence[str],
    passed: list[str],
) -> Iterator[Part]:
    if isinstance(target, MultitaskTarget):
        for name, own in target.tasks.items():
            if own.kind in REFUSED:
                passed.append(name)
                continue
            start = f"{name}/"
            names = [one.removeprefix(start) for one in header if one.startswith(start)]
            mine = [(_of(row, start), split, source) for row, split, source in rows]
            yield from _parts(own, mine, ["id", *names], passed)
        return
    form = layout_of(target)
    classes = form.classes(header)
    names = form.targets(classes)
    known = [one for one in rows if any(one[0][name] for name in names)]
    cells = [row for row, _, _ in known]
    given, predicted = form.read(cells, classes), form.predictions(cells, header)
    if isinstance(form, LabelLayout):
        for place, name in enumerate(classes):
            there = np.flatnonzero(~np.isnan(given[:, place]))
            p = predicted[there, place]
            yield _part(
                name, target.kind, NO_YES, [known[row] for row in there],
                given[there, place].astype(np.int64), np.column_stack([1 - p, p]),
            )  # fmt: skip
    elif classes:
        yield _part(target.columns[0], target.kind, classes, known, given, predicted)
    else:
        yield _part(target.columns[0], target.kind, (), known, given, predicted[:, 0])


def _part(
    column: str,
    kind: str,
    classes: tuple[str, ...],
    rows: Sequence[tuple[Mapping[str, str], str, Source]],
    given: NDArray[Any],
    predicted: NDArray[np.float64],
) -> Part:
    return Part(
        column=column,
        kind=kind,
        classes=classes,
        ids=[row["id"] for row, _, _ in rows],
        splits=[split for _, split, _ in rows],
        sources=[source for _, _, source in rows],
        given=given,
        predicted=predicted,
    )


def _of(row: Row, start: str) -> Row:
    own = {name.removeprefix(start): cell for name, cell in row.items() if name.startswith(start)}
    return {**own, "id": row["id"]}
