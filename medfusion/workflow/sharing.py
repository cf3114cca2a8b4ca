"""A workflow as a file for others: no place on this machine, no name of a patient in it."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfusion.errors import InputError, MedFusionError

if TYPE_CHECKING:
    from medfusion.workflow.graph import Workflow

Place = tuple[str | int, ...]

_FILES: tuple[Place, ...] = (
    ("data", "table"),
    ("data", "root"),
    ("data", "corrections"),
    ("model", "image", "weights"),
)
"""What names files in an experiment."""

_IN_WORDS = re.compile(r"(?:^|[\s\"'(=])(?:~?/[^\s/]+/|[A-Za-z]:[\\/]|\\\\\w|file:)")
_SHORTEST_ID = 3


def shared(workflow: Workflow, folder: Path) -> tuple[Workflow, tuple[str, ...]]:
    """Return the workflow as it may leave this machine, and what was left out, in sentences.

    Paths below the folder are written from there on; of others only the file's name is kept. What
    runs, results and predictions there are is never part of a workflow.

    Args:
        workflow: What is to be shared.
        folder: Where its file will lie.

    Raises:
        InputError: A text names a place on this machine or a patient of the table; the message says
            where, so that it can be changed.
    """
    _refuse_patients(workflow)
    plain = workflow.model_dump(mode="json")
    notes: list[str] = []
    for name, node in plain["nodes"].items():
        for place in _FILES:
            notes += _portable(workflow.folder, folder, node["settings"], place, name)
    for place, said in _texts(plain, ()):
        if _is_absolute(said) or _IN_WORDS.search(said):
            msg = f"{_words(place)} names a place on this machine; take it out before sharing"
            raise InputError(msg)
    return type(workflow).from_mapping(plain, folder=folder), tuple(notes)


def require_portable(workflow: Workflow, source: str) -> None:
    """Refuse a workflow from elsewhere that names places on a machine.

    Raises:
        InputError: It does; the message says where.
    """
    for place, said in _texts(workflow.model_dump(mode="json"), ()):
        if _is_absolute(said):
            msg = (
                f"{source}: {_words(place)} is an absolute path; a workflow that is shared names "
                "files from its own folder on: change it in the file"
            )
            raise InputError(msg)


def _portable(
    old: Path, new: Path, settings: dict[str, Any], place: Place, node: str
) -> Iterator[str]:
    holder: Any = settings
    for part in place[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    key = place[-1]
    said = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(said, str):
        return
    leaves = ".." in said.replace("\\", "/").split("/")
    if not (_is_absolute(said) or leaves):
        return
    target = Path(os.path.normpath(old / said))
    foreign = _is_absolute(said) and not Path(said).is_absolute()  # of another system, or a home
    if target.is_relative_to(new) and not foreign:
        holder[key] = target.relative_to(new).as_posix()
        return
    label = ".".join(map(str, place))
    if key == "root":
        del holder[key]
        yield f"{node}: {label} was outside of the file's folder and is left out"
    else:
        holder[key] = ntpath.basename(posixpath.basename(said)) or "file"
        yield (
            f"{node}: {label} was outside of the file's folder: only the name {holder[key]} is kept"
        )


def _refuse_patients(workflow: Workflow) -> None:
    names = _patients(workflow)
    if not names:
        return
    for place, said in _texts(workflow.model_dump(mode="json"), ()):
        found = {said, *re.split(r"[^\w.-]+", said)} & names
        if found:
            msg = f"{_words(place)} names a patient or a case of the table; take it out before sharing"
            raise InputError(msg)


def _patients(workflow: Workflow) -> set[str]:
    """Return the ids and groups of the tables that can be read here."""
    from medfusion.data.table import read_table

    found: set[str] = set()
    for node in workflow.nodes.values():
        data = node.settings.get("data")
        if node.kind != "data" or not isinstance(data, dict):
            continue
        if not isinstance(data.get("table"), str):
            continue
        try:
            table = read_table(workflow.folder / data["table"])
            for column in (data.get("id"), data.get("group")):
                if isinstance(column, str) and column in table.columns:
                    found |= {cell for cell in table.text(column) if cell}
        except (MedFusionError, OSError):  # nothing is known of it, so nothing can be found
            continue
    return {name for name in found if len(name) >= _SHORTEST_ID}


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield (*place, "name of a part"), key
            yield from _texts(below, (*place, key))
    elif isinstance(value, list | tuple):
        for number, below in enumerate(value):
            yield from _texts(below, (*place, number))


def _words(place: Place) -> str:
    # The texts themselves are not repeated: they may be what must not be shown.
    return ".".join(map(str, place))


def _is_absolute(said: str) -> bool:
    return (
        posixpath.isabs(said)
        or ntpath.isabs(said)
        or bool(ntpath.splitdrive(said)[0])
        or said.startswith(("~", "file:"))
    )
