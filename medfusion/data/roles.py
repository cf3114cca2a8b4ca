"""What the columns of a table are to an experiment, and how a person's choice changes it.

An experiment in the making is a document of plain values (`medfusion.spec.Draft`); its `data` part
says for some columns what they are. Nothing here reads a table.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from medfusion.errors import UnknownNameError, unknown

ROLES = (
    "unused",
    "id",
    "group",
    "image",
    "numeric",
    "categorical",
    "target",
    "label",
    "time",
    "event",
    "split",
)
"""What a column may be; "label" is one of several that are predicted together."""

Document = dict[str, Any]

_LISTS = ("numeric", "categorical")
_VALUES = ("id", "group")
_CLASSES_AT_MOST = 50
_GRADES_AT_MOST = 12
_GRADED = re.compile(r"grad|stage|score|birads|gleason|severity|level|class_?no", re.IGNORECASE)


def roles_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the role of each column that the data part of a document names.

    A column that is several things has the first of: target, split, id, group, image, feature.

    >>> roles_of({"id": "case", "numeric": ["age"], "target": {"kind": "binary", "column": "ill"}})
    {'age': 'numeric', 'case': 'id', 'ill': 'target'}
    """
    found: dict[str, str] = {}
    for role in _LISTS:
        found |= dict.fromkeys(_words(data.get(role)), role)
    for view in _mapping(data.get("images")).values():
        found |= dict.fromkeys(_words([_mapping(view).get("column")]), "image")
    for role in reversed(_VALUES):
        found |= dict.fromkeys(_words([data.get(role)]), role)
    found |= dict.fromkeys(_words([_mapping(data.get("split")).get("column")]), "split")
    target = _mapping(data.get("target"))
    found |= dict.fromkeys(_words([target.get("column")]), "target")
    found |= dict.fromkeys(_words(target.get("columns")), "label")
    for role in ("time", "event"):
        found |= dict.fromkeys(_words([target.get(role)]), role)
    for task in _mapping(target.get("tasks")).values():
        found |= dict.fromkeys(_task_columns(_mapping(task)), "target")
    return found


def assign(data: Mapping[str, Any], column: str, role: str, facts: Mapping[str, Any]) -> Document:
    """Return the data part with a column in another role.

    What the column was before is taken back; what had a role of which there is only one, such as
    the id, becomes unused.

    Args:
        data: The data part of a document.
        column: The column.
        role: One of `ROLES`.
        facts: What `column_facts` says of it; the kind of a target follows from it.

    Raises:
        UnknownNameError: There is no such role.

    Example:
        >>> assign({"numeric": ["age"]}, "age", "categorical", {})
        {'numeric': [], 'categorical': ['age']}
    """
    if role not in ROLES:
        raise UnknownNameError(unknown("role", role, ROLES))
    made = _without(data, column)
    if role in _VALUES:
        made[role] = column
    elif role in _LISTS:
        made[role] = [*_words(made.get(role)), column]
    elif role == "image":
        views = dict(_mapping(made.get("images")))
        views[view_name(column, views)] = view_of(column, facts)
        made["images"] = views
    elif role == "split":
        made["split"] = {"kind": "column", "column": column}
    elif role == "target":
        made["target"] = target_of(column, facts)
    elif role == "label":
        before = _mapping(made.get("target"))
        old = _words(before.get("columns")) or _words([before.get("column")])
        made["target"] = {"kind": "multilabel", "columns": [*old, column]}
    elif role in ("time", "event"):
        before = _mapping(made.get("target"))
        kept = before if before.get("kind") == "survival" else {}
        made["target"] = {"kind": "survival"} | dict(kept) | {role: column}
    return made


def target_of(column: str, facts: Mapping[str, Any]) -> Document:
    """Return a target of the kind that a column looks like.

    >>> target_of("died", {"guess": "categorical", "distinct": 2})
    {'kind': 'binary', 'column': 'died'}
    """
    return {"kind": target_kind(column, facts), "column": column}


def target_kind(column: str, facts: Mapping[str, Any]) -> str:
    """Return the kind of target that a column looks like."""
    distinct, guess = facts.get("distinct", 0), facts.get("guess")
    if guess in ("image", "volume"):
        return "segmentation"
    if distinct == 2:
        return "binary"
    if guess == "numeric":
        low, high = facts.get("min", 0.5), facts.get("max", 0.5)
        whole = float(low).is_integer() and float(high).is_integer() and high - low < distinct * 2
        if whole and distinct <= _GRADES_AT_MOST:
            return "ordinal" if _GRADED.search(column) else "multiclass"
        return "regression"
    return "multiclass" if distinct <= _CLASSES_AT_MOST else "regression"


def view_name(column: str, taken: Mapping[str, Any]) -> str:
    """Return a name for the view of an image column.

    >>> view_name("image_path", {}), view_name("2nd photo", {}), view_name("image_path", {"image": 1})
    ('image', 'photo', 'image2')
    """
    words = [word for word in re.split(r"[^A-Za-z0-9]+", column) if re.match(r"[A-Za-z]", word)]
    kept = [word for word in words if word.lower() not in ("path", "file", "filename", "filepath")]
    base = name = "_".join(kept)[:40] or "image"
    number = 1
    while name in taken:
        number += 1
        name = f"{base}{number}"
    return name


def view_of(column: str, facts: Mapping[str, Any]) -> Document:
    """Return the view of an image column: slices where it names volumes."""
    view: Document = {"column": column}
    if facts.get("guess") == "volume":
        view |= {"instances": {"kind": "slices"}, "channels": 1}
    return view


def drawn_split(target: Mapping[str, Any]) -> Document:
    """Return a split that is drawn: with the same mix of classes where there are classes."""
    number = target.get("kind") in ("regression", "segmentation", "multitask", None)
    return {"kind": "grouped" if number else "stratified-grouped"}


def _without(data: Mapping[str, Any], column: str) -> Document:
    made = copy.deepcopy(dict(data))
    for role in _LISTS:
        if column in _words(made.get(role)):
            made[role] = [name for name in _words(made[role]) if name != column]
    for role in _VALUES:
        if made.get(role) == column:
            del made[role]
    views = _mapping(made.get("images"))
    if any(_mapping(view).get("column") == column for view in views.values()):
        made["images"] = {
            name: view for name, view in views.items() if _mapping(view).get("column") != column
        }
    target = _target_without(_mapping(made.get("target")), column)
    if target:
        made["target"] = target
    else:
        made.pop("target", None)
    if _mapping(made.get("split")).get("column") == column:
        made["split"] = drawn_split(_mapping(made.get("target")))
    return made


def _target_without(target: Mapping[str, Any], column: str) -> Document:
    """Return what is left of a target; nothing where it was this column alone."""
    if column in _words(target.get("columns")):
        left = [name for name in _words(target["columns"]) if name != column]
        return dict(target) | {"columns": left} if left else {}
    if column not in (target.get("column"), target.get("time"), target.get("event")):
        return dict(target)
    kept = {key: value for key, value in target.items() if value != column}
    return kept if target.get("kind") == "survival" and len(kept) > 1 else {}


def _task_columns(task: Mapping[str, Any]) -> list[str]:
    named = [task.get(key) for key in ("column", "time", "event")]
    return [*_words(named), *_words(task.get("columns"))]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: Any) -> list[str]:
    given = value if isinstance(value, list | tuple) else []
    return [one for one in given if isinstance(one, str)]
