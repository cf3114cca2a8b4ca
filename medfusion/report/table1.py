"""Table 1: the features in each split, and how far the splits differ."""

from __future__ import annotations

from medfusion.report.blocks import Block, Cell, Missing, Row, Section, Table
from medfusion.report.evidence import (
    SPLITS,
    CategoricalColumn,
    CohortFacts,
    Evidence,
    NumericColumn,
    NumericSummary,
)
from medfusion.report.numbers import NO_BREAK, count_of, decimal, rounded, sized
from medfusion.report.theme import SPLIT_NAMES

IMBALANCED = 0.1
"""Absolute standardised mean difference from which a split counts as different (Austin 2009)."""

_NAMES = {"all": "All", **SPLIT_NAMES}
_COMPARED = ("val", "test")


def section(evidence: Evidence) -> Section:
    """Tabulate every numeric and categorical column by split."""
    cohort = evidence.cohort
    if cohort is None:
        blocks: list[Block] = [Missing("The data were not read yet.")]
    elif not cohort.table1:
        blocks = [Missing("The experiment uses no columns of the table as features.")]
    else:
        blocks = [_table(cohort)]
    return Section("table1", "Characteristics of the subjects", blocks)


def _table(cohort: CohortFacts) -> Table:
    present = {split for column in cohort.table1 for split in column.splits}
    splits = [split for split in ("all", *SPLITS) if split in present]
    sizes = {facts.split: facts.subjects for facts in cohort.splits}
    sizes["all"] = sum(sizes.values())
    rows: list[Row] = []
    for column in cohort.table1:
        if isinstance(column, NumericColumn):
            rows += _numeric(column, splits)
        else:
            rows += _categorical(column, splits)
    headers = [f"{_NAMES[split]} {sized(sizes.get(split, 0))}" for split in splits]
    return Table(
        name="table1",
        caption="Features of the subjects by split.",
        columns=["Feature", *headers, *(f"SMD, {SPLIT_NAMES[s].lower()}" for s in _COMPARED)],
        rows=rows,
        notes=[
            "Numeric: mean (SD), then median [first to third quartile].",
            "Categorical: n (% of those known).",
            f"SMD: standardised mean difference from training; above {IMBALANCED:g} in bold.",
            *_left_out(cohort),
        ],
    )


def _left_out(cohort: CohortFacts) -> list[str]:
    """Say how many rows the label review left out, by split, as they are not counted here."""
    facts = cohort.corrections
    gone = {split: facts.count(split, "exclude") for split in SPLITS} if facts else {}
    if not any(gone.values()):
        return []
    parts = ", ".join(f"{SPLIT_NAMES[split].lower()} {count}" for split, count in gone.items())
    return [f"Without rows that the label review left out: {parts}."]


def _smd(column: NumericColumn | CategoricalColumn) -> list[Cell]:
    cells = []
    for split in _COMPARED:
        value = column.smd.get(split)
        large = value is not None and abs(value) > IMBALANCED
        text = "\N{EN DASH}" if value is None else decimal(value)
        cells.append(Cell(text, value, strong=large))
    return cells


def _blank() -> list[Cell]:
    return [Cell("") for _ in _COMPARED]


def _numeric(column: NumericColumn, splits: list[str]) -> list[Row]:
    found = [column.splits.get(split) for split in splits]
    rows = [
        Row(Cell(f"{column.column}, mean (SD)"), [*map(_mean, found), *_smd(column)]),
        Row(Cell("median [Q1 to Q3]"), [*map(_median, found), *_blank()], level=1),
    ]
    if any(summary and summary.missing for summary in found):
        rows.append(_missing([(s.missing, s.n + s.missing) if s else None for s in found]))
    return rows


def _categorical(column: CategoricalColumn, splits: list[str]) -> list[Row]:
    found = [column.splits.get(split) for split in splits]
    title = [Cell("") for _ in splits]
    rows = [Row(Cell(f"{column.column}, n (%)"), [*title, *_smd(column)])]
    for place, level in enumerate(column.levels):
        cells = []
        for summary in found:
            known = sum(summary.counts) if summary else 0
            counts = summary.counts if summary else ()
            cells.append(Cell(count_of(counts[place], known) if place < len(counts) else ""))
        rows.append(Row(Cell(level), [*cells, *_blank()], level=1))
    if any(summary and summary.missing for summary in found):
        rows.append(
            _missing([(s.missing, sum(s.counts) + s.missing) if s else None for s in found])
        )
    return rows


def _missing(parts: list[tuple[int, int] | None]) -> Row:
    cells = [Cell(count_of(*part) if part else "") for part in parts]
    return Row(Cell("missing"), [*cells, *_blank()], level=1)


def _mean(summary: NumericSummary | None) -> Cell:
    if summary is None or summary.mean is None:
        return Cell("no values")
    spread = "\N{EN DASH}" if summary.sd is None else rounded(summary.sd)
    return Cell(f"{rounded(summary.mean)} ({spread})")


def _median(summary: NumericSummary | None) -> Cell:
    if summary is None or summary.median is None:
        return Cell("no values")
    spread = f"[{rounded(summary.q1)} to {rounded(summary.q3)}]".replace(" ", NO_BREAK)
    return Cell(f"{rounded(summary.median)} {spread}")
