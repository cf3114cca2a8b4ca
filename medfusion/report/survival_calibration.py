"""Calibration of survival: predicted risks at the horizons against what Kaplan-Meier observed."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import Block, Figure, Missing, Panel, Section
from medfusion.report.evidence import Evidence, SplitPredictions
from medfusion.report.numbers import counted, interval
from medfusion.report.survival import known_follow_up, unit_of

_GROUPS = 10
_CASES_PER_GROUP = 20
_SHOWN = 4


def section(evidence: Evidence) -> Section:
    """Draw observed against predicted risk at each horizon, on validation and test."""
    known = known_follow_up(evidence)
    blocks: list[Block] = []
    for split in ("val", "test"):
        found = evidence.judged(split, "ibs")
        if found is not None and found.n and known is not None and known.horizons:
            places = [(at, 1 + known.times.index(at)) for at in known.horizons[:_SHOWN]]
            blocks.append(_figure(evidence, split, found, places))
    if not blocks:
        blocks = [Missing(evidence.unjudged("ibs"))]
    return Section("calibration", "Calibration", blocks)


def _figure(
    evidence: Evidence, split: str, found: SplitPredictions, places: list[tuple[float, int]]
) -> Figure:
    panels, said = [], []
    for letter, (at, place) in zip("ABCD", places, strict=False):
        panels.append(_panel(evidence, letter, split, found, at, place))
        ratio = evidence.metric(split, f"observed_expected[{_written(at)}]")
        if ratio is not None and ratio.value is not None:
            when = f"{_written(at)}{unit_of(evidence)}"
            said.append(f"{when}: observed / expected {interval(ratio.value, ratio.ci)}.")
    caption = (
        f"Calibration on the {theme.SPLIT_NAMES[split].lower()} split (n = {found.n}). Points: "
        "observed risk of the event (one minus the Kaplan-Meier survival) against the mean "
        f"predicted risk in {counted(_groups(found.n), 'group')} of about equally many cases, with "
        f"{evidence.confidence} intervals (log-log); dotted: perfect calibration. {' '.join(said)}"
    )
    slope = evidence.metric(split, "calibration_slope")
    if slope is not None and slope.value is not None:
        caption += f" Slope {interval(slope.value, slope.ci)}; below 1 the risks are too extreme."
    return Figure(f"calibration-{split}", caption, panels)


def _written(at: float) -> str:
    from medfusion.evaluation.follow_up import written

    return written(at)


def _groups(n: int) -> int:
    return max(2, min(_GROUPS, n // _CASES_PER_GROUP))


def _panel(
    evidence: Evidence, letter: str, split: str, found: SplitPredictions, at: float, place: int
) -> Panel:
    import plotly.graph_objects as go

    from medfusion.evaluation import calibration_at

    time, event = found.target.T
    level = evidence.experiment.evaluation.confidence
    points = calibration_at(
        time, event, 1 - found.output[:, place], at, _groups(found.n), confidence=level
    )
    colour = theme.SPLIT_COLOURS[split]

    def reach(end: np.ndarray, sign: int) -> list[float]:
        gap = np.where(np.isfinite(end), sign * (end - points.observed), 0)
        return theme.numbers(np.maximum(gap, 0))

    trace: Any = go.Scatter(
        x=theme.numbers(points.predicted),
        y=theme.numbers(points.observed),
        mode="markers",
        marker={"size": 7, "color": colour},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": reach(points.high, 1),
            "arrayminus": reach(points.low, -1),
            "thickness": 1.2,
            "width": 3,
            "color": colour,
        },
        customdata=points.cases.tolist(),
        hovertemplate="predicted %{x:.3f}, observed %{y:.3f}<br>n = %{customdata}<extra></extra>",
    )
    stroke = {"color": theme.MUTED, "width": 1, "dash": "dot"}
    layout = {
        "xaxis": theme.unit_axis("Predicted risk"),
        "yaxis": theme.unit_axis("Observed risk"),
        "shapes": [{"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": stroke}],
    }
    when = f"{_written(at)}{unit_of(evidence)}"
    alt = f"Calibration at {when}, {counted(len(points.cases), 'group')} of predicted risk."
    return Panel(f"{letter}. {when}", theme.plot([trace], layout), alt, "square")
