"""What is wrong with an experiment, in sentences: line, path, the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from medfusion.errors import nearest

Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong at one place of a document.

    Attributes:
        path: The place; empty where it is the document as a whole.
        sentence: What is wrong and what to do.
        own: Whether the sentence is about this very place. Checks across parts name the place in
            the sentence itself.
    """

    path: Path
    sentence: str
    own: bool


def find(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return all problems that pydantic found in a document, each with its place.

    Args:
        error: What pydantic found.
        model: The model that was checked.
    """
    items = [(item, _document_path(item["loc"], model)) for item in error.errors(include_url=False)]
    return [
        Problem(path or _named_path(item, model), _sentence(item, path, model), bool(path))
        for item, path in items
        if not _other_branch(item, path, items)
    ]


def describe(
    error: ValidationError, model: type[BaseModel], source: str, lines: Mapping[Path, int]
) -> str:
    """Return one line of text per problem, in the order of the file.

    Args:
        error: What pydantic found.
        model: The model that was checked.
        source: What to call the document.
        lines: Line of each path, where the document came from text.
    """
    found = []
    for path, sentence, own in find(error, model):
        line = _line(path, lines)
        where = f"{source}, line {line}" if line else source
        label = f"{'.'.join(map(str, path))}: " if own and path else ""
        found.append((line or 0, f"{where}: {label}{sentence}"))
    return "\n".join(text for _, text in sorted(found, key=lambda pair: pair[0]))


def unknown_monitor(monitor: str, known: Iterable[str]) -> str:
    """Return the sentence for a monitored value that does not exist."""
    names = list(known)
    near = nearest(monitor, names)
    hint = f"did you mean {near!r}? " if near else ""
    return f"training.early_stopping.monitor {monitor!r} is not worked out for this target; {hint}Known: {', '.join(names)}"


def _named_path(item: Mapping[str, Any], model: type[BaseModel]) -> Path:
    # Checks across parts belong to no single field; their message starts with the path meant.
    said = str(item.get("ctx", {}).get("error", "")).split(" ", 1)[0].rstrip(":")
    path: list[str | int] = []
    for part in said.split("."):
        place = int(part) if part.isdecimal() else part
        if not _annotation((*path, place), model):
            break
        path.append(place)
    return tuple(path)


def _line(path: Path, lines: Mapping[Path, int]) -> int | None:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _document_path(loc: Path, model: type[BaseModel]) -> Path:
    """Drop the union tags that pydantic adds to a location."""
    path: list[str | int] = []
    current: Any = model
    for part in loc:
        members = _models(current)
        tags = {tag_of(member): member for member in members}
        if len(members) > 1 and part in tags:
            current = tags[part]
            continue
        if isinstance(part, str) and _BRANCH.fullmatch(part):
            continue
        path.append(part)
        current = _child(members, part, current)
    return tuple(path)


_BRANCH = re.compile(
    r"\[key\]|int|float|EffectiveNumber|(function|constrained)-.*|(literal|tuple|dict|list)\[.*"
)
"""What pydantic puts into a location for the members of a union without tags."""

_NEEDS_STRUCTURE = ("tuple_type", "dict_type", "model_type")


def _other_branch(
    item: Mapping[str, Any], path: Path, items: Sequence[tuple[Mapping[str, Any], Path]]
) -> bool:
    """Return whether a problem is of a member of a union that was not meant.

    Where a word or a mapping may stand, a wrong word is no wrong mapping and the other way round.
    """
    given = item.get("input")
    if item["type"] == "literal_error" and isinstance(given, Mapping | Sequence):
        if isinstance(given, str):
            return False
        return any(one is not item and where[: len(path)] == path for one, where in items)
    if item["type"] in _NEEDS_STRUCTURE and isinstance(given, str):
        return any(one["type"] == "literal_error" and where == path for one, where in items)
    return False


def _child(members: list[type[BaseModel]], part: str | int, current: Any) -> Any:
    for member in members:
        if isinstance(part, str) and part in member.model_fields:
            return member.model_fields[part].annotation
    if members:
        return None
    arguments = get_args(current)  # dict[str, View] -> View, tuple[X, ...] -> X
    return next((a for a in reversed(arguments) if a is not Ellipsis), None)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if getattr(annotation, "__origin__", None) in (dict, tuple, list):
        return []
    return [model for argument in get_args(annotation) for model in _models(argument)]


def tag_of(model: type[BaseModel]) -> Any:
    """Return the kind of a model, None where it has none."""
    field = model.model_fields.get("kind")
    return field.default if field is not None else None


def models_at(path: Path, model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models that may stand at a path of the document."""
    return _models(_annotation(path, model))


def _annotation(path: Path, model: type[BaseModel]) -> Any:
    """Return what may stand at a path of the document, None where nothing may."""
    current: Any = model
    for part in path:
        current = _child(_models(current), part, current)
        if current is None:
            return None
    return current


def _sentence(item: Mapping[str, Any], path: Path, model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), _owner_fields(item["loc"], path, model))
    if kind == "missing":
        return "is missing"
    if kind in ("union_tag_invalid", "literal_error"):
        expected = str(context.get("expected_tags") or context.get("expected", ""))
        known = [name.strip().strip("'") for name in expected.replace(" or ", ",").split(",")]
        given = str(context.get("tag", item.get("input")))
        near = nearest(given, known)
        hint = f"did you mean {near!r}? " if near else ""
        return f"unknown {_noun(path, kind)} {given!r}; {hint}Known: {', '.join(known)}"
    if kind == "union_tag_not_found":
        tags = ", ".join(str(tag_of(member)) for member in models_at(path, model))
        return f"needs a `kind`. Known: {tags}"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    return f"{item['msg']} (got {_short(item.get('input'))})"


def _noun(path: Path, kind: str) -> str:
    return "kind" if kind == "union_tag_invalid" else str(path[-1]) if path else "value"


def _owner_fields(loc: Path, path: Path, model: type[BaseModel]) -> list[str]:
    owners = models_at(path[:-1], model)
    tagged = [owner for owner in owners if tag_of(owner) is not None and tag_of(owner) in loc]
    return sorted({name for owner in (tagged or owners) for name in owner.model_fields})


def _unknown_key(key: str, known: list[str]) -> str:
    near = nearest(key, known)
    hint = f"did you mean {near!r}? " if near else ""
    return f"unknown key; {hint}Known here: {', '.join(known)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
