"""Write the reference pages that come from the code: experiment, command line, parts of models.

Run `python docs/generate.py`; a test checks that the pages are up to date.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from medfusion.commands import parser
from medfusion.spec import Experiment

FOLDER = Path(__file__).parent / "reference"


def experiment_page() -> str:
    """Return the page of everything an experiment can say."""
    lines = [
        "# The experiment",
        "",
        "Every key of an experiment, with its default. Generated from the code by `docs/generate.py`;",
        "the same as JSON Schema: [experiment.schema.json](experiment.schema.json) (`medfusion schema`).",
    ]
    seen: list[type[BaseModel]] = []

    def visit(model: type[BaseModel], path: str) -> None:
        if model in seen:
            return
        seen.append(model)
        kind = model.model_fields.get("kind")
        title = f"`{path}`" if path else "Top level"
        if kind is not None:
            title += f" kind `{kind.default}`"
        lines.extend(["", f"## {title}", "", (model.__doc__ or "").strip().split("\n\n")[0], ""])
        lines.extend(["| key | default | meaning |", "|---|---|---|"])
        children = []
        for name, field in model.model_fields.items():
            if name == "kind":
                continue
            lines.append(f"| `{name}` | {_default(field)} | {_cell(field.description or '')} |")
            where = f"{path}.{name}" if path else name
            children.extend((child, where + _inner(field)) for child in _models(field.annotation))
        for child, where in children:
            visit(child, where)

    visit(Experiment, "")
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """Return the page of the command line."""
    root = parser()
    lines = [
        "# The command line",
        "",
        "Generated from the code by `docs/generate.py`. With `--json` a command prints one JSON",
        "document on standard output and nothing else there. Exit codes: 0 done, 2 something you gave",
        "is wrong, 1 a fault of MedFusion.",
    ]
    verbs = next(a for a in root._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001
    for verb, sub in verbs.choices.items():
        inner = [a for a in sub._actions if isinstance(a, argparse._SubParsersAction)]  # noqa: SLF001
        pages = (
            [(f"{verb} {name}", page) for name, page in inner[0].choices.items()]
            if inner
            else [(verb, sub)]
        )
        for name, page in pages:
            lines.extend(
                ["", f"## medfusion {name}", "", "```text", page.format_help().rstrip(), "```"]
            )
    return "\n".join(lines) + "\n"


def models_page() -> str:
    """Return the page of what models are made of, as `medfusion models --markdown` prints it."""
    from medfusion.commands.models_page import page

    return page()


def schema_page() -> str:
    """Return the JSON Schema as `medfusion schema` prints it."""
    from medfusion.commands import execute

    return json.dumps(execute(["schema"]).document, indent=1, ensure_ascii=False) + "\n"


def pages() -> dict[Path, str]:
    """Return every generated page by its path."""
    return {
        FOLDER / "experiment.md": experiment_page(),
        FOLDER / "command-line.md": command_page(),
        FOLDER / "models.md": models_page(),
        FOLDER / "experiment.schema.json": schema_page(),
    }


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _inner(field: FieldInfo) -> str:
    return ".NAME" if getattr(field.annotation, "__origin__", None) is dict else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        kind = getattr(value, "kind", None)
        return f"`{kind}`" if kind else "see below"
    return f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
