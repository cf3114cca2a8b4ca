"""How survival is told apart and met over time: the AUC by time, figures at the horizons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import Block, Cell, Figure, Missing, Panel, Row, Section, Table
from medfusion.report.evidence import SPLITS, Evidence
from medfusion.report.metric_names import label, of_class
from medfusion.report.numbers import NOT_ESTIMABLE, decimal, interval

if TYPE_CHECKING:
    from medfusion.evaluation import FollowUp

_AT_HORIZON = ("auc", "brier", "observed_expected")
_DRAWN = ("val", "test")


def section(evidence: Evidence) -> Section:
    """Draw the time-dependent AUC and tabulate the figures at the horizons."""
    blocks: list[Block] = []
    curve = _curves(evidence)
    if curve is not None:
        blocks.append(curve)
    if evidence.metrics and horizons(evidence):
        blocks.append(_table(evidence))
    if not blocks:
        blocks = [Missing(evidence.unjudged("auc_mean"))]
    return Section("over-time", "Performance over time", blocks)


def horizons(evidence: Evidence) -> list[str]:
    """Return the times that figures are given for, as the metrics name them."""
    named = (of_class(name) for found in (evidence.metrics or {}).values() for name in found)
    times = {at for known in named if known is not None for at in known[1:]}
    return sorted(times, key=float)


def unit_of(evidence: Evidence) -> str:
    """Return the unit of time with a space before it; empty where there is none."""
    unit = getattr(evidence.experiment.data.target, "unit", "")
    return f" {unit}" if unit else ""


def duration_axis(evidence: Evidence) -> dict[str, Any]:
    """Return an axis of time."""
    unit = unit_of(evidence).strip()
    title = f"Time ({theme.plain(unit)})" if unit else "Time"
    return theme.axis(title, rangemode="tozero")


def known_follow_up(evidence: Evidence) -> FollowUp | None:
    """Return what the predictions are judged with; None where no survival was predicted."""
    from medfusion.evaluation.layout import follow_up

    train = evidence.prediction("train")
    if train is None or len(train.columns) < 2:
        return None
    wanted = getattr(evidence.experiment.data.target, "horizons", None)
    return follow_up(train.target, train.columns, wanted)


def _curves(evidence: Evidence) -> Figure | None:
    import plotly.graph_objects as go

    from medfusion.evaluation import auc_at
    from medfusion.evaluation.survival import Censoring

    known = known_follow_up(evidence)
    if known is None:
        return None
    censoring = Censoring(known.time, known.event)
    traces, said = [], []
    for split in _DRAWN:
        found = evidence.judged(split, "auc_mean")
        if found is None:
            continue
        time, event = found.target.T
        areas = [
            auc_at(time, event, 1 - found.output[:, place], at, censoring)
            if censoring.at([at])[0] > 0
            else float("nan")
            for place, at in enumerate(known.times, start=1)
        ]
        there = np.isfinite(areas)
        mean = _estimate(evidence, split, "auc_mean")
        name = theme.SPLIT_NAMES[split]
        traces.append(
            go.Scatter(
                x=theme.numbers(np.array(known.times)[there]),
                y=theme.numbers(np.array(areas)[there]),
                name=f"{name}: mean {mean}",
                mode="lines+markers",
                line=theme.line(split),
                marker={"size": 5},
                hovertemplate="%{x:.4g}: AUC %{y:.3f}<extra></extra>",
            )
        )
        said.append(f"{name} mean {mean}")
    if not traces:
        return None
    chance = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.5, "y1": 0.5}
    layout = {
        "xaxis": duration_axis(evidence),
        "yaxis": theme.unit_axis("Time-dependent AUC"),
        "shapes": [chance | {"line": {"color": theme.MUTED, "width": 1, "dash": "dot"}}],
        "legend": theme.legend_below(),
        "showlegend": True,
    }
    caption = (
        "Time-dependent AUC (cumulative cases, dynamic controls, inverse probability of censoring "
        "weights from the training split) at quantiles of the event times in training; in the "
        f"legend the mean over time ({evidence.confidence} CI), dotted chance."
    )
    alt = f"Time-dependent AUC. {'; '.join(said)}."
    return Figure(
        "auc-over-time", caption, [Panel("AUC over time", theme.plot(traces, layout), alt)]
    )


def _table(evidence: Evidence) -> Table:
    metrics = evidence.metrics or {}
    splits = [split for split in SPLITS if split in metrics]
    rows: list[Row] = []
    for at in horizons(evidence):
        rows.append(Row(Cell(f"{at}{unit_of(evidence)}"), [Cell("") for _ in splits]))
        for name in _AT_HORIZON:
            cells = []
            for split in splits:
                found = evidence.metric(split, f"{name}[{at}]")
                if found is None:
                    cells.append(Cell(""))
                elif found.value is None:
                    why = found.note.partition("not estimable: ")[2]
                    cells.append(Cell(NOT_ESTIMABLE, note=why))
                else:
                    cells.append(Cell(interval(found.value, found.ci), found.value))
            rows.append(Row(Cell(label(name)), cells, level=1))
    return Table(
        name="horizons",
        caption=f"Performance at the horizons: estimate ({evidence.confidence} CI).",
        columns=["Time and metric", *(theme.SPLIT_NAMES[split] for split in splits)],
        rows=rows,
        notes=[
            "AUC and Brier score are weighted by the inverse probability of censoring.",
            (
                "Observed / expected: risk by Kaplan-Meier over mean predicted risk; 1 is perfect, "
                "above 1 the model promises too little risk."
            ),
        ],
    )


def _estimate(evidence: Evidence, split: str, name: str) -> str:
    found = evidence.metric(split, name)
    return interval(found.value, found.ci) if found else decimal(None)
