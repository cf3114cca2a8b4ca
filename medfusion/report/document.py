"""A report put together: the head and the sections, in the order in which one reads a study."""

from __future__ import annotations

from collections.abc import Callable

from medfusion.report import (
    agreement,
    calibration,
    checks,
    cohort_flow,
    confusion,
    discrimination,
    learning_curves,
    methods,
    metric_table,
    operating_points,
    provenance,
    risk_groups,
    summary,
    survival,
    survival_calibration,
    table1,
)
from medfusion.report.blocks import Document, Section
from medfusion.report.evidence import Evidence

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
    "regression": (metric_table.section, agreement.section),
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
    results = _RESULTS[evidence.kind]
    makers = (*data, *(results if evidence.predictions else results[:1]), *_REST)
    return Document(
        title=evidence.experiment.name,
        state=evidence.status.state,
        facts=summary.facts(evidence),
        summary=summary.sentence(evidence),
        alert=summary.alert(evidence),
        numbers=summary.numbers(evidence),
        sections=[maker(evidence) for maker in makers],
    )
