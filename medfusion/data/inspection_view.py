"""What `inspect` found, for a person: text, and in a notebook with a thumbnail."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from medfusion.data.display import panel, series_html, series_text, size, table, times
from medfusion.data.visible_text import visible
from medfusion.errors import InputError

if TYPE_CHECKING:
    from medfusion.data.thumbnail import Thumbnail

PICTURES = 6
"""Series of a folder that get a thumbnail."""
MOST_READ = 256 << 20
"""Bytes of a file that are read for a thumbnail; a picture is not worth a longer wait."""


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The facts of `inspect`; a notebook shows them with the middle slice of each volume.

    Attributes:
        facts: What `inspect` returned.
    """

    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        return inspection_text(self.facts)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": inspection_html(self.facts)}


def inspection_text(facts: Mapping[str, Any]) -> str:
    """Return the facts as lines of text."""
    head = f"{visible(facts['path'])}: {facts['kind']}, {size(facts['bytes'])}"
    if facts["kind"] == "table":
        return _table(head, facts)
    lines = [head + "".join(f", {fact}" for fact in _brief(facts))]
    if facts["kind"] == "nifti":
        lines += [visible(note) for note in facts.get("notes", [])]
    if facts["kind"] == "folder":
        lines += [f"  {count:>7} {kind}" for kind, count in facts["kinds"].items()]
        lines += [f"  {count:>7} images {what}" for what, count in _images(facts)]
        lines += [f"  {count:>7} NIfTI {what}" for what, count in facts["volumes"].items()]
    lines += _others(facts)
    if facts.get("series"):
        lines += ["", series_text(facts["series"])]
    return "\n".join(lines)


def inspection_html(facts: Mapping[str, Any]) -> str:
    """Return the facts as HTML, with thumbnails."""
    name = facts["path"].replace("\\", "/").rstrip("/").rpartition("/")[2] or facts["path"]
    rows = {"what": ", ".join([facts["kind"], size(facts["bytes"]), *_brief(facts)])}
    if facts["kind"] == "folder":
        rows["files"] = ", ".join(f"{count} {kind}" for kind, count in facts["kinds"].items())
        if facts["images"]:
            rows["images"] = "; ".join(f"{count} {what}" for what, count in _images(facts))
        if facts["volumes"]:
            volumes = facts["volumes"].items()
            rows["NIfTI"] = "; ".join(f"{count} of {what}" for what, count in volumes)
    pictures, shades = _pictures(facts)
    notes = [*_others(facts), *facts.get("notes", [])]
    found = panel(visible(name), rows, notes, pictures, shades)
    if facts.get("series"):
        found += series_html(facts["series"])
    if facts["kind"] == "table":
        found += f"<pre>{escape(visible(_table('', facts).strip()))}</pre>"
    return found


def _brief(facts: Mapping[str, Any]) -> list[str]:
    kind = facts["kind"]
    if kind == "image":
        pixels = f"{facts['height']}x{facts['width']} pixels"
        return [pixels, f"{facts['channels']} channel(s)", f"{facts['bits']} bit"]
    if kind == "folder":
        return [f"{facts['files']} files"]
    if kind == "table":
        return [f"{facts['rows']} rows", f"{len(facts['columns'])} columns"]
    if kind == "nifti":
        shape = f"{facts['axes']} " + " x ".join(map(str, facts["shape"]))
        found = [shape, facts["dtype"], f"{times(facts['spacing'])} mm", facts["orientation"]]
        return [*found, *([facts["units"]] if facts.get("units") else [])]
    return []


def _images(facts: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [
        (what if what.startswith("that") else f"of {what}", count)
        for what, count in facts["images"].items()
    ]


def _others(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    if facts.get("without_pixels"):
        kinds = ", ".join(f"{count} {kind}" for kind, count in facts["without_pixels"].items())
        lines.append(f"DICOM without pixels: {visible(kinds)}")
    lines += [
        visible(f"damaged: {item['path']}: {item['reason']}") for item in facts.get("damaged", [])
    ]
    more = facts.get("damaged_files", 0) - len(facts.get("damaged", []))
    return [*lines, f"and {more} more damaged files"] if more > 0 else lines


def _table(head: str, facts: Mapping[str, Any]) -> str:
    rows = [
        [item["name"], item["guess"], str(item["missing"]), str(item["distinct"]), _range(item)]
        for item in facts["columns"]
    ]
    brief = ", ".join(_brief(facts))
    return "\n".join(
        [
            f"{head}, {brief}" if head else brief,
            *facts["notes"],
            "",
            table(["column", "looks like", "missing", "distinct", "values"], rows),
        ]
    )


def _range(item: Mapping[str, Any]) -> str:
    if item["guess"] == "numeric":
        return f"{item['min']:g} to {item['max']:g}, median {item['median']:g}"
    levels = item.get("levels", {})
    return ", ".join(f"{level} ({count})" for level, count in list(levels.items())[:5])


def _pictures(facts: Mapping[str, Any]) -> tuple[list[Thumbnail], str]:
    """Return thumbnails where there is something to see; one that cannot be read is left out."""
    from medfusion.data.reading import read_volume
    from medfusion.data.thumbnail import SIDE, thumbnails

    try:
        if facts["kind"] in ("image", "nifti") and _unpacked(facts) <= MOST_READ:
            return thumbnails(read_volume(facts["path"]), placed=facts["kind"] == "nifti")
    except InputError:
        return [], ""
    found: list[Thumbnail] = []
    shades = ""
    series = facts.get("series", [])[:PICTURES]
    for item in series:
        one, shades = _slice_of(item)
        small = SIDE if len(series) == 1 else SIDE * 3 // 4
        found += [
            dataclasses.replace(
                picture,
                name=visible(item["description"] or item["modality"] or "series"),
                place=f"slice {item['slices'] // 2 + 1} of {item['slices']}",
                width=max(picture.width * small // SIDE, 8),
                height=max(picture.height * small // SIDE, 8),
            )
            for picture in one[:1]
        ]
    return found, shades if len(series) == 1 else ""


def _slice_of(item: Mapping[str, Any]) -> tuple[list[Thumbnail], str]:
    from medfusion.data.dicom.series import middle_slice
    from medfusion.data.thumbnail import thumbnails

    pixels = item["shape"][-1] * item["shape"][-2]
    if pixels * 4 > MOST_READ:
        return [], ""
    try:
        volume, window = middle_slice(item["middle_file"])
    except InputError:
        return [], ""
    # As it is stored: what a viewer shows first.
    return thumbnails(volume, placed=False, window=window)


def _unpacked(facts: Mapping[str, Any]) -> int:
    if facts["kind"] == "image":
        return int(facts["height"] * facts["width"] * facts["channels"] * 4)
    voxels = 4
    for length in facts["shape"]:
        voxels *= int(length)
    return voxels
