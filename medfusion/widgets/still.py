"""A still picture of a run as plain HTML: what a saved notebook shows where no kernel runs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

WIDTH, HEIGHT = 560, 150
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 20, 22
# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {"train/loss": "#0072b2", "val/loss": "#d55e00"}
LAST_MESSAGES = 5

# The page shows the picture only while the output beside it holds no live panel.
STYLE = """
.jp-OutputArea-child:has(.mf-panel) + .jp-OutputArea-child:has(.mf-still) {display: none}
.jp-OutputArea-child:not(:has(.mf-panel)):has(+ .jp-OutputArea-child .mf-still) {display: none}
.mf-still {font: 13px/1.5 var(--jp-ui-font-family, sans-serif); max-width: 600px}
.mf-still table {border-collapse: collapse; margin: 4px 0; font-variant-numeric: tabular-nums}
.mf-still th, .mf-still td {text-align: left; padding: 1px 12px 1px 0}
"""


def html(name: str, path: str, frame: Mapping[str, Any]) -> str:
    """Return the picture: state, losses, metrics, last messages; every text is escaped.

    Args:
        name: The run's name.
        path: The run's folder.
        frame: What `Feed.frame` returns.

    Example:
        >>> "&lt;b&gt;" in html("<b>", "runs/b", {})
        True
    """
    status = frame.get("status", {})
    parts = [
        f"<style>{STYLE}</style>",
        '<div class="mf-still">',
        f"<div><b>{escape(name)}</b> · {escape(_summary(status))}</div>",
        _picture(frame.get("curves", {})),
        _results(frame.get("results", {})),
    ]
    parts += [
        f"<div>{escape(text)}</div>"
        for text in [status.get("error"), status.get("trouble")]
        if text
    ]
    messages = frame.get("messages", [])[-LAST_MESSAGES:]
    parts += [f"<div>{escape(str(message['text']))}</div>" for message in messages]
    parts.append(f"<div>Live again with <code>mf.Run({escape(repr(path))})</code></div></div>")
    return "\n".join(part for part in parts if part)


def _summary(status: Mapping[str, Any]) -> str:
    words = [str(status.get("state", "created"))]
    if status.get("epochs"):
        words.append(f"epoch {status['epoch']} of {status['epochs']}")
    if status.get("steps"):
        words.append(f"step {status['step']} of {status['steps']}")
    return ", ".join(words)


def _results(results: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{escape(split)}</td><td>{escape(name)}</td><td>{escape(_figure(found))}</td></tr>"
        for split, values in results.items()
        for name, found in values.items()
        if split == "test"
    ]
    if not rows:
        return ""
    return f"<table><tr><th>split</th><th>metric</th><th>value</th></tr>{''.join(rows)}</table>"


def _figure(found: Mapping[str, Any]) -> str:
    value, ends = found.get("value"), found.get("ci") or []
    if value is None:
        return "not estimable"
    interval = f" ({ends[0]:.3f} to {ends[1]:.3f})" if len(ends) == 2 and None not in ends else ""
    return f"{value:.3f}{interval}"


def _picture(curves: Mapping[str, Any]) -> str:
    """Return the losses as an image, which a sanitizer that forbids SVG may let pass."""
    drawn = {name: curves[name] for name in COLOURS if name in curves and len(curves[name][0]) > 1}
    if not drawn:
        return ""
    steps = [step for curve in drawn.values() for step in curve[0]]
    values = [value for curve in drawn.values() for value in curve[1]]
    across = (min(steps), max(steps))
    up = (min(values), max(values))
    lines = []
    for row, (name, (step, value)) in enumerate(drawn.items()):
        points = " ".join(
            f"{_at(x, across, LEFT, WIDTH - RIGHT):.1f},{_at(y, up, HEIGHT - BOTTOM, TOP):.1f}"
            for x, y in zip(step, value, strict=True)
        )
        colour = COLOURS[name]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        lines.append(f'<text x="{LEFT + 90 * row}" y="12" fill="{colour}">{escape(name)}</text>')
    axes = (
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#888"/>'
        f'<g fill="#888"><text x="2" y="{TOP + 5}">{up[1]:.3g}</text>'
        f'<text x="2" y="{HEIGHT - BOTTOM}">{up[0]:.3g}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{across[0]:.0f}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">step {across[1]:.0f}</text></g>'
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11">{axes}{"".join(lines)}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return f'<img alt="Loss by step" src="data:image/svg+xml;base64,{encoded}">'


def _at(value: float, span: tuple[float, float], first: float, last: float) -> float:
    low, high = span
    return first + (last - first) * ((value - low) / (high - low) if high > low else 0.5)
