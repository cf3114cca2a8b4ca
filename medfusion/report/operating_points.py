"""Operating points: what several thresholds, all set without the test split, mean on it."""

from __future__ import annotations

import math

from medfusion.report.blocks import Block, Cell, Missing, Row, Section, Table
from medfusion.report.evidence import Estimate, Evidence, SplitPredictions
from medfusion.report.metric_names import label
from medfusion.report.numbers import decimal, interval
from medfusion.report.theme import SPLIT_NAMES

SENSITIVITIES = (0.9, 0.95)
FIXED = (0.25, 0.5, 0.75)
METRICS = ("sensitivity", "specificity", "ppv", "npv", "accuracy")


def section(evidence: Evidence) -> Section:
    """Tabulate sensitivity, specificity and predictive values at several thresholds."""
    blocks: list[Block] = []
    for split in ("val", "test"):
        found = evidence.judged(split, "sensitivity")
        if found is not None and found.n:
            blocks.append(_table(evidence, split, found))
    if not blocks:
        blocks = [Missing(evidence.unjudged("sensitivity"))]
    return Section("operating-points", "Operating points", blocks)


def _table(evidence: Evidence, split: str, found: SplitPredictions) -> Table:
    repeated = _repeated(evidence, split)
    rows = [_chosen(evidence, split, found, repeated=repeated)]
    rows += [
        _row(
            evidence,
            found,
            f"Sensitivity \N{GREATER-THAN OR EQUAL TO} {wanted:g}",
            *choice,
            repeated,
        )
        for wanted in SENSITIVITIES
        if (choice := _for_sensitivity(evidence, wanted))
    ]
    rows += [_row(evidence, found, "Fixed", value, "", repeated) for value in FIXED]
    level = evidence.confidence
    notes = [
        "A case is positive when its probability is at or above the threshold.",
        "Thresholds for a wanted sensitivity are chosen on validation; fixed ones on no data.",
    ]
    if repeated:
        notes.append(
            "Several rows belong to one group: intervals are given for the chosen operating point "
            "only, where they are worked out by group."
        )
    if split == "val":
        notes.append("Optimistic where the threshold was chosen on this very split.")
    return Table(
        name=f"operating-points-{split}",
        caption=f"Operating points on the {SPLIT_NAMES[split].lower()} split (n = {found.n}), "
        f"with {level} confidence intervals. Event: {evidence.event}.",
        columns=["Operating point", "Threshold", *map(label, METRICS)],
        rows=rows,
        notes=notes,
    )


def _repeated(evidence: Evidence, split: str) -> bool:
    facts = evidence.cohort.of(split) if evidence.cohort else None
    return facts is not None and facts.groups < facts.subjects


def _chosen(evidence: Evidence, split: str, found: SplitPredictions, *, repeated: bool) -> Row:
    rule = evidence.experiment.evaluation.threshold
    name = {
        "youden": "Chosen: Youden index",
        "fixed": "Chosen: fixed beforehand",
        "sensitivity": "Chosen: "
        f"sensitivity \N{GREATER-THAN OR EQUAL TO} {getattr(rule, 'at_least', 0):g}",
    }[rule.kind]
    threshold = evidence.metric(split, "threshold")
    if threshold is None or threshold.value is None:
        why = threshold.note if threshold else "not evaluated yet"
        return Row(Cell(name, note=why, strong=True), [Cell("")] * (1 + len(METRICS)))
    if any(evidence.metric(split, metric) is None for metric in METRICS):
        return _row(evidence, found, name, threshold.value, "", repeated)
    cells = [_cell(evidence.metric(split, metric)) for metric in METRICS]
    return Row(Cell(name, strong=True), [Cell(decimal(threshold.value), threshold.value), *cells])


def _row(
    evidence: Evidence,
    found: SplitPredictions,
    name: str,
    threshold: float | None,
    note: str,
    repeated: bool,
) -> Row:
    from medfusion.evaluation import Confusion
    from medfusion.evaluation.operating_point import proportion

    if threshold is None or not math.isfinite(threshold):
        return Row(Cell(name, note=note), [Cell("")] * (1 + len(METRICS)))
    counts = Confusion.at(found.target, found.output[:, 1], threshold).proportions()
    cells = []
    for metric in METRICS:
        worked = proportion(*counts[metric], evidence.experiment.evaluation.confidence)
        ci = None if repeated else worked.ci
        cells.append(_cell(Estimate(value=worked.value, ci=ci, n=worked.n, note=worked.note)))
    return Row(Cell(name, note=note), [Cell(decimal(threshold), threshold), *cells])


def _for_sensitivity(evidence: Evidence, wanted: float) -> tuple[float | None, str] | None:
    """Return the threshold that reaches the sensitivity on validation, or why there is none."""
    from medfusion.evaluation import choose_threshold
    from medfusion.spec.evaluation import SensitivityThreshold

    rule = evidence.experiment.evaluation.threshold
    if isinstance(rule, SensitivityThreshold) and rule.at_least == wanted:
        return None
    val = evidence.prediction("val")
    if val is None:
        return None
    threshold, how = choose_threshold(val.target, val.output, SensitivityThreshold(at_least=wanted))
    return threshold, how if threshold is None else ""


def _cell(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("")
    return Cell(interval(estimate.value, estimate.ci), estimate.value)
