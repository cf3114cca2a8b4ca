"""Agreement of a predicted number with the observed one."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import Block, Figure, Missing, Panel, Section
from medfusion.report.evidence import Evidence, SplitPredictions
from medfusion.report.numbers import decimal

_POINTS = 1500
_BINS = 24


def section(evidence: Evidence) -> Section:
    """Draw predicted against observed values, their differences, and the residuals."""
    blocks: list[Block] = []
    for split in ("val", "test"):
        found = evidence.prediction(split)
        if found is not None and found.n > 1:
            blocks.append(_figure(evidence, split, found))
    if not blocks:
        blocks = [Missing("Not evaluated yet.")]
    return Section("agreement", "Agreement", blocks)


def _figure(evidence: Evidence, split: str, found: SplitPredictions) -> Figure:
    import plotly.graph_objects as go

    from medfusion.evaluation import bland_altman

    unit = getattr(evidence.experiment.data.target, "unit", "")
    suffix = f" ({theme.plain(unit)})" if unit else ""
    observed, predicted = found.target, found.output
    agreement = bland_altman(observed, predicted, evidence.experiment.evaluation.confidence)
    error, bias, low, high = agreement[1:]
    drawn = np.arange(found.n)
    if found.n > _POINTS:
        drawn = np.linspace(0, found.n - 1, _POINTS).round().astype(int)

    def cloud(x: np.ndarray, y: np.ndarray) -> Any:
        marker = {"size": 5, "color": theme.BLUE, "opacity": 0.45}
        return go.Scatter(
            x=theme.numbers(x[drawn]),
            y=theme.numbers(y[drawn]),
            mode="markers",
            marker=marker,
            hovertemplate="%{x:.4g}, %{y:.4g}<extra></extra>",
        )

    ends = [
        float(min(observed.min(), predicted.min())),
        float(max(observed.max(), predicted.max())),
    ]
    identity = {
        "type": "line",
        "x0": ends[0],
        "y0": ends[0],
        "x1": ends[1],
        "y1": ends[1],
        "line": {"color": theme.MUTED, "width": 1, "dash": "dot"},
    }
    scatter = theme.plot(
        [cloud(observed, predicted)],
        {
            "xaxis": theme.axis(f"Observed{suffix}"),
            "yaxis": theme.axis(f"Predicted{suffix}"),
            "shapes": [identity],
        },
    )
    difference = theme.plot(
        [cloud(agreement.mean, error)],
        {
            "xaxis": theme.axis(f"Mean of predicted and observed{suffix}"),
            "yaxis": theme.axis(f"Predicted \N{MINUS SIGN} observed{suffix}"),
            "shapes": [_level(low, "dash"), _level(bias, "solid"), _level(high, "dash")],
            "annotations": [_note(low), _note(bias), _note(high)],
            "margin": {"r": 64},
        },
    )
    counts, edges = np.histogram(error, bins=min(_BINS, max(5, found.n // 4)))
    bars = go.Bar(
        x=theme.numbers((edges[1:] + edges[:-1]) / 2),
        y=counts.tolist(),
        width=theme.numbers(np.diff(edges)),
        marker={"color": theme.BLUE, "line": {"color": theme.PAPER, "width": 1}},
        hovertemplate="%{x:.4g}: %{y} cases<extra></extra>",
    )
    residuals = theme.plot(
        [bars],
        {
            "xaxis": theme.axis(f"Predicted \N{MINUS SIGN} observed{suffix}"),
            "yaxis": theme.axis("Cases", rangemode="tozero"),
            "bargap": 0,
        },
    )
    name = theme.SPLIT_NAMES[split]
    caption = (
        f"Agreement on the {name.lower()} split (n = {found.n}). A, predicted against observed, "
        "dotted the line of identity. B, difference against mean (Bland and Altman): mean "
        f"difference {decimal(bias)}, {evidence.confidence} limits of agreement {decimal(low)} to "
        f"{decimal(high)}. C, distribution of the residuals."
    )
    if len(drawn) < found.n:
        caption += f" In A and B {len(drawn)} points are drawn, evenly from all."
    limits = f"mean {decimal(bias)}, limits {decimal(low)} to {decimal(high)}"
    return Figure(
        f"agreement-{split}",
        caption,
        [
            Panel("A. Predicted and observed", scatter, f"Scatter of {found.n} cases.", "square"),
            Panel("B. Bland-Altman", difference, f"Differences: {limits}.", "square"),
            Panel("C. Residuals", residuals, f"Histogram of the differences: {limits}.", "square"),
        ],
    )


def _level(y: float, dash: str) -> dict[str, Any]:
    stroke = {"color": theme.VERMILION, "width": 1.2, "dash": dash}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": stroke}


def _note(y: float) -> dict[str, Any]:
    return {
        "xref": "paper",
        "x": 1.01,
        "xanchor": "left",
        "y": y,
        "text": decimal(y),
        "showarrow": False,
        "font": {"size": 11, "color": theme.VERMILION},
    }
