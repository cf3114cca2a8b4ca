"""Learning curves: loss, main metric and learning rate over the epochs."""

from __future__ import annotations

from typing import Any

from medfusion.report import theme
from medfusion.report.blocks import Block, Figure, Missing, Panel, Paragraph, Section
from medfusion.report.evidence import Evidence
from medfusion.report.metric_names import inside, label
from medfusion.report.numbers import counted, decimal
from medfusion.spec import MultitaskTarget, main_metrics

_POINTS = 400
_TASKS = 4
_ROOM = {"margin": {"t": 34}}  # for the legend, the same in all panels


def section(evidence: Evidence) -> Section:
    """Draw how training went."""
    epochs = [event for event in evidence.history.epochs if isinstance(event.get("epoch"), int)]
    if not epochs:
        blocks: list[Block] = [Missing("No epoch is complete yet.")]
    else:
        blocks = [_words(evidence, epochs), _figure(evidence, epochs)]
    return Section("training", "Training", blocks)


def _words(evidence: Evidence, epochs: list[dict[str, Any]]) -> Paragraph:
    asked = evidence.experiment.training.epochs
    text = f"{counted(len(epochs), 'epoch')} of at most {asked} completed."
    if evidence.best:
        monitor = evidence.experiment.monitor
        name = label(monitor.removeprefix("val/"), kind=evidence.kind)
        value = evidence.best.get("metrics", {}).get(monitor)
        text += f" The weights of epoch {evidence.best['epoch']} are used"
        text += f": best {inside(name)} on validation"
        text += f", {decimal(value)}." if value is not None else "."
    return Paragraph(text)


def _figure(evidence: Evidence, epochs: list[dict[str, Any]]) -> Figure:
    metrics = [evidence.experiment.monitor.removeprefix("val/")]
    if metrics == ["loss"]:
        target = evidence.experiment.data.target
        several = isinstance(target, MultitaskTarget)
        metrics = list(main_metrics(target))[:_TASKS] if several else [_first_metric(epochs)]
    panels = [_curves(evidence, epochs, "loss", "Loss", floor=True)]
    for metric in filter(None, metrics):
        name = label(metric, kind=evidence.kind, unit=_unit(evidence))
        panels.append(_curves(evidence, epochs, metric, name))
    rate = _rate(evidence, epochs)
    if rate:
        panels.append(rate)
    caption = "Learning curves on the training and validation splits."
    if evidence.best:
        caption += " The vertical line marks the epoch whose weights are used."
    return Figure("learning-curves", caption, panels)


def _unit(evidence: Evidence) -> str | None:
    return getattr(evidence.experiment.data.target, "unit", None)


def _first_metric(epochs: list[dict[str, Any]]) -> str:
    names = (name.removeprefix("val/") for event in epochs for name in event.get("metrics", {}))
    return next((name for name in names if "/" not in name and name != "loss"), "")


def _curves(
    evidence: Evidence, epochs: list[dict[str, Any]], metric: str, name: str, *, floor: bool = False
) -> Panel:
    import plotly.graph_objects as go

    traces, said = [], []
    for split in ("train", "val"):
        points = [
            (event["epoch"], event["metrics"][f"{split}/{metric}"])
            for event in epochs
            if event.get("metrics", {}).get(f"{split}/{metric}") is not None
        ]
        if not points:
            continue
        x, y = zip(*points, strict=True)
        lines = len(points) > 1
        traces.append(
            go.Scatter(
                x=list(x),
                y=theme.numbers(y),
                name=theme.SPLIT_NAMES[split],
                mode="lines+markers" if len(points) <= 60 else "lines",
                line=theme.line(split) if lines else None,
                marker={"size": 5, "color": theme.SPLIT_COLOURS[split]},
                hovertemplate="epoch %{x}: %{y:.4f}<extra></extra>",
            )
        )
        said.append(
            f"{theme.SPLIT_NAMES[split].lower()} from {decimal(y[0])} in epoch {x[0]} "
            f"to {decimal(y[-1])} in epoch {x[-1]}"
        )
    layout = {
        "xaxis": _epoch_axis(epochs),
        "yaxis": theme.axis(name, **({"rangemode": "tozero"} if floor else {})),
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": True,
        **_ROOM,
        **_best_line(evidence),
    }
    return Panel(name, theme.plot(traces, layout), f"{name}: {'; '.join(said) or 'no values'}.")


def _epoch_axis(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    last = epochs[-1]["epoch"]
    return theme.axis("Epoch", range=[0, last + 0.5 + 0.02 * last], tickformat="d", nticks=8)


def _best_line(evidence: Evidence) -> dict[str, Any]:
    if not evidence.best:
        return {}
    x = evidence.best["epoch"]
    stroke = {"color": theme.MUTED, "width": 1, "dash": "dot"}
    line = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": stroke}
    return {"shapes": [line]}


def _rate(evidence: Evidence, epochs: list[dict[str, Any]]) -> Panel | None:
    import plotly.graph_objects as go

    curve = evidence.history.curves.get("step/lr")
    if curve is None or not curve.step:
        return None
    per_epoch = evidence.history.start.get("steps_per_epoch")
    if not per_epoch:
        per_epoch = max(1.0, epochs[-1]["step"] / epochs[-1]["epoch"])
    every = max(1, -(-len(curve.step) // _POINTS))
    kept = sorted({*range(0, len(curve.step), every), len(curve.step) - 1})
    trace = go.Scatter(
        x=theme.numbers([curve.step[place] / per_epoch for place in kept]),
        y=theme.numbers([curve.value[place] for place in kept]),
        mode="lines",
        line={"color": theme.INK, "width": 1.5},
        hovertemplate="epoch %{x:.2f}: %{y:.3g}<extra></extra>",
    )
    layout = {
        "xaxis": _epoch_axis(epochs),
        "yaxis": theme.axis("Learning rate", rangemode="tozero", exponentformat="power", nticks=6),
        **_ROOM,
    }
    said = f"Learning rate from {curve.value[0]:.3g} to {curve.value[-1]:.3g}."
    return Panel("Learning rate", theme.plot([trace], layout), said)
