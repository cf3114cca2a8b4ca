"""`medfusion models`: what models are made of, from the registry."""

from __future__ import annotations

import argparse
from typing import Any

from medfusion import registry
from medfusion.commands.outcome import Outcome
from medfusion.data.display import table
from medfusion.errors import UnknownNameError, unknown

FAMILIES = ("image", "table", "views", "fusion", "head")


def execute(arguments: argparse.Namespace) -> Outcome:
    """List the kinds of every family, or those of one with their settings.

    Raises:
        UnknownNameError: There is no such family.
    """
    import medfusion.models.multimodal  # noqa: F401 - registers every kind

    family = arguments.kind
    if family is None:
        found = [_describe(name, kind) for name in FAMILIES for kind in registry.list_kinds(name)]
        rows = [[item["family"], item["kind"], item["summary"]] for item in found]
        return Outcome(text=table(["part", "kind", ""], rows), document={"models": found})
    if family not in FAMILIES:
        raise UnknownNameError(unknown("part of a model", family, FAMILIES))
    found = [_describe(family, kind) for kind in registry.list_kinds(family)]
    lines = []
    for item in found:
        lines.append(f"{item['kind']}: {item['summary']}")
        lines += [f"  {name}: {about}" for name, about in item["settings"].items()]
    document: dict[str, Any] = {"models": found}
    if family == "image":
        import timm

        names = timm.list_models()
        document["names"] = names
        lines += [
            "",
            f"{len(names)} names of timm, for instance resnet18, convnext_tiny,",
            "vit_small_patch16_224; all of them with --json",
        ]
    return Outcome(text="\n".join(lines), document=document)


def _describe(family: str, kind: str) -> dict[str, Any]:
    spec, maker = registry.describe(family, kind)
    return {
        "family": family,
        "kind": kind,
        "summary": (spec.__doc__ or "").strip().splitlines()[0],
        "settings": {
            name: f"{field.description or ''} ({field.default!r})"
            for name, field in spec.model_fields.items()
            if name != "kind"
        },
        "implementation": f"{maker.__module__}.{maker.__qualname__}",
    }
