"""A report put together: the head and the sections, in the order in which one reads a study."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from medfusion.report import (
    agreement,
    calibration,
    checks,
    cohort_flow,
    confusion,
    discrimination,
    label_corrections,
    learning_curves,
    methods,
    metric_table,
    operating_points,
    provenance,
    risk_groups,
    segmentation,
    summary,
    survival,
    survival_calibration,
    table1,
)
from medfusion.report.blocks import Document, Figure, Section, Table
from medfusion.report.evidence import Evidence, tasks

Maker = Callable[[Evidence], Section]

_DATA: tuple[Maker, ...] = (checks.section, cohort_flow.section, table1.section)
_RESULTS: dict[str, tuple[Maker, ...]] = {
    "binary": (
        metric_table.section,
        discrimination.section,
        calibration.section,
        confusion.section,
        operating_points.section,
    ),
    "multiclass": (
        metric_table.section,
        discrimination.section,
        calibration.section,
        confusion.section,
    ),
    "multilabel": (
        metric_table.section,
        confusion.labels,
        discrimination.section,
        calibration.section,
    ),
    "ordinal": (
        metric_table.section,
        confusion.section,
        discrimination.section,
        calibration.section,
    ),
    "regression": (metric_table.section, agreement.section),
    "segmentation": (metric_table.section, segmentation.section),
    "survival": (
        metric_table.section,
        survival.section,
        survival_calibration.section,
        risk_groups.section,
    ),
}
_REST: tuple[Maker, ...] = (learning_curves.section, methods.section, provenance.section)


def compose(evidence: Evidence) -> Document:
    """Return the report of a run, as yet without any output format."""
    # One line says that something is not there yet; more sections would only repeat it.
    data = _DATA if evidence.cohort else _DATA[:2]
    if evidence.cohort is not None and evidence.cohort.corrections is not None:
        data = (data[0], label_corrections.section, *data[1:])
    return Document(
        title=evidence.experiment.name,
        state=evidence.status.state,
        facts=summary.facts(evidence),
        summary=summary.sentence(evidence),
        alert=summary.alert(evidence),
        numbers=summary.numbers(evidence),
        sections=[
            *(maker(evidence) for maker in data),
            *_results(evidence),
            *(maker(evidence) for maker in _REST),
        ],
    )


def _results(evidence: Evidence) -> list[Section]:
    """Return the results, of several tasks one after the other."""
    parts = tasks(evidence)
    if not parts:
        makers = _RESULTS[evidence.kind]
        return [maker(evidence) for maker in (makers if evidence.predictions else makers[:1])]
    if not evidence.predictions:
        return [metric_table.section(evidence)]
    return [_named(section, name) for name, own in parts.items() for section in _results(own)]


def _named(section: Section, task: str) -> Section:
    """Return a section under the name of a task."""
    blocks = [
        dataclasses.replace(block, name=f"{task}-{block.name}")
        if isinstance(block, Table | Figure)
        else block
        for block in section.blocks
    ]
    return Section(f"{task}-{section.name}", f"{task}: {section.title}", blocks)
