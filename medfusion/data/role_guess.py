"""What a table is likely to mean: which column is the id, the target, a leak. A person corrects."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medfusion import _rust
from medfusion.data import leakage, roles
from medfusion.data.columns import column_facts
from medfusion.data.identifiers import are_dates, is_identifier
from medfusion.data.numbers import NotNumbersError, to_numbers
from medfusion.data.table import Table
from medfusion.spec.data import ColumnSplit

LEAK_ROWS = 5_000
"""Rows that are looked at for columns that give the target away."""

_SPLIT_NAMES = re.compile(r"split|subset|partition|set|fold", re.IGNORECASE)
_ID_NAME = re.compile(r"(^|[_\W])(id|key|uid|no|nr|number)$|id$", re.IGNORECASE)
_GROUP_NAMES = ("patient", "subject", "person", "participant", "mrn", "pid", "lesion", "study", "case",
                "family")  # fmt: skip
_TIME_NAME = re.compile(
    r"^(os_|pfs_|dfs_|rfs_)?(time|days|months|duration|survival(_time)?|follow_?up|os|pfs|dfs|rfs)"
    r"([_.]?(to_event|days|months|years|time))?$",
    re.IGNORECASE,
)
_EVENT_NAME = re.compile(
    r"^(os_|pfs_)?(event|death|died|dead|status|vital_status|cens(ored|or)?|relapse)$",
    re.IGNORECASE,
)
_MASK_NAME = re.compile(r"mask|seg(mentation)?|label|contour|annotation", re.IGNORECASE)
_PERSONAL = re.compile(
    r"(^|[_\W])((first|last|sur|family|given|full|patient)_?name|name|address|street|phone|e?mail"
    r"|birth(day|date|_date)?|dob|ssn|insurance)([_\W]|$)",
    re.IGNORECASE,
)
# Names of what is predicted, from the surest on.
_TARGET_NAMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(target|label|y|outcome|ground_?truth|gt)$",
        r"malignan|cancer|disease|tumou?r$|patholog|mortality|died|death|readmi|recurren|event",
        r"^(class|diagnosis|dx|status|result|response|grade|stage|severity|category)$|diagnos",
        r"(target|label|outcome|class|grade|stage|score)$",
    )
)
_LOOKED_AT = 50
_LEAK_KINDS = ("binary", "multiclass", "ordinal", "regression", "survival")


@dataclasses.dataclass
class Column:
    """What a column of a table looks like.

    Attributes:
        name: The column.
        facts: What `column_facts` says of it.
        notes: Pairs of a mark and what it says: "date", "identifier", "personal", "constant",
            "empty", "text", "missing" (share).
        target: The kind of target that it could be; empty where it can hardly be one.
    """

    name: str
    facts: dict[str, Any]
    notes: list[tuple[str, str]]
    target: str = ""

    @property
    def marks(self) -> set[str]:
        """The marks of its notes."""
        return {mark for mark, _ in self.notes}

    @property
    def may_be_feature(self) -> bool:
        """Whether nothing speaks against learning from it."""
        usual = self.facts["guess"] in ("numeric", "categorical")
        return usual and not self.marks - {"missing"}


def groups_of(columns: Sequence[Column]) -> list[str]:
    """Return the columns that could hold rows of one patient together, the likeliest first."""
    found: list[tuple[int, str]] = []
    for column in columns:
        if column.facts["missing"] or column.facts["distinct"] < 3 or "date" in column.marks:
            continue
        if column.facts["guess"] in ("image", "volume"):
            continue
        name = column.name.lower()
        place = next((n for n, word in enumerate(_GROUP_NAMES) if word in name), None)
        if place is not None and (_ID_NAME.search(name) or name in _GROUP_NAMES):
            found.append((place, column.name))
    return [name for _, name in sorted(found)]


def look(table: Table) -> list[Column]:
    """Return what each column of a table looks like."""
    return [_looked(name, table.text(name)) for name in table.columns]


def propose(table: Table, columns: Sequence[Column], named: str, below: Path) -> dict[str, Any]:
    """Return the data part of an experiment that a table suggests.

    Columns that give the target away are left out; so are dates, identifiers, free text and what
    never changes.

    Args:
        table: The table.
        columns: What `look` found.
        named: The path of the table as the experiment will write it.
        below: Folder below which folders of images are looked for.
    """
    facts = {column.name: column for column in columns}
    left = dict(facts)
    data: dict[str, Any] = {"table": named}
    split = _split_column(columns)
    if split is not None:
        del left[split]
    identity = _id(list(left.values()), len(table))
    if identity is not None:
        data["id"] = identity
        left.pop(identity)
    for group in groups_of(list(left.values()))[:1]:
        data["group"] = group
        left.pop(group)
    target = _target(list(left.values()), table)
    for name in _columns_of(target):
        left.pop(name, None)
    views = [
        column
        for column in columns
        if column.facts["guess"] in ("image", "volume")
        and column.name not in _columns_of(target)
        and not (column.name != identity and _MASK_NAME.search(column.name))
    ]
    data |= _images(table, views, below)
    for column in views:
        left.pop(column.name, None)
    too_good = leaks(table, target, list(left.values()))
    for role in ("numeric", "categorical"):
        usable = [
            column.name
            for column in left.values()
            if column.facts["guess"] == role
            and column.may_be_feature
            and column.name not in too_good
        ]
        if usable:
            data[role] = usable
    if target:
        data["target"] = target
    data["split"] = (
        roles.drawn_split(target) if split is None else {"kind": "column", "column": split}
    )
    return data


def _looked(name: str, cells: Sequence[str | None]) -> Column:
    facts = column_facts(name, cells)
    guess, distinct = facts["guess"], facts["distinct"]
    notes: list[tuple[str, str]] = []
    if guess == "empty":
        return Column(name, facts, [("empty", "")])
    if guess not in ("image", "volume"):
        if _PERSONAL.search(name):
            notes.append(("personal", ""))
        if are_dates(cells):
            notes.append(("date", ""))
        elif guess == "id" or (_ID_NAME.search(name) and distinct > 20) or is_identifier(cells):
            notes.append(("identifier", ""))
        elif guess == "text":
            notes.append(("text", ""))
        if distinct == 1:
            notes.append(("constant", ""))
    if facts["missing"] > len(cells) / 2:
        notes.append(("missing", f"{facts['missing'] / len(cells):.0%}"))
    column = Column(name, facts, notes)
    if column.may_be_feature and facts["missing"] == 0:
        column.target = roles.target_kind(name, facts)
    return column


def _split_column(columns: Sequence[Column]) -> str | None:
    default = ColumnSplit(column="x")
    meaning = {word: side for side in ("train", "val", "test") for word in getattr(default, side)}
    for column in columns:
        levels = column.facts.get("levels", {})
        sides = {meaning.get(level.casefold()) for level in levels}
        complete = column.facts["distinct"] == len(levels) and not column.facts["missing"]
        if complete and sides == {"train", "val", "test"}:
            return column.name
    return None


def _id(columns: Sequence[Column], rows: int) -> str | None:
    own = [
        column
        for column in columns
        if column.facts["distinct"] == rows
        and "date" not in column.marks
        and (column.facts["guess"] != "numeric" or "identifier" in column.marks)
    ]

    def order(column: Column) -> tuple[bool, bool]:
        named = _ID_NAME.search(column.name) is not None or column.facts["guess"] == "id"
        return (column.facts["guess"] in ("image", "volume"), not named)

    return min(own, key=order).name if own else None


def _target(columns: Sequence[Column], table: Table) -> dict[str, Any]:
    times = [
        column.name
        for column in columns
        if column.facts["guess"] == "numeric"
        and _TIME_NAME.search(column.name)
        and column.facts["min"] >= 0
        and not column.facts["missing"]
    ]
    events = [
        column.name
        for column in columns
        if column.facts["distinct"] == 2
        and _EVENT_NAME.search(column.name)
        and not column.facts["missing"]
    ]
    if times and events:
        return {"kind": "survival", "time": times[0], "event": events[0]}
    candidates = [
        (rank, column.target != "binary", column)
        for column in columns
        if column.target
        for rank, pattern in enumerate(_TARGET_NAMES)
        if pattern.search(column.name)
    ]
    if candidates:
        chosen = min(candidates, key=lambda item: item[:2])[2]
        return {"kind": chosen.target, "column": chosen.name}
    images = [column for column in columns if column.facts["guess"] == "image"]
    masks = [column for column in images if _MASK_NAME.search(column.name)]
    if masks and len(images) > len(masks) and len(table):
        return {"kind": "segmentation", "column": masks[0].name}
    return {}


def _columns_of(target: Mapping[str, Any]) -> list[str]:
    return [target[key] for key in ("column", "time", "event") if key in target]


def _images(table: Table, views: Sequence[Column], below: Path) -> dict[str, Any]:
    if not views:
        return {}
    made: dict[str, Any] = {}
    for column in views:
        view = roles.view_of(column.name, column.facts)
        made[roles.view_name(column.name, made)] = view
    cells = [cell for cell in table.text(views[0].name) if cell is not None][:_LOOKED_AT]
    own = table.path.resolve().parent
    root = _root(cells, own, below)
    side = _side(cells, root)
    if side is not None:
        for view in made.values():
            view["size"] = [side, side]
    if root == own:
        return {"images": made}
    named = str(root.relative_to(below)) if root.is_relative_to(below) else str(root)
    return {"root": named, "images": made}


def _root(cells: Sequence[str], own: Path, below: Path) -> Path:
    """Return the folder in which most of the paths exist: the table's, one in it, one above."""

    def hits(folder: Path) -> int:
        return sum(
            "\0" not in cell and (folder / cell.replace("\\", "/")).is_file() for cell in cells
        )

    best, most = own, hits(own)
    if most == len(cells):
        return own
    try:
        inner = sorted(path for path in own.iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        inner = []
    above = [path for path in own.parents if path.is_relative_to(below)]
    for folder in [*inner[:_LOOKED_AT], *above]:
        found = hits(folder)
        if found > most:
            best, most = folder, found
    return best


def _side(cells: Sequence[str], root: Path) -> int | None:
    """Return a size for small images: theirs, in steps of 32; None where the default is right."""
    sides = []
    for cell in cells[:10]:
        try:
            height, width, _, _ = _rust.probe_image(str(root / cell.replace("\\", "/")))
        except (_rust.ImageDecodeError, OSError, ValueError):
            continue
        sides.append(max(height, width))
    if not sides or np.median(sides) > 192:
        return None
    return max(32, round(float(np.median(sides)) / 32) * 32)


def leaks(table: Table, target: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, str]:
    """Return which columns give the target away, and how: looked for in a part of a large table.

    Args:
        table: The table.
        target: The target as a document says it; any kind may come.
        columns: The columns to look at; dates, identifiers and the like are passed over.
    """
    kind = target.get("kind")
    named = target.get("event" if kind == "survival" else "column")
    if kind not in _LEAK_KINDS or named not in table.columns:
        return {}
    if kind == "survival" and target.get("time") not in table.columns:
        return {}
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), LEAK_ROWS)).astype(int))
    wanted = table.text(named)
    known = [int(row) for row in rows if wanted[row] is not None]
    words = [str(wanted[row]) for row in known]
    classes = () if kind == "regression" else tuple(sorted(set(words)))
    code_of = {word: code for code, word in enumerate(classes)}
    found = {}
    try:
        values = np.array([code_of[word] for word in words]) if classes else to_numbers(words)
        for column in columns:
            if not column.may_be_feature or column.name in _columns_of(target):
                continue
            cells = table.text(column.name)
            shown = [cells[row] for row in known]
            leak = leakage.find(column.name, shown, values, classes)
            if leak is None and kind == "survival":
                leak = _late(table, target, column.name, shown, values, known)
            if leak is not None:
                found[column.name] = leak.finding
    except NotNumbersError:  # a number or a time that is none: said where the data is checked
        return {}
    return found


def _late(
    table: Table,
    target: Mapping[str, Any],
    column: str,
    cells: Sequence[str | None],
    event: Any,
    known: Sequence[int],
) -> leakage.Leak | None:
    from medfusion.data import time_leakage

    text = table.text(target["time"])
    times = to_numbers([text[row] for row in known])
    return time_leakage.find(column, cells, times, event == 1)
