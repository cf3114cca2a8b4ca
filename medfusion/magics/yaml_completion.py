"""Keys and values that may stand at the cursor of a YAML experiment, from its JSON Schema."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

Path = tuple[str, ...]
Schema = dict[str, Any]

ITEM = "[]"
"""Stands in a path for the items of a list."""

_KEY = re.compile(r"^(?P<dash>(?:-\s+)*)(?P<key>[\w.+-]+)\s*:(?:\s+(?P<rest>.*))?$", re.DOTALL)


@dataclasses.dataclass
class _Place:
    """Where the cursor is: a key is expected in `path`, or a value for it."""

    path: Path
    fragment: str
    value: bool


@dataclasses.dataclass
class _Outline:
    """The keys of a document by path, and the kinds chosen."""

    keys: dict[Path, set[str]] = dataclasses.field(default_factory=dict)
    kinds: dict[Path, str] = dataclasses.field(default_factory=dict)

    def note(self, path: Path, key: str, value: str) -> None:
        self.keys.setdefault(path, set()).add(key)
        if key == "kind" and value:
            self.kinds[path] = value.strip("'\"")


def complete(text: str, line: int, column: int, schema: Schema) -> tuple[str, list[str]]:
    r"""Return what is typed at the cursor and what it may become.

    Args:
        text: The YAML, as far as it is written.
        line: Line of the cursor, from 0.
        column: Column of the cursor, from 0.
        schema: JSON Schema of the document.

    Example:
        >>> schema = {"properties": {"seed": {}, "name": {}}}
        >>> complete("name: a\nse", 1, 2, schema)
        ('se', ['seed: '])
    """
    outline = _Outline()
    stack: list[tuple[int, str]] = []
    place: _Place | None = None
    for number, whole in enumerate(text.split("\n")):
        at_cursor = number == line
        content = whole[:column] if at_cursor else whole.split(" #")[0].rstrip()
        if not at_cursor and not content.strip():
            continue
        found = _read_line(content, stack, outline, at_cursor=at_cursor)
        place = found if at_cursor else place
    if place is None:
        return "", []
    nodes = _walk(schema, place.path, outline, schema)
    if place.value:
        return place.fragment, _starting(place.fragment, _values(nodes, schema))
    taken = outline.keys.get(place.path, set())
    keys = [f"{key}: " for key in _keys(nodes, place.path, outline) if key not in taken]
    return place.fragment, _starting(place.fragment, keys)


def complete_dotted(fragment: str, schema: Schema) -> list[str]:
    """Complete `path.to.key=value`, the form of `--set`."""
    dotted, sign, value = fragment.partition("=")
    *parents, last = dotted.split(".")
    path, outline = tuple(parents), _Outline()
    if sign:
        nodes = _walk(schema, (*path, last), outline, schema)
        return [f"{dotted}={found}" for found in _starting(value, _values(nodes, schema))]
    nodes = _walk(schema, path, outline, schema)
    found = []
    for key in _starting(last, _keys(nodes, path, outline)):
        inner = _keys(_walk(schema, (*path, key), outline, schema), (*path, key), outline)
        found.append(".".join([*parents, key]) + ("." if inner else "="))
    return found


def _read_line(
    content: str, stack: list[tuple[int, str]], outline: _Outline, *, at_cursor: bool
) -> _Place | None:
    stripped = content.lstrip()
    indent = len(content) - len(stripped)
    while stack and stack[-1][0] >= indent:
        stack.pop()
    path = tuple(key for _, key in stack)
    found = _KEY.match(stripped)
    if found is None or (at_cursor and stripped.endswith(":")):
        if stripped.startswith("-"):
            return _Place((*path, ITEM), stripped.lstrip("- "), value=True)
        return _Place(path, stripped, value=False)
    if found["dash"]:
        path = (*path, ITEM)
        stack.append((indent, ITEM))
        indent += len(found["dash"])
    key, rest = found["key"], found["rest"] or ""
    stack.append((indent, key))
    if rest.startswith(("{", "[")):
        if not at_cursor:
            outline.note(path, key, "")
        return _read_flow(rest, (*path, key), outline)
    if not at_cursor:
        outline.note(path, key, rest.strip())
    return _Place((*path, key), rest, value=True)


def _read_flow(text: str, path: Path, outline: _Outline) -> _Place:
    """Read `{a: b, c: [` as far as it goes; return where its end is."""
    # One entry an open bracket: its path and the key whose value is being read.
    opened: list[tuple[Path, str | None]] = []
    word = ""
    for sign in text:
        here, key = opened[-1] if opened else (path, None)
        if sign in "{[":
            inner = (*here, key) if key is not None else here
            opened.append(((*inner, ITEM) if sign == "[" else inner, None))
            word = ""
        elif sign in ",}]":
            if key is not None:
                outline.note(here, key, word.strip())
            if sign == ",":
                opened[-1:] = [(here, None)]
            elif opened:
                opened.pop()
            word = ""
        elif sign == ":" and key is None and here[-1:] != (ITEM,):
            opened[-1:] = [(here, word.strip())]
            word = ""
        else:
            word += sign
    here, key = opened[-1] if opened else (path, None)
    in_list = here[-1:] == (ITEM,)
    inner = (*here, key) if key is not None else here
    return _Place(inner, word.lstrip(), value=key is not None or in_list or not opened)


def _walk(schema: Schema, path: Path, outline: _Outline, root: Schema) -> list[Schema]:
    """Return the schemas that may stand at a path, narrowed by the kinds that are written."""
    nodes = _branches(schema, root)
    for depth, part in enumerate(path):
        nodes = _of_kind(nodes, outline.kinds.get(path[:depth]))
        inner: list[Schema] = []
        for node in nodes:
            if part == ITEM:
                inner += [node["items"]] if isinstance(node.get("items"), dict) else []
                inner += node.get("prefixItems", [])[:1]
            elif part in node.get("properties", {}):
                inner.append(node["properties"][part])
            else:
                inner += list(node.get("patternProperties", {}).values())
                if isinstance(node.get("additionalProperties"), dict):
                    inner.append(node["additionalProperties"])
        nodes = [branch for node in inner for branch in _branches(node, root)]
    return nodes


def _branches(schema: Schema, root: Schema) -> list[Schema]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _branches(root["$defs"][name], root)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return [branch for choice in choices for branch in _branches(choice, root)]
    return [schema]


def _of_kind(nodes: list[Schema], kind: str | None) -> list[Schema]:
    chosen = [
        node for node in nodes if node.get("properties", {}).get("kind", {}).get("const") == kind
    ]
    return chosen if kind is not None and chosen else nodes


def _keys(nodes: list[Schema], path: Path, outline: _Outline) -> list[str]:
    narrowed = _of_kind(nodes, outline.kinds.get(path))
    return list(dict.fromkeys(key for node in narrowed for key in node.get("properties", {})))


def _values(nodes: list[Schema], root: Schema) -> list[str]:
    found: list[str] = []
    for node in [branch for place in nodes for branch in _branches(place, root)]:
        if "const" in node:
            found.append(str(node["const"]))
        found += [str(value) for value in node.get("enum", [])]
        if node.get("type") == "boolean":
            found += ["true", "false"]
        if node.get("type") == "null":
            found.append("null")
        kind = node.get("properties", {}).get("kind", {}).get("const")
        if kind is not None:
            found.append(f"{{kind: {kind}}}")
    return list(dict.fromkeys(found))


def _starting(fragment: str, known: list[str]) -> list[str]:
    return [name for name in known if name.startswith(fragment)]
