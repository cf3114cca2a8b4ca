"""How figures look: the Okabe-Ito palette (readable to the colour-blind), light paper, thin lines.

Palette: Okabe and Ito 2008, https://jfly.uni-koeln.de/color/. Splits differ by dash as well as by
colour, so that they can be told apart in black and white.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from medfusion.data.visible_text import visible
from medfusion.report.numbers import figures

INK = "#1f2429"
MUTED = "#5b6670"
GRID = "#e9ecee"
PAPER = "#ffffff"
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
GREY = "#8c959d"

CLASS_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, INK, GREY)
SPLIT_COLOURS = {"train": GREY, "val": ORANGE, "test": BLUE}
SPLIT_DASHES = {"train": "dot", "val": "dash", "test": "solid"}
SPLIT_NAMES = {"train": "Training", "val": "Validation", "test": "Test"}

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


def plain(text: object) -> str:
    r"""Return text from data such that Plotly shows it as it is.

    Plotly reads a small HTML of its own (`<b>`, `<a href>`) and `%{...}` templates in labels.

    >>> plain("<b>%{x}</b>") == "&lt;b&gt;%\u200b{x}&lt;/b&gt;"
    True
    """
    escaped = visible(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("%{", "%\u200b{")


def short(text: str, length: int = 28) -> str:
    """Cut a long label from data to what a legend or axis can hold."""
    return text if len(text) <= length else text[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def line(split: str, **more: Any) -> dict[str, Any]:
    """Return the line style of a split."""
    return {"color": SPLIT_COLOURS[split], "dash": SPLIT_DASHES[split], "width": 2, **more}


def numbers(values: Iterable[float] | np.ndarray) -> list[float]:
    """Return plain numbers short enough for JSON."""
    return [figures(value) for value in np.asarray(values, dtype=float).tolist()]


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with its title."""
    return {"title": {"text": title, "standoff": 8}, **more}


def unit_axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis from 0 to 1."""
    return axis(title, **{"range": [-0.02, 1.02], "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1], **more})


def legend_below() -> dict[str, Any]:
    """Return a legend below the plot, where it covers no curve."""
    return {"x": 0, "xanchor": "left", "y": -0.15, "yanchor": "top"}


def plot(traces: list[Any], layout: dict[str, Any]) -> dict[str, Any]:
    """Check traces and layout by plotly and return them as plain data for `Plotly.newPlot`.

    Args:
        traces: Traces of plotly.graph_objects.
        layout: What differs from the common layout.
    """
    import plotly.graph_objects as go

    common: dict[str, Any] = {
        "template": _template(go),
        "showlegend": len(traces) > 1,
    }
    return dict(go.Figure(data=traces, layout=common | layout).to_plotly_json())


def _template(go: Any) -> Any:
    line_axis = {
        "showline": True,
        "linecolor": MUTED,
        "linewidth": 1,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": MUTED,
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
        "title": {"font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": _FONT, "size": 12, "color": INK},
            "paper_bgcolor": PAPER,
            "plot_bgcolor": PAPER,
            "colorway": CLASS_COLOURS,
            "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": PAPER, "font": {"color": INK}},
            "xaxis": line_axis,
            "yaxis": line_axis,
            "legend": {
                "bgcolor": "rgba(255,255,255,0)",
                "font": {"size": 11.5},
                "tracegroupgap": 4,
            },
        }
    )
