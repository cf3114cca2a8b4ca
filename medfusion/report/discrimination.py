"""Discrimination: ROC and precision-recall curves with the areas below them."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import Block, Figure, Missing, Panel, Section
from medfusion.report.evidence import Estimate, Evidence
from medfusion.report.numbers import NOT_ESTIMABLE, decimal, interval

CLASSES_DRAWN = 8
"""More curves than this cannot be told apart."""

_POINTS = 500
_SPLITS = ("val", "test")


def section(evidence: Evidence) -> Section:
    """Draw how well the classes are told apart on validation and test."""
    if not any(evidence.judged(split, "auc") for split in _SPLITS):
        blocks: list[Block] = [Missing(evidence.unjudged("auc"))]
    elif evidence.kind == "binary":
        blocks = [_binary(evidence)]
    else:
        blocks = _multiclass(evidence)
    return Section("discrimination", "Discrimination", blocks)


def _binary(evidence: Evidence) -> Figure:
    roc, recall = [], []
    said_roc, said_recall = [], []
    for split in _SPLITS:
        found = evidence.judged(split, "auc")
        if found is None:
            continue
        name = theme.SPLIT_NAMES[split]
        area = _estimate(evidence.metric(split, "auc"))
        average = _estimate(evidence.metric(split, "average_precision"))
        said_roc.append(f"{name} AUC {area}")
        said_recall.append(f"{name} average precision {average}")
        style = theme.line(split)
        roc.append(_roc(found.target == 1, found.output[:, 1], f"{name}: {area}", style))
        recall.append(_recall(found.target == 1, found.output[:, 1], f"{name}: {average}", style))
        point = _operating_point(evidence, split)
        if point:
            roc.append(point)
    level = evidence.confidence
    last = evidence.judged("test", "auc") or evidence.judged("val", "auc")
    share = float((last.target == 1).mean()) if last and last.n else float("nan")
    if share > 0:
        recall += _prevalence(share)
    return Figure(
        "discrimination",
        "Discrimination on the validation and test splits. A, receiver operating characteristic; "
        f"in the legend the area under the curve ({level} CI), on the curves the operating point "
        "chosen on validation. B, precision against recall; in the legend the average precision "
        f"({level} CI), dotted the prevalence of {decimal(share)}. Event: {evidence.event}.",
        [
            Panel("A. ROC", _roc_plot(roc), f"ROC curves. {'; '.join(said_roc)}.", "tall"),
            Panel(
                "B. Precision and recall",
                _recall_plot(recall),
                f"Precision-recall curves. {'; '.join(said_recall)}.",
                "tall",
            ),
        ],
    )


def _multiclass(evidence: Evidence) -> list[Block]:
    panels: list[Panel] = []
    level = evidence.confidence
    each = "of each label" if evidence.kind == "multilabel" else "of each class against all others"
    most = evidence.judged("test", "auc") or evidence.judged("val", "auc")
    counts = most.counts() if most else np.zeros(0)
    drawn = sorted(np.argsort(-counts, kind="stable")[:CLASSES_DRAWN].tolist())
    for letter, split in zip("AB", (s for s in _SPLITS if evidence.prediction(s)), strict=False):
        found = evidence.judged(split, "auc")
        if found is None:
            continue
        traces, said = [], []
        for place, number in enumerate(drawn):
            name = evidence.classes[number]
            area = _estimate(evidence.metric(split, f"auc[{name}]"))
            style = {"color": theme.CLASS_COLOURS[place], "width": 1.8}
            label = f"{theme.plain(theme.short(name, 20))}: {area}"
            traces.append(_roc(*found.one(number), label, style))
            said.append(f"{name} {area}")
        title = f"{letter}. {theme.SPLIT_NAMES[split]}"
        alt = f"ROC curves {each}. {'; '.join(said)}."
        panels.append(Panel(title, _roc_plot(traces), alt, "tall"))
    caption = (
        f"Receiver operating characteristic {each}; in the legend the area under the curve "
        f"({level} CI)."
    )
    if len(drawn) < len(evidence.classes):
        caption += f" The {len(drawn)} most frequent of {len(evidence.classes)} are drawn."
    return [Figure("discrimination", caption, panels)]


def _estimate(found: Estimate | None) -> str:
    return interval(found.value, found.ci) if found else NOT_ESTIMABLE


def _roc(truth: Any, score: Any, name: str, style: dict[str, Any]) -> Any:
    import plotly.graph_objects as go

    from medfusion.evaluation import roc_curve

    curve = roc_curve(truth, score)
    keep = thin(curve.false_positive_rate, curve.true_positive_rate)
    return go.Scatter(
        x=theme.numbers(curve.false_positive_rate[keep]),
        y=theme.numbers(curve.true_positive_rate[keep]),
        name=name,
        mode="lines",
        line=style,
        hovertemplate="sensitivity %{y:.3f}<br>1 - specificity %{x:.3f}<extra></extra>",
    )


def _recall(truth: Any, score: Any, name: str, style: dict[str, Any]) -> Any:
    import plotly.graph_objects as go

    from medfusion.evaluation import precision_recall_curve

    curve = precision_recall_curve(truth, score)
    keep = thin(curve.recall, curve.precision)
    return go.Scatter(
        x=theme.numbers(curve.recall[keep]),
        y=theme.numbers(curve.precision[keep]),
        name=name,
        mode="lines",
        # The area that average precision sums: each step has the precision at its right end.
        line=style | {"shape": "vh"},
        hovertemplate="precision %{y:.3f}<br>recall %{x:.3f}<extra></extra>",
    )


def thin(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which points to draw: corners only, and not more than the eye can tell apart."""
    places = np.arange(len(x))
    if len(x) > 2:
        turn = np.diff(x[:-1]) * np.diff(y)[1:] - np.diff(x)[1:] * np.diff(y[:-1])
        places = places[np.concatenate([[True], np.abs(turn) > 1e-12, [True]])]
    if len(places) > _POINTS:
        places = places[np.linspace(0, len(places) - 1, _POINTS).round().astype(int)]
    return places


def _operating_point(evidence: Evidence, split: str) -> Any:
    import plotly.graph_objects as go

    sensitivity = evidence.value(split, "sensitivity")
    specificity = evidence.value(split, "specificity")
    if sensitivity is None or specificity is None:
        return None
    return go.Scatter(
        x=[1 - specificity],
        y=[sensitivity],
        mode="markers",
        marker={
            "size": 9,
            "color": theme.PAPER,
            "line": {"color": theme.SPLIT_COLOURS[split], "width": 2.5},
        },
        showlegend=False,
        hovertemplate="operating point<br>sensitivity %{y:.3f}<br>"
        "1 - specificity %{x:.3f}<extra></extra>",
    )


def _prevalence(share: float) -> list[Any]:
    import plotly.graph_objects as go

    return [
        go.Scatter(
            x=[0, 1],
            y=theme.numbers([share, share]),
            showlegend=False,
            mode="lines",
            line={"color": theme.MUTED, "width": 1, "dash": "dot"},
            hoverinfo="skip",
        )
    ]


def _roc_plot(traces: list[Any]) -> dict[str, Any]:
    stroke = {"color": theme.MUTED, "width": 1, "dash": "dot"}
    layout: dict[str, Any] = {
        "xaxis": theme.unit_axis("1 \N{MINUS SIGN} specificity"),
        "yaxis": theme.unit_axis("Sensitivity"),
        "shapes": [{"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": stroke}],
        "legend": theme.legend_below(),
        "showlegend": True,
    }
    return theme.plot(traces, layout)


def _recall_plot(traces: list[Any]) -> dict[str, Any]:
    layout = {
        "xaxis": theme.unit_axis("Recall (sensitivity)"),
        "yaxis": theme.unit_axis("Precision (positive predictive value)"),
        "legend": theme.legend_below(),
        "showlegend": True,
    }
    return theme.plot(traces, layout)
