"""What the label review changed: how many labels, by split and action."""

from __future__ import annotations

from pathlib import Path

from medfusion.report.blocks import Block, Cell, Finding, Findings, Paragraph, Row, Section, Table
from medfusion.report.evidence import SPLITS, CorrectionFacts, Evidence
from medfusion.report.numbers import counted
from medfusion.report.theme import SPLIT_NAMES

_ACTIONS = {
    "relabel": "Relabelled",
    "exclude": "Left out",
    "flag": "Flagged, unchanged",
    "keep": "Found right",
}


def section(evidence: Evidence) -> Section:
    """Tabulate what was decided about labels and what that changed."""
    facts = evidence.cohort.corrections if evidence.cohort else None
    blocks: list[Block] = []
    if facts is not None:
        warning = _test_warning(facts)
        if warning:
            blocks.append(Findings(open=[Finding("WARN", "Test labels", warning)], folded=[]))
        blocks.append(
            Paragraph(
                f"A person reviewed labels that a model had contradicted; the decisions stand in "
                f"the journal {_journal(evidence, facts)} (SHA-256 {facts.sha256[:16]}\N{HORIZONTAL ELLIPSIS}), "
                "a copy of which is kept with the run. The table's file was not changed, and the "
                "split is the one without corrections."
            )
        )
        blocks.append(_by_split(facts))
        if facts.changes:
            blocks.append(_changes(facts))
    return Section("corrections", "Label corrections", blocks)


def _journal(evidence: Evidence, facts: CorrectionFacts) -> str:
    """Return the name of the journal that the run's copy was made from."""
    named = (evidence.environment or {}).get("corrections")
    file = named.get("file") if isinstance(named, dict) else None
    return Path(file).name if isinstance(file, str) else facts.file


def changed_in_test(facts: CorrectionFacts) -> int:
    """Return how many labels of the test split were corrected or left out."""
    return facts.count("test", "relabel") + facts.count("test", "exclude")


def sentence(facts: CorrectionFacts) -> str:
    """Say for the methods what was corrected."""
    relabelled = sum(facts.count(split, "relabel") for split in SPLITS)
    left_out = sum(facts.count(split, "exclude") for split in SPLITS)
    test = changed_in_test(facts)
    said = (
        f"After a review of labels that a model had contradicted (confident learning), "
        f"{counted(relabelled, 'label')} {'was' if relabelled == 1 else 'were'} corrected and "
        f"{counted(left_out, 'row')} left out"
    )
    if facts.test_left:
        return f"{said}; labels of the test split were left as they were."
    return (
        f"{said}, {test} of these in the test split."
        if test
        else f"{said}, none in the test split."
    )


def _test_warning(facts: CorrectionFacts) -> str:
    changed = changed_in_test(facts)
    if not changed:
        return ""
    return (
        f"{counted(changed, 'label')} of the test split {'was' if changed == 1 else 'were'} "
        "corrected or left out. A review looks at those cases that a model contradicts, so the "
        "corrected test split agrees with models more than an untouched one: do not compare these "
        "results with those of runs on other labels. data.correct_test: false judges by the labels "
        "as they were."
    )


def _by_split(facts: CorrectionFacts) -> Table:
    rows = [
        Row(
            Cell(SPLIT_NAMES.get(split, split)),
            [
                Cell(str(facts.count(split, action)), float(facts.count(split, action)))
                for action in _ACTIONS
            ],
        )
        for split in SPLITS
    ]
    notes = []
    if facts.test_left:
        notes.append(
            f"{counted(facts.test_left, 'correction')} of test labels "
            f"{'was' if facts.test_left == 1 else 'were'} not applied (data.correct_test: false)."
        )
    return Table(
        name="corrections",
        caption="Decisions of the label review that were applied, by split.",
        columns=["Split", *_ACTIONS.values()],
        rows=rows,
        notes=notes,
    )


def _changes(facts: CorrectionFacts) -> Table:
    return Table(
        name="corrected-labels",
        caption="Labels that were corrected.",
        columns=["Label", "In the table", "Corrected to", "Split", "Rows"],
        rows=[
            Row(
                Cell(one.column),
                [
                    Cell(one.old or "unknown"),
                    Cell(one.new or "unknown"),
                    Cell(SPLIT_NAMES.get(one.split, one.split)),
                    Cell(str(one.count), float(one.count)),
                ],
            )
            for one in facts.changes
        ],
        align="text",
    )
