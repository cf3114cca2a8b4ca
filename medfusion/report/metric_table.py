"""All metrics of all splits, each with its interval, or the reason why it is not estimable."""

from __future__ import annotations

from medfusion.report.blocks import Block, Cell, Missing, Row, Section, Table
from medfusion.report.evidence import SPLITS, Estimate, Evidence
from medfusion.report.metric_names import label, level_free, of_class, ordered
from medfusion.report.numbers import interval, sized
from medfusion.report.theme import SPLIT_NAMES


def section(evidence: Evidence) -> Section:
    """Tabulate metrics.json."""
    metrics = evidence.metrics
    if not metrics:
        return Section("metrics", "Performance", [Missing("Not evaluated yet.")])
    splits = [split for split in SPLITS if split in metrics]
    splits += [split for split in metrics if split not in SPLITS]
    names = ordered(
        dict.fromkeys(n for split in splits for n in metrics[split] if of_class(n) is None)
    )
    sizes = {split: max((e.n for e in metrics[split].values()), default=0) for split in splits}
    unit = getattr(evidence.experiment.data.target, "unit", None)
    rows: list[Row] = []
    marks: dict[str, str] = {}
    for name in names:
        found = {split: metrics[split].get(name) for split in splits}
        cells = [_cell(found[split], sizes[split], marks) for split in splits]
        cells.append(Cell("", note=_methods(list(found.values()))))
        rows.append(Row(Cell(label(name, kind=evidence.kind, unit=unit)), cells))
    table = Table(
        name="metrics",
        caption=f"Performance on each split: estimate ({evidence.confidence} CI).",
        columns=[
            "Metric",
            *(f"{SPLIT_NAMES.get(split, split)} {sized(sizes[split])}" for split in splits),
            "Interval",
        ],
        rows=rows,
        notes=[*(f"{mark}: {note}." for note, mark in marks.items()), *_notes(evidence)],
    )
    blocks: list[Block] = [table]
    return Section("metrics", "Performance", blocks)


def _cell(estimate: Estimate | None, size: int, marks: dict[str, str]) -> Cell:
    if estimate is None:
        return Cell("")
    if estimate.value is None:
        return Cell("not estimable", note=estimate.note.partition("not estimable: ")[2])
    said = [note for note in estimate.note.split("; ") if note not in ("", "macro")]
    letters = [marks.setdefault(note, _letter(len(marks))) for note in said]
    return Cell(
        interval(estimate.value, estimate.ci),
        estimate.value,
        note=f"n = {estimate.n}" if estimate.n != size else "",
        mark=" ".join(sorted(letters)),
    )


def _letter(place: int) -> str:
    return chr(ord("a") + place % 26) * (1 + place // 26)


def _methods(found: list[Estimate | None]) -> str:
    return "; ".join(dict.fromkeys(level_free(e.method) for e in found if e and e.ci and e.method))


def _notes(evidence: Evidence) -> list[str]:
    notes = ["The training split shows how far the model fits what it learned from, no more."]
    if evidence.kind == "binary":
        rule = evidence.experiment.evaluation.threshold.kind
        how = "fixed beforehand" if rule == "fixed" else "chosen on the validation split alone"
        notes.append(f"The threshold was {how}; n is given where it is not the whole split.")
    prevalence = evidence.experiment.evaluation.prevalence
    if prevalence is not None:
        notes.append(f"Given prevalence: {prevalence:g}.")
    return notes
