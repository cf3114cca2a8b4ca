"""The page of the docs that lists what models are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from medfusion.commands.models import import_makers, mark
from medfusion.models.description import Description, contract_of, describe, families
from medfusion.models.image_families import FAMILIES, Family


def page() -> str:
    """Return the catalogue as Markdown, from specs, the registry and docstrings."""
    import_makers()
    lines = [
        "# What models are made of",
        "",
        "Every part that an experiment can ask for, by key. Generated from the code by",
        "`medfusion models --markdown`; the same in a terminal: `medfusion models [KIND]`.",
        "",
        "Shapes: B subjects, V views, M modalities, T tokens, C channels, H x W pixels.",
    ]
    for family, kinds in families().items():
        found = [describe(kind) for kind in kinds.values()]
        lines += ["", f"## {family}", ""]
        contract = contract_of(kinds)
        lines += [_paragraph(text) + "\n" for text in contract.paragraphs]
        alike = len({(item.inputs, item.output) for item in found}) == 1
        if alike and len(found) > 1:
            lines += _call(found[0])
        for item in found:
            lines += _kind(item, with_call=not (alike and len(found) > 1))
        if family == "image":
            lines += _encoders(FAMILIES)
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.rstrip("\n") + "\n"


def _kind(item: Description, *, with_call: bool) -> list[str]:
    lines = [f"### {item.family} `{item.kind}`", ""]
    for paragraph in item.text or (item.summary,):
        lines += [_paragraph(paragraph), ""]
    outside = [link for link in item.papers if not any(link in text for text in item.text)]
    if outside:
        lines += ["Paper: " + ", ".join(f"<{link}>" for link in outside), ""]
    if with_call:
        lines += _call(item)
    if item.settings:
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        for name, entry in item.settings.items():
            default = f"`{_cell(_json(entry['default']))}`" if "default" in entry else "required"
            lines.append(f"| `{name}` | {default} | {_cell(entry['meaning'])} |")
        lines.append("")
    return lines


def _call(item: Description) -> list[str]:
    lines = [f"- in `{name}`: {about}" for name, about in item.inputs]
    lines += [f"- out: {item.output}"] if item.output else []
    return [*lines, ""] if lines else []


def _encoders(groups: Iterable[Family]) -> list[str]:
    from medfusion.models.backbones.licences import licence_of
    from medfusion.models.image_licences import commercial_use

    lines = [
        "### Curated image encoders",
        "",
        "Any other name of timm works too. Weights in millions without a classifier; multiply-adds",
        "of one image of the recommended size in thousand millions (GMAC). The licence is that of",
        'the published weights which the name loads, as timm states it; "own terms" are a',
        "publisher's own licence, to be read before commercial use. Memory, stages, all weight tags",
        "and other sizes: `medfusion models image NAME --size H W`.",
        "",
    ]
    for family in groups:
        lines += [
            f"**{family.title}** ({family.paper}), `{family.name}`: {family.summary}",
            "",
            "| name | weights, M | GMAC | pixels | licence of weights | |",
            "|---|--:|--:|--:|---|---|",
        ]
        for member in family.members:
            licence = licence_of(member.name)
            remark = mark(commercial_use(licence))
            shown = f"{licence or 'not stated'}{f' (**{remark}**)' if remark else ''}"
            lines.append(
                f"| `{member.name}` | {member.parameters:.1f} | {member.multiply_adds:.2f} "
                f"| {member.size} | {shown} | {member.summary} |"
            )
        lines.append("")
    return lines


def _paragraph(text: str) -> str:
    if any(line.startswith("    ") for line in text.splitlines()):
        return f"```text\n{text}\n```"
    return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
