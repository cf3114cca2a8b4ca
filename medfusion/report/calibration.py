"""Calibration: whether probabilities mean what they say, and how they are distributed."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import Block, Figure, Missing, Panel, Section
from medfusion.report.discrimination import CLASSES_DRAWN
from medfusion.report.evidence import Estimate, Evidence, SplitPredictions
from medfusion.report.numbers import NOT_ESTIMABLE, counted, interval

_NEEDED = {
    "binary": "brier",
    "multiclass": "log_loss",
    "multilabel": "brier",
    "ordinal": "log_loss",
}
_BINS = 10
_CASES_PER_BIN = 10
_HISTOGRAM_BINS = 40


def section(evidence: Evidence) -> Section:
    """Draw observed against predicted probabilities on validation and test."""
    drawn = [
        (split, found)
        for split in ("val", "test")
        if (found := evidence.judged(split, _NEEDED[evidence.kind])) is not None and found.n
    ]
    if not drawn:
        blocks: list[Block] = [Missing(evidence.unjudged(_NEEDED[evidence.kind]))]
    elif evidence.kind == "binary":
        blocks = [_binary(evidence, drawn)]
    else:
        blocks = [_multiclass(evidence, drawn)]
    return Section("calibration", "Calibration", blocks)


def _binary(evidence: Evidence, drawn: list[tuple[str, SplitPredictions]]) -> Figure:
    panels = []
    for letter, (split, found) in zip("AB", drawn, strict=False):
        panels.append(_panel(evidence, letter, split, found))
    said = [
        f"{theme.SPLIT_NAMES[split]}: slope {_estimate(evidence.metric(split, 'calibration_slope'))},"
        f" intercept {_estimate(evidence.metric(split, 'calibration_intercept'))}."
        for split, _ in drawn
    ]
    level = evidence.confidence
    caption = (
        "Calibration. Points: share of events against the mean predicted probability in bins of "
        f"about equally many cases ({_bins_said(drawn)}), with {level} Wilson intervals; line: "
        "locally weighted regression (lowess); dotted: perfect calibration. Below, how the "
        f"predictions of cases with and without the event ({evidence.event}) are "
        f"distributed. Slope 1 and intercept 0 are perfect ({level} CI). {' '.join(said)}"
    )
    return Figure("calibration", caption, panels)


def _bins_said(drawn: list[tuple[str, SplitPredictions]]) -> str:
    sizes = dict.fromkeys(_bins(found.n) for _, found in drawn)
    return " and ".join(counted(size, "bin") for size in sizes)


def _bins(n: int) -> int:
    return max(2, min(_BINS, n // _CASES_PER_BIN))


def _estimate(found: Estimate | None) -> str:
    return interval(found.value, found.ci) if found else NOT_ESTIMABLE


def _panel(evidence: Evidence, letter: str, split: str, found: SplitPredictions) -> Panel:
    import plotly.graph_objects as go

    from medfusion.evaluation import calibration_bins, calibration_curve

    truth, prob = (found.target == 1).astype(float), found.output[:, 1]
    level = evidence.experiment.evaluation.confidence
    predicted, observed, low, high, count = calibration_bins(
        truth, prob, _bins(found.n), confidence=level
    )
    curve = calibration_curve(truth, prob)
    colour = theme.SPLIT_COLOURS[split]
    traces = [
        go.Scatter(
            x=theme.numbers(curve.predicted),
            y=theme.numbers(curve.observed),
            mode="lines",
            line=theme.line(split),
            name="Lowess",
            showlegend=False,
            hoverinfo="skip",
        ),
        go.Scatter(
            x=theme.numbers(predicted),
            y=theme.numbers(observed),
            mode="markers",
            name="Bins",
            showlegend=False,
            marker={"size": 7, "color": colour},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": theme.numbers(high - observed),
                "arrayminus": theme.numbers(observed - low),
                "thickness": 1.2,
                "width": 3,
                "color": colour,
            },
            customdata=count.tolist(),
            hovertemplate="predicted %{x:.3f}, observed %{y:.3f}<br>n = %{customdata}"
            "<extra></extra>",
        ),
    ]
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    for value, name, bar in ((0, "Without event", theme.GREY), (1, "With event", theme.VERMILION)):
        counts, _ = np.histogram(prob[truth == value], bins=edges)
        traces.append(
            go.Bar(
                x=theme.numbers((edges[1:] + edges[:-1]) / 2),
                y=counts.tolist(),
                width=1 / _HISTOGRAM_BINS,
                name=name,
                marker={"color": bar, "line": {"width": 0}},
                yaxis="y2",
                hovertemplate="%{y} cases at %{x:.3f}<extra></extra>",
            )
        )
    worst = _farthest(predicted, observed)
    name = theme.SPLIT_NAMES[split]
    alt = f"Calibration plot, {name.lower()}, {len(count)} bins. {worst}"
    return Panel(f"{letter}. {name}", theme.plot(traces, _layout()), alt, "tall")


def _farthest(predicted: np.ndarray, observed: np.ndarray) -> str:
    if not len(predicted):
        return ""
    at = int(np.abs(predicted - observed).argmax())
    return (
        f"Farthest from the diagonal: predicted {predicted[at]:.3f}, observed {observed[at]:.3f}."
    )


def _layout() -> dict[str, Any]:
    stroke = {"color": theme.MUTED, "width": 1, "dash": "dot"}
    return {
        "xaxis": theme.unit_axis("Predicted probability", anchor="y2"),
        "yaxis": theme.unit_axis("Observed share", domain=[0.3, 1]),
        "yaxis2": theme.axis("Cases", domain=[0, 0.2], rangemode="tozero", nticks=3),
        "shapes": [{"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": stroke}],
        "barmode": "stack",
        "bargap": 0,
        "legend": {"orientation": "h", "x": 0, "y": 0.205, "yanchor": "bottom"},
    }


def _multiclass(evidence: Evidence, drawn: list[tuple[str, SplitPredictions]]) -> Figure:
    import plotly.graph_objects as go

    from medfusion.evaluation import calibration_bins

    counts = drawn[-1][1].counts()
    shown = sorted(np.argsort(-counts, kind="stable")[:CLASSES_DRAWN].tolist())
    panels = []
    for letter, (split, found) in zip("AB", drawn, strict=False):
        traces = []
        for place, number in enumerate(shown):
            truth, prob = found.one(number)
            if not len(truth):
                continue
            bins = calibration_bins(truth, prob, _bins(len(truth)))
            traces.append(
                go.Scatter(
                    x=theme.numbers(bins.predicted),
                    y=theme.numbers(bins.observed),
                    mode="lines+markers",
                    name=theme.plain(theme.short(evidence.classes[number], 20)),
                    line={"color": theme.CLASS_COLOURS[place], "width": 1.5},
                    marker={"size": 6},
                    hovertemplate="predicted %{x:.3f}, observed %{y:.3f}<extra></extra>",
                )
            )
        stroke = {"color": theme.MUTED, "width": 1, "dash": "dot"}
        layout = {
            "xaxis": theme.unit_axis("Predicted probability"),
            "yaxis": theme.unit_axis("Observed share"),
            "shapes": [{"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": stroke}],
            "legend": theme.legend_below(),
            "showlegend": True,
        }
        name = theme.SPLIT_NAMES[split]
        alt = f"Calibration of {counted(len(shown), 'class', 'classes')}, {name.lower()} split."
        panels.append(Panel(f"{letter}. {name}", theme.plot(traces, layout), alt, "tall"))
    labels = evidence.kind == "multilabel"
    each = "label: share of cases with it" if labels else "class against all others: its share"
    caption = (
        f"Calibration of each {each} against its mean predicted probability in bins of about equally many cases ({_bins_said(drawn)}); "
        "dotted: perfect calibration."
    )
    if len(shown) < len(evidence.classes):
        caption += f" The {len(shown)} most frequent of {len(evidence.classes)} classes are drawn."
    return Figure("calibration", caption, panels)
