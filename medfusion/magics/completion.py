"""What Tab offers after `%medfusion` and in a `%%medfusion` cell."""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from medfusion.commands import parser
from medfusion.magics import yaml_completion
from medfusion.magics.magic import cell_parser
from medfusion.modalities.candidates import fusion_kinds
from medfusion.models.description import families

LINE = re.compile(r"^\s*(?:[\w.\s,]+=\s*)?%medfusion(?:\s+(?P<words>.*))?$")
CELL = "%%medfusion"
# What a parser's metavar says about the files it wants; a folder is always offered.
ENDINGS = {
    "EXPERIMENT.yaml": (".yaml", ".yml", ".json"),
    "TABLE": (".csv", ".tsv", ".xlsx", ".parquet"),
    "FILE.csv|.parquet": (".csv", ".parquet"),
    "FILE.html": (".html",),
    "FILE.jsonl": (".jsonl",),
    "FILE.html|.json": (".html", ".json"),
    "FILE.medfusion": (".medfusion",),
    "FILE.medfusion|.yaml": (".medfusion", ".yaml", ".yml"),
    "FILE.yaml|.medfusion": (".yaml", ".yml", ".medfusion"),
    "PATH": ("",),
    "DIR": (),
}

Offer = tuple[str, list[str]]
"""What is typed so far, and what it may become."""


class Completion:
    """Offers verbs, options, files and runs, and in cells the keys and kinds of the schema."""

    @context_matcher(identifier="medfusion")  # type: ignore[untyped-decorator]
    def match(self, context: CompletionContext) -> dict[str, Any]:
        """Return the offers in the form that IPython's completer asks for."""
        lines = context.full_text.split("\n")
        before = context.text_until_cursor
        fragment, found = "", list[str]()
        if lines[0].startswith(CELL) and context.cursor_line > 0:
            cell = "\n".join(lines[1:])
            fragment, found = yaml_completion.complete(
                cell, context.cursor_line - 1, context.cursor_position, schema()
            )
        elif lines[0].startswith(CELL):
            fragment, found = complete_cell_line(before.removeprefix(CELL))
        elif (line := LINE.match(before)) and line["words"] is not None:
            fragment, found = complete_line(line["words"])
        return {
            "completions": [SimpleCompletion(text, type="medfusion") for text in found],
            "matched_fragment": fragment if found else context.token,
            "suppress": bool(found),
            "ordered": True,
        }


@functools.cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of experiments."""
    from medfusion.spec import Experiment

    return Experiment.model_json_schema()


def complete_cell_line(words: str) -> Offer:
    """Complete the words after `%%medfusion`."""
    fragment, before = _split(words)
    return fragment, _from_parser(cell_parser(), before, fragment)


def complete_line(words: str) -> Offer:
    """Complete the words after `%medfusion`.

    Example:
        >>> complete_line("val")
        ('val', ['validate'])
    """
    fragment, before = _split(words)
    found = parser()
    while (verbs := _verbs(found)) is not None:
        options = [word for word in before if not word.startswith("-")]
        if not options:
            return fragment, _starting(fragment, verbs.choices)
        verb, before = options[0], before[before.index(options[0]) + 1 :]
        if verb not in verbs.choices:
            return fragment, []
        found = verbs.choices[verb]
    return fragment, _from_parser(found, before, fragment)


def _split(words: str) -> tuple[str, list[str]]:
    parts = re.split(r"\s+", words)
    return parts[-1], [part for part in parts[:-1] if part]


def _verbs(found: argparse.ArgumentParser) -> Any:
    for action in found._actions:  # noqa: SLF001 - argparse has no public way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return action
    return None


def _from_parser(found: argparse.ArgumentParser, before: Sequence[str], fragment: str) -> list[str]:
    actions = found._actions  # noqa: SLF001
    options = {name: action for action in actions for name in action.option_strings}
    if before and (action := options.get(before[-1])) is not None and action.nargs != 0:
        return _values(action, fragment)
    if fragment.startswith("-"):
        unused = [
            name
            for name, action in options.items()
            if name.startswith("--")
            and action.dest not in ("help", "detach")
            and (name not in before or action.dest == "changes")
        ]
        return _starting(fragment, unused)
    given = [
        word
        for index, word in enumerate(before)
        if not word.startswith("-")
        and (index == 0 or getattr(options.get(before[index - 1]), "nargs", 0) == 0)
    ]
    wanted = [action for action in actions if not action.option_strings]
    if not wanted or (len(given) >= len(wanted) and wanted[-1].nargs not in ("+", "*")):
        return []
    return _values(wanted[min(len(given), len(wanted) - 1)], fragment)


def _values(action: argparse.Action, fragment: str) -> list[str]:
    if action.choices is not None:
        return _starting(fragment, action.choices)
    kind = action.metavar if isinstance(action.metavar, str) else ""
    if kind == "PATH=VALUE":
        return yaml_completion.complete_dotted(fragment, schema())
    if kind == "KIND":
        return _starting(fragment, families())
    if kind == "FUSION,FUSION":
        done, comma, start = fragment.rpartition(",")
        fusions = [name for name in fusion_kinds() if name not in done.split(",")]
        return [f"{done}{comma}{name}" for name in _starting(start, fusions)]
    if kind == "RUN":
        return _runs(fragment) or _files(fragment, ())
    return _files(fragment, ENDINGS[kind]) if kind in ENDINGS else []


def _runs(fragment: str) -> list[str]:
    from medfusion.runs import list_runs

    # The newest first, in the folder that is being typed and in the usual one.
    folders = dict.fromkeys([Path(fragment).parent if "/" in fragment else Path(), Path("runs")])
    found = [f"{folder / run.name}" for folder in folders for run in list_runs(folder)]
    return _starting(fragment, found)


def _files(fragment: str, endings: tuple[str, ...]) -> list[str]:
    folder, slash, start = fragment.rpartition("/")
    try:
        entries = sorted(Path(folder + slash).expanduser().iterdir())
    except OSError:
        return []
    return [
        f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(start)
        and (start.startswith(".") or not entry.name.startswith("."))
        and " " not in entry.name
        and (entry.is_dir() or any(entry.name.endswith(ending) for ending in endings))
    ]


def _starting(fragment: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if name.startswith(fragment)]
