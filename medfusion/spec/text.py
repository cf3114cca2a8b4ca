"""YAML text with line numbers, safely: no tags that build objects, bounded size, depth and aliases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from medfusion.errors import SpecError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 100_000

Lines = dict[tuple[str | int, ...], int]


class _Loader(yaml.SafeLoader):
    """Safe loader that reads `1e-3` as a number, as YAML 1.2 does."""


_NUMBER = (
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(*_NUMBER)


def read_file(path: Path) -> str:
    """Return the text of an experiment's file.

    Raises:
        SpecError: The file is missing, larger than 1 MiB or not UTF-8.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except FileNotFoundError:
        msg = f"{path}: there is no such file"
        raise SpecError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise SpecError(msg) from None
    if raw is None:
        msg = f"{path}: larger than {MAX_BYTES >> 20} MiB; this is not an experiment"
        raise SpecError(msg)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8"
        raise SpecError(msg) from None


def parse(content: str, source: str) -> tuple[dict[str, Any], Lines]:
    """Parse YAML (JSON is YAML too) into plain values and the line of each path.

    Args:
        content: The text.
        source: What to call it in messages.

    Raises:
        SpecError: Not YAML, not a mapping, a key given twice, or nested or repeated beyond reason.
    """
    if len(content) > MAX_BYTES:
        msg = f"{source}: larger than {MAX_BYTES >> 20} MiB; this is not an experiment"
        raise SpecError(msg)
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            msg = f"{source}: expected `key: value` lines, as in `medfusion: 1`"
            raise SpecError(msg)
        lines: Lines = {}
        _walk(node, (), lines, source, budget=[MAX_NODES])
        document = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}, line {mark.line + 1}" if mark else source
        msg = f"{where}: not valid YAML: {error.problem or error.context}"
        raise SpecError(msg) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        msg = f"{source}: not valid YAML: {error}"
        raise SpecError(msg) from None
    return document, lines


def _walk(
    node: yaml.Node, path: tuple[str | int, ...], lines: Lines, source: str, budget: list[int]
) -> None:
    # Walks through aliases too, so that the budget bounds what they expand to.
    budget[0] -= 1
    if budget[0] < 0 or len(path) > MAX_DEPTH:
        msg = f"{source}: nested or repeated beyond reason; this is not an experiment"
        raise SpecError(msg)
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                msg = f"{source}, line {key.start_mark.line + 1}: a key must be plain text"
                raise SpecError(msg)
            if key.value in seen:
                msg = f"{source}, line {key.start_mark.line + 1}: key {key.value!r} is given twice"
                raise SpecError(msg)
            seen.add(key.value)
            lines[(*path, key.value)] = key.start_mark.line + 1
            _walk(value, (*path, key.value), lines, source, budget)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), lines, source, budget)


class _Dumper(yaml.SafeDumper):
    """Block style for mappings, flow style for short lists."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - never, whatever it is
        return True


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    flat = not any(isinstance(item, (dict, list)) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    # Other YAML readers take 1e-05 for text: YAML 1.1 wants a dot.
    written = repr(value)
    if "e" in written and "." not in written:
        written = written.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", written)


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    kind_first = {"kind": value["kind"]} | value if "kind" in value else value
    return dumper.represent_mapping("tag:yaml.org,2002:map", kind_first.items())


_Dumper.add_implicit_resolver(*_NUMBER)  # the text "1e100" is quoted, or it came back a number
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(float, _float)


def dump(document: dict[str, Any]) -> str:
    """Return plain values as YAML in their own order.

    >>> print(dump({"name": "a", "size": [64, 64], "lr": 1e-05}), end="")
    name: a
    size: [64, 64]
    lr: 1.0e-05
    """
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
