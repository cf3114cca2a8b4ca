"""`medfusion data inspect`: what a table, an image or a folder is."""

from __future__ import annotations

import argparse
from typing import Any

from medfusion.commands.outcome import Outcome, table


def execute(arguments: argparse.Namespace) -> Outcome:
    """Say what the path is.

    Raises:
        InputError: There is no such file, or a table cannot be read.
    """
    from medfusion.data.inspection import inspect

    facts = inspect(arguments.path)
    return Outcome(text=_sentences(facts), document=facts)


def _sentences(facts: dict[str, Any]) -> str:
    head = f"{facts['path']}: {facts['kind']}, {_size(facts['bytes'])}"
    if facts["kind"] == "image":
        pixels = f"{facts['height']}x{facts['width']} pixels"
        return f"{head}, {pixels}, {facts['channels']} channel(s), {facts['bits']} bit"
    if facts["kind"] == "folder":
        lines = [f"{head}, {facts['files']} files"]
        lines += [f"  {count:>7} {kind}" for kind, count in facts["kinds"].items()]
        lines += [f"  {count:>7} images of {what}" for what, count in facts["images"].items()]
        return "\n".join(lines)
    if facts["kind"] != "table":
        return head
    rows = [
        [
            item["name"],
            item["guess"],
            str(item["missing"]),
            str(item["distinct"]),
            _range(item),
        ]
        for item in facts["columns"]
    ]
    return "\n".join(
        [
            f"{head}, {facts['rows']} rows, {len(rows)} columns",
            *facts["notes"],
            "",
            table(["column", "looks like", "missing", "distinct", "values"], rows),
        ]
    )


def _range(item: dict[str, Any]) -> str:
    if item["guess"] == "numeric":
        return f"{item['min']:g} to {item['max']:g}, median {item['median']:g}"
    levels = item.get("levels", {})
    return ", ".join(f"{level} ({count})" for level, count in list(levels.items())[:5])


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
