"""Data flow: from the table's rows to the splits."""

from __future__ import annotations

from medfusion.report.blocks import Block, Cell, Flow, FlowBox, Missing, Row, Section, Table
from medfusion.report.evidence import CohortFacts, Evidence, SplitFacts, tasks
from medfusion.report.numbers import count_of, counted, rounded
from medfusion.report.theme import SPLIT_NAMES

_CLASSES_IN_BOX = 6


def section(evidence: Evidence) -> Section:
    """Draw the flow of rows and tabulate the splits."""
    cohort = evidence.cohort
    if cohort is None:
        blocks: list[Block] = [Missing("The data were not read yet.")]
    else:
        blocks = [_flow(evidence, cohort), _splits(evidence, cohort)]
    return Section("flow", "Data flow", blocks)


def _flow(evidence: Evidence, cohort: CohortFacts) -> Flow:
    flow = cohort.flow
    left_out = sum(reason.count for reason in flow.excluded)
    unit = evidence.experiment.data.group
    kept = (
        f"All rows with the same value of {unit} are in the same split."
        if unit
        else "Each row is its own group."
    )
    return Flow(
        caption=f"Flow of rows from the table to the splits. {kept}",
        start=FlowBox("Rows in the table", f"n = {flow.rows}"),
        excluded=FlowBox(
            "Excluded",
            f"n = {left_out}",
            [f"{reason.reason}: {reason.count}" for reason in flow.excluded],
        ),
        analysed=FlowBox("Analysed", f"n = {flow.analysed}"),
        splits=[
            FlowBox(
                SPLIT_NAMES.get(split.split, split.split),
                f"n = {split.subjects}",
                _lines(evidence, cohort, split),
            )
            for split in cohort.splits
        ],
    )


def _lines(evidence: Evidence, cohort: CohortFacts, split: SplitFacts) -> list[str]:
    lines = []
    if evidence.experiment.data.group:
        lines.append(counted(split.groups, "group"))
    parts = tasks(evidence)
    for name, own in parts.items():
        facts = own.cohort and own.cohort.of(split.split)
        if own.cohort and facts:
            lines += [f"{name}: {line}" for line in _target_lines(own, own.cohort, facts)]
    if not parts:
        lines += _target_lines(evidence, cohort, split)
    lines += [f"without {what}: {count}" for what, count in split.missing.items() if count]
    corrected = cohort.corrections.count(split.split, "relabel") if cohort.corrections else 0
    if corrected:
        lines.append(f"labels corrected: {corrected}")
    return lines


def _target_lines(evidence: Evidence, cohort: CohortFacts, split: SplitFacts) -> list[str]:
    lines = []
    if cohort.target.kind == "regression":
        lines.append(f"{cohort.target.column}: {_mean(split, cohort)}")
    elif cohort.target.kind == "survival":
        lines.append(f"events: {count_of(_events(split), split.subjects)}")
        lines.append(f"median follow-up: {_follow_up(split, cohort)}")
    else:
        shown = list(_counts(cohort, split).items())
        if cohort.target.kind == "binary":
            shown = [(evidence.event, count) for _, count in shown[1:]]
        lines += [
            f"{name}: {count_of(count, _known(split, name))}"
            for name, count in shown[:_CLASSES_IN_BOX]
        ]
        if len(shown) > _CLASSES_IN_BOX:
            lines.append(f"and {len(shown) - _CLASSES_IN_BOX} more classes")
    return lines


def _known(split: SplitFacts, name: str) -> int:
    """Return the rows in which a class or label is known."""
    return split.subjects - split.unknown.get(name, 0)


def _splits(evidence: Evidence, cohort: CohortFacts) -> Table:
    target = cohort.target
    parts = list(dict.fromkeys(name for split in cohort.splits for name in split.missing))
    columns = ["Split", "Subjects", "Groups"]
    several = {name: own.cohort for name, own in tasks(evidence).items() if own.cohort}
    for name, own in several.items() or [("", cohort)]:
        columns += [f"{name}: {column}" if name else column for column in _target_columns(own)]
    columns += [f"Without {name}, n (%)" for name in parts]
    rows = []
    for split in cohort.splits:
        cells = [Cell(str(split.subjects)), Cell(str(split.groups))]
        for own in several.values() or [cohort]:
            facts = own.of(split.split)
            cells += _target_cells(own, facts) if facts else []
        cells += [Cell(count_of(split.missing.get(name, 0), split.subjects)) for name in parts]
        rows.append(Row(Cell(SPLIT_NAMES.get(split.split, split.split)), cells))
    by = evidence.experiment.data.split.kind
    how = {
        "column": "as given by a column of the table",
        "grouped": "whole groups drawn at random",
        "stratified-grouped": "whole groups drawn at random with nearly the same mix of targets",
        "grouped-kfold": "folds of whole groups",
    }[by]
    notes = (
        ["Median follow-up by the reverse Kaplan-Meier method: censoring takes the event's place."]
        if target.kind == "survival"
        else []
    )
    caption = f"The splits ({how}) and the target in each."
    return Table("splits", caption, columns, rows, notes)


def _target_columns(cohort: CohortFacts) -> list[str]:
    target = cohort.target
    unit = f" ({target.unit})" if target.unit else ""
    if target.kind == "regression":
        return [f"{target.column}{unit}, mean (SD)", "Range"]
    if target.kind == "survival":
        return ["Events, n (%)", f"Median follow-up{unit}", f"Range of times{unit}"]
    if target.kind == "multilabel":
        return [f"{name}, n (% of known)" for name in _classes(cohort)]
    if target.kind == "segmentation":
        return [f"Images with {name}, n (%)" for name in _classes(cohort)]
    return [f"{target.column} = {name}, n (%)" for name in _classes(cohort)]


def _target_cells(cohort: CohortFacts, split: SplitFacts) -> list[Cell]:
    kind = cohort.target.kind
    low, high = split.target.get("min"), split.target.get("max")
    known = low is not None and high is not None and split.subjects
    between = Cell(f"{rounded(low)} to {rounded(high)}" if known else "no cases")
    if kind == "regression":
        return [Cell(_mean(split, cohort, unit=False)), between]
    if kind == "survival":
        events = Cell(count_of(_events(split), split.subjects))
        return [events, Cell(_follow_up(split, cohort, unit=False)), between]
    counts = _counts(cohort, split)
    return [Cell(count_of(count, _known(split, name))) for name, count in counts.items()]


def _events(split: SplitFacts) -> int:
    return int(split.target.get("event") or 0)


def _follow_up(split: SplitFacts, cohort: CohortFacts, *, unit: bool = True) -> str:
    median = split.target.get("median_follow_up")
    if median is None:
        return "not reached"
    return f"{rounded(median)}{f' {cohort.target.unit}' if unit and cohort.target.unit else ''}"


def _classes(cohort: CohortFacts) -> list[str]:
    if cohort.target.kind == "segmentation":
        return list(cohort.target.classes or ())[1:]
    return list(cohort.target.classes or dict.fromkeys(n for s in cohort.splits for n in s.target))


def _counts(cohort: CohortFacts, split: SplitFacts) -> dict[str, int]:
    return {name: int(split.target.get(name) or 0) for name in _classes(cohort)}


def _mean(split: SplitFacts, cohort: CohortFacts, *, unit: bool = True) -> str:
    if not split.subjects:
        return "no cases"
    suffix = f" {cohort.target.unit}" if unit and cohort.target.unit else ""
    return f"{rounded(split.target.get('mean'))} ({rounded(split.target.get('sd'))}){suffix}"
