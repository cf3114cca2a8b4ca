"""Confusion matrices: at the chosen threshold, or by the most probable class."""

from __future__ import annotations

import numpy as np

from medfusion.report.blocks import Block, Cell, Missing, Row, Section, Table
from medfusion.report.evidence import Evidence, SplitPredictions
from medfusion.report.metric_names import label, of_class
from medfusion.report.numbers import count_of, counted, decimal, interval
from medfusion.report.theme import SPLIT_NAMES

_SPLITS = ("val", "test")
_MATRIX_CLASSES = 30


def section(evidence: Evidence) -> Section:
    """Tabulate predicted against observed classes on validation and test."""
    blocks: list[Block] = []
    for split in _SPLITS:
        found = evidence.prediction(split)
        if found is None:
            continue
        if evidence.kind == "binary":
            blocks.append(_binary(evidence, split, found))
        elif len(evidence.classes) <= _MATRIX_CLASSES:
            blocks.append(_multiclass(evidence, split, found))
        else:
            text = f"{len(evidence.classes)} classes are too many for a matrix; see the table."
            blocks.append(Missing(text))
    if evidence.kind != "binary" and evidence.metrics:
        blocks += [per_class(evidence, split) for split in _SPLITS if split in evidence.metrics]
    if not blocks:
        blocks = [Missing("Not evaluated yet.")]
    title = "Confusion matrix" if evidence.kind == "binary" else "Confusion and classes"
    return Section("confusion", title, blocks)


def _binary(evidence: Evidence, split: str, found: SplitPredictions) -> Block:
    from medfusion.evaluation import Confusion

    threshold = evidence.value(split, "threshold")
    if threshold is None:
        return Missing(f"{SPLIT_NAMES[split]}: no threshold could be chosen on validation.")
    counts = Confusion.at(found.target, found.output[:, 1], threshold)
    matrix = np.array(
        [
            [counts.true_negative, counts.false_positive],
            [counts.false_negative, counts.true_positive],
        ]
    )
    chosen = (
        "fixed beforehand"
        if evidence.experiment.evaluation.threshold.kind == "fixed"
        else "chosen on validation"
    )
    how = f"{evidence.event} is predicted from a probability of {decimal(threshold)} on, {chosen}"
    return _table(evidence, split, matrix, how)


def _multiclass(evidence: Evidence, split: str, found: SplitPredictions) -> Table:
    from medfusion.evaluation import confusion_matrix
    from medfusion.evaluation.ordinal import called_rank

    called, how = found.output.argmax(axis=1), "the most probable class is predicted"
    if evidence.kind == "ordinal":
        called, how = called_rank(found.output), "the median of the probabilities is predicted"
    matrix = confusion_matrix(found.target, called, len(evidence.classes))
    return _table(evidence, split, matrix, how)


def _table(evidence: Evidence, split: str, matrix: np.ndarray, how: str) -> Table:
    rows = []
    (column,) = evidence.experiment.data.target.columns
    for name, counts in zip(evidence.classes, matrix.tolist(), strict=True):
        whole = sum(counts)
        cells = [
            Cell(str(count), count, note=_share(count, whole), shade=count / whole if whole else 0)
            for count in counts
        ]
        rows.append(Row(Cell(name, note=f"n = {whole}"), cells))
    return Table(
        name=f"confusion-{split}",
        caption=f"Confusion matrix, {SPLIT_NAMES[split].lower()} split: {how}. "
        "Counts and shares of the observed class.",
        columns=[f"Observed {column}", *evidence.classes],
        rows=rows,
        over=f"Predicted {column}",
    )


def _share(count: int, whole: int) -> str:
    return count_of(count, whole).partition("(")[2].rstrip(")")


def labels(evidence: Evidence) -> Section:
    """Tabulate the figures of each label on validation and test."""
    found = [per_class(evidence, split) for split in _SPLITS if split in (evidence.metrics or {})]
    blocks: list[Block] = [*found] or [Missing("Not evaluated yet.")]
    return Section("labels", "Labels", blocks)


def per_class(evidence: Evidence, split: str) -> Table:
    """Tabulate the metrics of each class or label on a split."""
    found: dict[str, dict[str, Cell]] = {}
    metrics: list[str] = []
    for key, estimate in (evidence.metrics or {}).get(split, {}).items():
        parts = of_class(key)
        if parts is None:
            continue
        metric, name = parts
        if metric not in metrics:
            metrics.append(metric)
        note = estimate.note if estimate.value is None else ""
        cell = Cell(interval(estimate.value, estimate.ci), estimate.value, note=_why(note))
        found.setdefault(name, {})[metric] = cell
    cohort = evidence.cohort.of(split) if evidence.cohort else None
    several = evidence.kind == "multilabel"
    rows = []
    for name in evidence.classes:
        count = cohort.target.get(name) if cohort else None
        note = f"n = {int(count)}" if count is not None else ""
        if several and cohort and count is not None:
            note += f" of {cohort.subjects - cohort.unknown.get(name, 0)} known"
        header = Cell(name, note=note)
        cells = [found.get(name, {}).get(metric, Cell("")) for metric in metrics]
        rows.append(Row(header, cells))
    return Table(
        name=f"classes-{split}",
        caption=f"Each {'label' if several else 'class against all others'}, "
        f"{SPLIT_NAMES[split].lower()} split, with {evidence.confidence} confidence intervals. "
        f"{counted(len(rows), 'label') if several else counted(len(rows), 'class', 'classes')}.",
        columns=["Label" if several else "Class", *map(label, metrics)],
        rows=rows,
    )


def _why(note: str) -> str:
    return note.partition(": ")[2] or note if note.startswith("not estimable") else note
