"""What mends a finding of the data checks by one step of the experiment in the making."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medfusion.data import roles
from medfusion.data.checks import Check
from medfusion.errors import ImageReadError, InputError, SplitError, UnknownNameError, unknown

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Remedy:
    """One step that mends a finding.

    Attributes:
        action: One of `ACTIONS`.
        columns: The columns that it concerns.
    """

    action: str
    columns: tuple[str, ...] = ()


def remedies(check: Check) -> list[Remedy]:
    """Return what mends a finding; nothing where only a person can.

    >>> remedies(Check("constant columns", "WARN", "", 1, columns=["site"]))
    [Remedy(action='drop_columns', columns=('site',))]
    """
    if check.outcome == "PASS":
        return []
    found = [Remedy("drop_columns", tuple(check.columns))] if check.columns else []
    if check.name == "classes per split":
        found.append(Remedy("draw_split"))
    if check.name == "class balance":
        found.append(Remedy("weigh_classes"))
    return found


def for_error(error: InputError) -> list[Remedy]:
    """Return what mends data that cannot even be loaded."""
    if isinstance(error, ImageReadError):
        return [Remedy("skip_unreadable")]
    if isinstance(error, SplitError):
        return [Remedy("draw_split")]
    return []


def better_group(data: Mapping[str, Any], groups: Sequence[str]) -> list[Remedy]:
    """Return the columns that could keep rows of one patient together, where none does yet.

    >>> better_group({"id": "image_id"}, ["lesion_id"])
    [Remedy(action='use_group', columns=('lesion_id',))]
    """
    if data.get("group") is not None:
        return []
    return [Remedy("use_group", (name,)) for name in groups if name != data.get("id")]


def apply(document: Mapping[str, Any], action: str, columns: Sequence[str]) -> Document:
    """Return the document with a remedy applied.

    Raises:
        InputError: There is no such action (`UnknownNameError`), or it needs a column.
    """
    if action not in ACTIONS:
        raise UnknownNameError(unknown("action", action, ACTIONS))
    made = copy.deepcopy(dict(document))
    data = made.get("data")
    made["data"] = data if isinstance(data, dict) else {}
    ACTIONS[action](made, columns)
    return made


def _drop_columns(document: Document, columns: Sequence[str]) -> None:
    for column in columns:
        document["data"] = roles.assign(document["data"], column, "unused", {})


def _use_group(document: Document, columns: Sequence[str]) -> None:
    if not columns:
        msg = "say which column is the group"
        raise InputError(msg)
    document["data"] = roles.assign(document["data"], columns[0], "group", {})


def _skip_unreadable(document: Document, _: Sequence[str]) -> None:
    document["data"]["skip_unreadable"] = True


def _draw_split(document: Document, _: Sequence[str]) -> None:
    target = document["data"].get("target")
    document["data"]["split"] = roles.drawn_split(target if isinstance(target, dict) else {})


def _weigh_classes(document: Document, _: Sequence[str]) -> None:
    training = document.get("training")
    document["training"] = (training if isinstance(training, dict) else {}) | {
        "class_weights": "balanced"
    }


ACTIONS: dict[str, Callable[[Document, Sequence[str]], None]] = {
    "drop_columns": _drop_columns,
    "use_group": _use_group,
    "skip_unreadable": _skip_unreadable,
    "draw_split": _draw_split,
    "weigh_classes": _weigh_classes,
}
