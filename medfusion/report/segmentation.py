"""Segmentation: each class by itself, how overlap spreads over the images, and what it looks like."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.report import theme
from medfusion.report.blocks import (
    Block,
    Cell,
    Figure,
    Gallery,
    Missing,
    Panel,
    Picture,
    Row,
    Section,
    Table,
)
from medfusion.report.evidence import Evidence, SplitPredictions
from medfusion.report.metric_names import label
from medfusion.report.numbers import decimal, interval

METRICS = {
    "segmentation-classes": ("dice", "iou", "hd95"),
    "segmentation-areas": ("sensitivity", "ppv", "area_difference"),
}
"""The metrics of each table; with their intervals more would be wider than a page."""

_CAPTIONS = {"segmentation-classes": "Overlap and distance", "segmentation-areas": "Areas"}

_COUNTED = (
    "An image counts for Dice and intersection over union where the class is in the reference or "
    "the prediction, for the distance where it is in both, for sensitivity and areas where it is in "
    "the reference, for the positive predictive value where it is in the prediction. The area "
    "difference is predicted minus true area, over true area."
)
_BINS = np.linspace(0, 1, 21)
_DRAWN = 6


def section(evidence: Evidence) -> Section:
    """Tabulate the classes, draw the distribution of Dice and show cases."""
    split = next((name for name in ("test", "val") if evidence.prediction(name)), None)
    found = evidence.prediction(split) if split else None
    if split is None or found is None:
        return Section("segmentation", "Segmentation", [Missing("Not evaluated yet.")])
    blocks: list[Block] = [_classes(evidence, split, name) for name in METRICS]
    blocks.append(_spread(evidence, split, found))
    blocks.append(_cases(evidence) if evidence.examples else Missing("No cases were drawn."))
    return Section("segmentation", "Segmentation", blocks)


def _classes(evidence: Evidence, split: str, table: str) -> Table:
    unit = evidence.experiment.data.target.unit  # type: ignore[union-attr]
    rows = []
    for name in evidence.classes[1:]:
        cells = []
        for metric in METRICS[table]:
            one = evidence.metric(split, f"{metric}[{name}]")
            if one is None or one.value is None:
                cells.append(Cell("not estimable", note=(one.note if one else "").split(": ")[-1]))
            else:
                cells.append(Cell(interval(one.value, one.ci), one.value, note=f"n = {one.n}"))
        rows.append(Row(Cell(name), cells))
    return Table(
        table,
        f"{_CAPTIONS[table]} of each class on the {theme.SPLIT_NAMES[split].lower()} split: mean "
        f"over the images ({evidence.confidence} CI); n images count.",
        ["Class", *(label(metric, kind="segmentation", unit=unit) for metric in METRICS[table])],
        rows,
        notes=[_COUNTED] if table == "segmentation-areas" else [],
    )


def _spread(evidence: Evidence, split: str, found: SplitPredictions) -> Figure:
    import plotly.graph_objects as go

    from medfusion.evaluation.pixels import scores_of
    from medfusion.evaluation.sample import check

    sample = check("segmentation", found.target, found.output, evidence.classes)
    dice = scores_of(sample)["dice"]
    traces: list[Any] = []
    said = []
    for place, name in enumerate(evidence.classes[1:][:_DRAWN]):
        values = dice[:, place][np.isfinite(dice[:, place])]
        if not len(values):
            continue
        counts, _ = np.histogram(values, bins=_BINS)
        traces.append(
            go.Scatter(
                x=theme.numbers((_BINS[1:] + _BINS[:-1]) / 2),
                y=counts.tolist(),
                name=theme.plain(theme.short(name)),
                mode="lines",
                line={"shape": "hvh", "width": 2, "color": theme.CLASS_COLOURS[place]},
                hovertemplate="Dice about %{x:.3f}: %{y} images<extra></extra>",
            )
        )
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        said.append(f"{name} {decimal(middle)} ({decimal(low)} to {decimal(high)})")
    plot = theme.plot(
        traces,
        {
            "xaxis": theme.axis("Dice", range=[0, 1]),
            "yaxis": theme.axis("Images", rangemode="tozero"),
            "legend": theme.legend_below(),
            "showlegend": True,
        },
    )
    medians = f"Median (quartiles): {'; '.join(said)}." if said else "No image has a class."
    more = len(evidence.classes) - 1 - _DRAWN
    rest = f" The first {_DRAWN} classes are drawn, {more} more are not." if more > 0 else ""
    return Figure(
        "segmentation-dice",
        f"Dice of the images of the {theme.SPLIT_NAMES[split].lower()} split, counted in steps of "
        f"0.05. {medians}{rest}",
        [Panel("Dice of each image", plot, f"Histogram of Dice. {medians}", "wide")],
    )


def _cases(evidence: Evidence) -> Gallery:
    split = theme.SPLIT_NAMES.get(evidence.examples[0].facts.split, "").lower()
    pictures = []
    for example in evidence.examples:
        facts = example.facts
        title = f"{facts.what.capitalize()}: Dice {decimal(facts.dice)}"
        alt = f"Image with both outlines; one of the {facts.what} cases, Dice {facts.dice:.3f}."
        pictures.append(Picture(example.png, title, alt))
    return Gallery(
        "segmentation-cases",
        f"Cases of the {split} split with the highest, the middle and the lowest mean Dice. Outlines: "
        "blue the reference, vermilion the prediction, yellow where both run together.",
        pictures,
    )
