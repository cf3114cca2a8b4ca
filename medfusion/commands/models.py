"""`medfusion models`: what models are made of, from specs and the registry."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from typing import Any

from medfusion.commands.outcome import Outcome
from medfusion.data.display import table
from medfusion.errors import InputError, UnknownNameError, unknown
from medfusion.models.description import Description, describe, families

WIDTH = 88
_FILTERS = {
    "family": "--family",
    "max_parameters": "--max-parameters",
    "commercial": "--commercial",
}
_SIZES = {"size": "--size", "channels": "--channels", "batch": "--batch"}


def execute(arguments: argparse.Namespace) -> Outcome:
    """List the kinds of every family or of one, image encoders, or facts of one of them.

    Raises:
        UnknownNameError: There is no such family or image encoder.
        InputError: Options do not go together, or the encoder cannot serve the size.
    """
    _check(arguments)
    if arguments.markdown:
        from medfusion.commands.models_page import page

        text = page()
        return Outcome(text=text.rstrip("\n"), document={"markdown": text})
    if arguments.name is not None and arguments.kind == "image":
        return _encoder(arguments)
    import_makers()
    known = families()
    if arguments.kind is None:
        found = [describe(kind) for kinds in known.values() for kind in kinds.values()]
        rows = [[item.family, item.kind, item.summary] for item in found]
        document = {"models": [dataclasses.asdict(item) for item in found]}
        return Outcome(text=table(["part", "kind", ""], rows), document=document)
    if arguments.kind not in known:
        raise UnknownNameError(unknown("part of a model", arguments.kind, known))
    kinds = known[arguments.kind]
    if arguments.name is not None:
        if arguments.name not in kinds:
            raise UnknownNameError(unknown(arguments.kind, arguments.name, kinds))
        kinds = {arguments.name: kinds[arguments.name]}
    found = [describe(kind) for kind in kinds.values()]
    document = {"models": [dataclasses.asdict(item) for item in found]}
    if arguments.kind == "image":
        return _encoders(arguments, found, document)
    return Outcome(text="\n\n".join(map(_text, found)), document=document)


def import_makers() -> None:
    """Import all that registers parts of models and of training."""
    import medfusion.models.multimodal
    import medfusion.training.execution  # noqa: F401 - its imports register every kind


def _check(arguments: argparse.Namespace) -> None:
    def given(options: dict[str, str]) -> list[str]:
        return [
            flag
            for name, flag in options.items()
            if getattr(arguments, name) is not None and getattr(arguments, name) is not False
        ]

    if arguments.kind != "image" or arguments.markdown:
        wrong = given(_FILTERS | _SIZES)
        if wrong:
            msg = f"{', '.join(wrong)}: only for image encoders, as in medfusion models image"
            raise InputError(msg)
        if arguments.markdown and arguments.kind:
            msg = f"{arguments.kind}: --markdown prints the whole page, so it stands alone"
            raise InputError(msg)
    elif arguments.name is not None and given(_FILTERS):
        msg = f"{', '.join(given(_FILTERS))}: filters the list, so leave the name out"
        raise InputError(msg)
    elif arguments.name is None and given(_SIZES):
        msg = f"{', '.join(given(_SIZES))}: give an encoder's name, such as resnet18"
        raise InputError(msg)


def _text(item: Description) -> str:
    lines = [f"{item.kind}: {item.summary}"]
    for paragraph in item.text[1:]:
        formula = any(line.startswith("    ") for line in paragraph.splitlines())
        lines += ["", textwrap.indent(paragraph, "  ") if formula else _wrapped(paragraph)]
    lines += [""] if item.text[1:] else []
    lines += [f"  paper: {link}" for link in item.papers]
    lines += [_wrapped(f"{name}: {about}", "  in   ") for name, about in item.inputs]
    lines += [_wrapped(item.output, "  out  ")] if item.output else []
    for name, entry in item.settings.items():
        default = f"{entry['default']!r}" if "default" in entry else "required"
        lines.append(_wrapped(f"{name} ({default}): {entry['meaning']}", "  set  "))
    return "\n".join(lines)


def _wrapped(text: str, start: str = "  ") -> str:
    return textwrap.fill(
        " ".join(text.split()), WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
    )


# Image encoders -----------------------------------------------------------------------------------


def _encoders(
    arguments: argparse.Namespace, kinds: list[Description], document: dict[str, Any]
) -> Outcome:
    from medfusion.models.backbones.catalogue import list_architectures, search_catalogue
    from medfusion.models.backbones.licences import licence_of
    from medfusion.models.image_licences import commercial_use

    found = search_catalogue(
        arguments.family,
        max_parameters=arguments.max_parameters,
        commercial=arguments.commercial,
    )
    listed = []
    for family, member in found:
        licence = licence_of(member.name)
        listed.append(
            {"family": family.name, **member._asdict(), "paper": family.paper}
            | {"licence": licence, "commercial": commercial_use(licence)}
        )
    names = list_architectures()
    document |= {"encoders": listed, "names": names}
    header = ["name", "family", "million weights", "GMAC", "pixels", "licence of weights", ""]
    rows = [
        [
            item["name"],
            item["family"],
            f"{item['parameters']:.1f}",
            f"{item['multiply_adds']:.2f}",
            str(item["size"]),
            item["licence"] or "not stated",
            mark(item["commercial"]),
        ]
        for item in listed
    ]
    lines = [_text(item) + "\n" for item in kinds] if not _filtered(arguments) else []
    lines.append(table(header, rows) if rows else "no curated image encoder fits")
    lines += [
        "",
        f"{len(listed)} curated encoders; any of timm's {len(names)} names can be given (--json lists them).",
        "medfusion models image NAME [--size H W] says what one is and costs.",
    ]
    return Outcome(text="\n".join(lines), document=document)


def mark(commercial: str) -> str:
    """Return the remark on a licence, empty where commercial use is allowed.

    >>> mark("no"), mark("yes")
    ('non-commercial', '')
    """
    return {"yes": "", "no": "non-commercial"}.get(commercial, commercial)


def _filtered(arguments: argparse.Namespace) -> bool:
    return arguments.commercial or (arguments.family, arguments.max_parameters) != (None, None)


def _encoder(arguments: argparse.Namespace) -> Outcome:
    from medfusion.models.backbones.facts import facts

    size = arguments.size
    if size and len(size) > 2:
        msg = f"--size takes a height and a width, or one number for both, got {len(size)} numbers"
        raise InputError(msg)
    found = facts(
        arguments.name,
        (size[0], size[-1]) if size else None,
        3 if arguments.channels is None else arguments.channels,
        batch=1 if arguments.batch is None else arguments.batch,
    )
    own = f"family {found.family}, {found.paper}" if found.family else "not in the curated list"
    channels, height, width = found.map
    images = "1 image" if found.batch == 1 else f"{found.batch} images"
    at = f"{found.size[0]} x {found.size[1]} pixels, {found.channels} channels"
    lines = [
        f"{found.name}: {own}",
        "",
        table(
            ["", at],
            [
                ["weights", f"{found.parameters / 1e6:.2f} million, without a classifier"],
                ["multiply-adds", f"{found.multiply_adds / 1e9:.3f} GMAC per image"],
                ["memory to predict", f"about {_gib(found.inference_bytes)} for {images}, 32 bits"],
                [
                    "memory to train",
                    f"about {_gib(found.training_bytes)} for {images}, 32 bits, AdamW",
                ],
                ["summary vector", str(found.width)],
                ["map", f"{channels} channels, {height} x {width} = {found.tokens} tokens"],
            ],
        ),
    ]
    if found.stages:
        rows = [
            [str(s.number), str(s.channels), f"{s.height} x {s.width}", s.module, ", ".join(s.own)]
            for s in found.stages
        ]
        header = ["stage", "channels", "places", "module", "attention of its own"]
        lines += ["", table(header, rows)]
    else:
        lines += ["", "no convolutional stages: attention blocks cannot be put in"]
    if found.weights:
        rows = [[w.tag, w.licence or "not stated", mark(w.commercial)] for w in found.weights]
        lines += ["", table(["published weights", "licence", ""], rows)]
    else:
        lines += ["", "no published weights"]
    return Outcome(text="\n".join(lines), document=found.to_json())


def _gib(count: int) -> str:
    """Return bytes in MB or GB, as GPUs and processors are sold."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
