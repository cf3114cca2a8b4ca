"""Kaplan-Meier curves of groups by predicted risk, with the numbers at risk."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import Block, Cell, Figure, Missing, Panel, Row, Section, Table
from medfusion.report.evidence import Evidence, SplitPredictions
from medfusion.report.numbers import counted, decimal, rounded
from medfusion.report.survival import duration_axis, unit_of

_GROUPS = ("Low risk", "Middle risk", "High risk")
_COLOURS = (theme.BLUE, theme.ORANGE, theme.VERMILION)
_DASHES = ("solid", "dash", "dot")
_TICKS = 6


def section(evidence: Evidence) -> Section:
    """Draw the observed survival of thirds of predicted risk on validation and test."""
    train = evidence.prediction("train")
    drawn = [
        (split, found)
        for split in ("val", "test")
        if (found := evidence.judged(split, "c_index")) is not None and found.n
    ]
    blocks: list[Block] = [Missing(evidence.unjudged("c_index"))]
    if train is not None and drawn:
        cuts = np.quantile(train.output.reshape(train.n, -1)[:, 0], [1 / 3, 2 / 3])
        blocks = [_figure(evidence, drawn, cuts)]
        blocks += [_at_risk(evidence, split, found, cuts) for split, found in drawn]
    return Section("risk-groups", "Survival by predicted risk", blocks)


def _groups(found: SplitPredictions, cuts: np.ndarray) -> np.ndarray:
    return np.searchsorted(cuts, found.output.reshape(found.n, -1)[:, 0], side="left")


def _figure(
    evidence: Evidence, drawn: list[tuple[str, SplitPredictions]], cuts: np.ndarray
) -> Figure:
    panels, said = [], []
    for letter, (split, found) in zip("AB", drawn, strict=False):
        panel, test = _panel(evidence, letter, split, found, cuts)
        panels.append(panel)
        said.append(test)
    return Figure(
        "risk-groups",
        "Observed survival (Kaplan-Meier) of three groups by predicted risk; the cut points are "
        f"the thirds of the training split. Shaded: {evidence.confidence} interval (log-log). "
        f"{' '.join(said)}",
        panels,
    )


def _panel(
    evidence: Evidence, letter: str, split: str, found: SplitPredictions, cuts: np.ndarray
) -> tuple[Panel, str]:
    from medfusion.evaluation import kaplan_meier, log_rank

    level = evidence.experiment.evaluation.confidence
    group = _groups(found, cuts)
    time, event = found.target.T
    traces: list[Any] = []
    medians = []
    for number, name in enumerate(_GROUPS):
        chosen = group == number
        if not chosen.any():
            continue
        curve = kaplan_meier(time[chosen], event[chosen], level)
        label = f"{name} (n = {int(chosen.sum())})"
        traces += _curve(curve, number, label)
        median = "not reached" if curve.median is None else rounded(curve.median)
        medians.append(f"{name.lower()} {median}")
    test = log_rank(time, event, group)
    name = theme.SPLIT_NAMES[split]
    chance = "p < 0.001" if test.p < 0.001 else f"p = {decimal(test.p)}"
    said = (
        f"{name}: log-rank \N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO} = "
        f"{decimal(test.statistic)}, {chance}."
        if np.isfinite(test.p)
        else f"{name}: no log-rank test, the groups cannot be compared."
    )
    layout = {
        "xaxis": duration_axis(evidence),
        "yaxis": theme.unit_axis("Survival"),
        "legend": theme.legend_below(),
        "showlegend": True,
    }
    alt = f"Kaplan-Meier curves, {name.lower()}. Median survival: {'; '.join(medians)}. {said}"
    return Panel(f"{letter}. {name}", theme.plot(traces, layout), alt, "tall"), said


def _curve(curve: Any, number: int, label: str) -> list[Any]:
    import plotly.graph_objects as go

    colour = _COLOURS[number]
    x = np.concatenate([[0.0], curve.time])
    # Before the first event and after survival has reached nought there is no interval.
    high = np.concatenate([[1.0], np.where(np.isnan(curve.high), curve.survival, curve.high)])
    low = np.concatenate([[1.0], np.where(np.isnan(curve.low), curve.survival, curve.low)])
    edge = {
        "mode": "lines",
        "line": {"width": 0, "shape": "hv", "color": colour},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return [
        go.Scatter(x=theme.numbers(x), y=theme.numbers(high), **edge),
        go.Scatter(
            x=theme.numbers(x),
            y=theme.numbers(low),
            fill="tonexty",
            fillcolor=f"rgba({red}, {green}, {blue}, 0.12)",
            **edge,
        ),
        go.Scatter(
            x=theme.numbers(x),
            y=theme.numbers(np.concatenate([[1.0], curve.survival])),
            name=label,
            mode="lines",
            line={"color": colour, "width": 2, "dash": _DASHES[number], "shape": "hv"},
            hovertemplate="%{x:.4g}: survival %{y:.3f}<extra></extra>",
        ),
    ]


def _at_risk(evidence: Evidence, split: str, found: SplitPredictions, cuts: np.ndarray) -> Table:
    from medfusion.evaluation import kaplan_meier

    group = _groups(found, cuts)
    time, event = found.target.T
    ticks = _ticks(float(time.max()))
    rows = []
    for number, name in enumerate(_GROUPS):
        chosen = group == number
        counts = [0] * len(ticks)
        if chosen.any():
            curve = kaplan_meier(time[chosen], event[chosen])
            counts = [curve.number_at_risk(tick) for tick in ticks]
        died = Cell(f"{int(event[chosen].sum())} of {int(chosen.sum())}")
        rows.append(Row(Cell(name), [died, *(Cell(str(count)) for count in counts)]))
    unit = unit_of(evidence)
    return Table(
        name=f"at-risk-{split}",
        caption="Events, and numbers at risk at times from the start, "
        f"{theme.SPLIT_NAMES[split].lower()} split "
        f"({counted(int(event.sum()), 'event')} in {found.n} cases).",
        columns=["Group", "Events", *(f"{tick:g}{unit}" for tick in ticks)],
        rows=rows,
    )


def _ticks(last: float) -> list[float]:
    """Return round times from 0 on, about as many as a table can hold."""
    raw = last / _TICKS
    if raw <= 0:
        return [0.0]
    size = 10.0 ** np.floor(np.log10(raw))
    step = float(next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw))
    return [round(step * place, 12) for place in range(int(last / step) + 1)]
