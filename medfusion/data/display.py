"""Volumes and series for a person to look at: text and HTML, every word from a file escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from medfusion.data.visible_text import visible

if TYPE_CHECKING:
    from medfusion.data.thumbnail import Thumbnail
    from medfusion.data.volume import Volume

ROWS = 40
"""Series that a table in a notebook shows."""
NOTES = 8
"""Notes that are shown; `Source.notes` has all."""

# JupyterLab's theme variables; elsewhere the page's own colours.
_FRAME = (
    "font: 13px/1.5 var(--jp-ui-font-family, system-ui, sans-serif); "
    "color: var(--jp-ui-font-color1, inherit); max-width: 760px"
)
_QUIET = "color: var(--jp-ui-font-color2, inherit)"
_RULE = "border-bottom: 1px solid var(--jp-border-color2, #8884)"
_CELL = "text-align: left; vertical-align: top; padding: 2px 14px 2px 0; white-space: nowrap"
_TABLE = (
    "border-collapse: collapse; margin: 4px 0; border: none; font-variant-numeric: tabular-nums"
)

SERIES = ("no.", "modality", "description", "axes", "size", "spacing, mm", "orientation", "notes")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in aligned columns.

    >>> print(table(["a", "b"], [["1", "2"]]))
    a  b
    -  -
    1  2
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, ["-" * width for width in widths], *rows]
    ]
    return "\n".join(lines)


def size(count: int) -> str:
    """Return a number of bytes for a person.

    >>> size(12), size(8_400_000)
    ('12 bytes', '8.4 MB')
    """
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def times(values: Iterable[float]) -> str:
    """Return lengths as `0.7812 x 0.7812 x 1`.

    >>> times([1.0, 2.5])
    '1 x 2.5'
    """
    return " x ".join(f"{value:.4g}" for value in values)


def series_text(series: Sequence[Mapping[str, Any]]) -> str:
    """Return series as a table, and their notes below it.

    Args:
        series: What `SeriesInfo.to_json` gives, of each.
    """
    if not series:
        return "no DICOM series"
    rows, notes = _rows(series)
    lines = [table(SERIES, rows)]
    if notes:
        lines += ["", *notes]
    if len(series) > 1:
        lines += ["", "read_volume(path, series=...) takes one of these:"]
        lines += [
            f"  {item['key'] or 'no UID'}  {visible(item['description'])}".rstrip()
            for item in series
        ]
    return "\n".join(lines)


def series_html(series: Sequence[Mapping[str, Any]]) -> str:
    """Return series as a table in HTML.

    Args:
        series: What `SeriesInfo.to_json` gives, of each.
    """
    if not series:
        return f'<div style="{_FRAME}">no DICOM series</div>'
    shown = series[:ROWS]
    head = "".join(f'<th style="{_CELL}; {_RULE}">{escape(name)}</th>' for name in SERIES)
    cells, notes = _rows(shown)
    body = "".join(
        f'<tr title="{escape(item["key"], quote=True)}">'
        + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for item, row in zip(shown, cells, strict=True)
    )
    if len(series) > ROWS:
        notes.append(f"and {len(series) - ROWS} more series: find_series lists all")
    footnotes = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return (
        f'<div style="{_FRAME}; max-width: 960px; overflow-x: auto"><table style="{_TABLE}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<div style="{_QUIET}">{footnotes}</div></div>'
    )


def _rows(series: Sequence[Mapping[str, Any]]) -> tuple[list[list[str]], list[str]]:
    """Return the rows of a table, and numbered notes that they refer to, each only once."""
    rows = []
    notes: dict[str, int] = {}
    for item in series:
        marks = [f"[{notes.setdefault(note, len(notes) + 1)}]" for note in _remarks(item)]
        rows.append([*_cells(item), " ".join(marks)])
    return rows, [f"[{number}] {note}" for note, number in notes.items()]


def _cells(item: Mapping[str, Any]) -> list[str]:
    number = item["number"]
    return [
        "" if number is None else str(number),
        visible(item["modality"]),
        visible(item["description"]),
        item["axes"],
        " x ".join(map(str, item["shape"])),
        times(item["spacing"]),
        item["orientation"] or "unknown",
    ]


def _remarks(item: Mapping[str, Any]) -> list[str]:
    problem = [f"cannot be read: {item['problem']}"] if item["problem"] else []
    return [visible(note) for note in [*problem, *item["notes"]]]


def volume_html(volume: Volume) -> str:
    """Return a volume as HTML: the middle slice of each plane, and what it is."""
    from medfusion.data.thumbnail import thumbnails
    from medfusion.data.volume import UNPLACED

    placed = not any(UNPLACED in note for note in volume.source.notes)
    pictures, shades = thumbnails(volume, placed=placed)
    facts = {
        "array": f"{volume.axes} {' x '.join(map(str, volume.array.shape))} {volume.array.dtype}"
        f", {size(volume.array.nbytes)}",
        "spacing": f"{times(volume.spacing)} mm (i, j, k)",
        "orientation": volume.orientation if placed else "unknown",
        "units": volume.units or ("labels" if volume.labels else "not known"),
    }
    if volume.interval is not None:
        facts["interval"] = f"{volume.interval:.4g} s"
    if volume.source.format:
        facts["source"] = f"{volume.source.format}, {len(volume.source.files)} file(s)"
    name = volume.source.path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    title = f"Volume {visible(name)}" if name else "Volume"
    return panel(title, facts, volume.source.notes, pictures, shades)


def panel(
    title: str,
    facts: Mapping[str, str],
    notes: Sequence[str],
    pictures: Sequence[Thumbnail] = (),
    shades: str = "",
) -> str:
    """Return pictures with their captions, facts and notes as HTML."""
    figures = "".join(_figure(title, picture) for picture in pictures)
    rows = "".join(
        f'<tr><td style="{_CELL}; {_QUIET}">{escape(name)}</td>'
        f'<td style="{_CELL}">{escape(visible(value))}</td></tr>'
        for name, value in facts.items()
    )
    listed = [escape(visible(note)) for note in notes[:NOTES]]
    if len(notes) > NOTES:
        listed.append(f"and {len(notes) - NOTES} more in source.notes")
    items = "".join(f"<li>{note}</li>" for note in listed)
    parts = [
        f'<div style="{_FRAME}">',
        f'<div style="font-weight: 600">{escape(title)}</div>',
    ]
    if figures:
        parts.append(
            '<div style="display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-end; '
            f'margin: 6px 0 2px">{figures}</div><div style="{_QUIET}">{escape(visible(shades))}</div>'
        )
    parts.append(f'<table style="{_TABLE}">{rows}</table>')
    if items:
        parts.append(f'<ul style="margin: 4px 0; padding-left: 18px">{items}</ul>')
    return "".join([*parts, "</div>"])


def _figure(title: str, picture: Thumbnail) -> str:
    alt = escape(visible(f"{title}: {picture.caption}"), quote=True)
    return (
        f'<figure style="margin: 0; width: {max(picture.width, 110)}px">'
        f'<img alt="{alt}" src="{picture.uri()}" width="{picture.width}" '
        f'height="{picture.height}" style="display: block; background: #000; max-width: none">'
        f'<figcaption style="{_QUIET}; font-size: 12px; line-height: 1.3; margin-top: 3px">'
        f"{escape(visible(picture.caption))}</figcaption></figure>"
    )
