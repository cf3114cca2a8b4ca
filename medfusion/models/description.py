"""What the parts of a model say about themselves: from specs, the registry and docstrings.

Only `describe` needs the makers to be imported; what can be asked for is known without torch.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel

from medfusion import registry, spec
from medfusion.errors import UnknownNameError
from medfusion.registry import kind_of

_HEADING = re.compile(r"^([A-Z][a-z]+):$")
_LINK = re.compile(r"https?://[^\s)>,;]+[^\s)>,;.:]")
_MAKERS = ("medfusion.models.", "medfusion.training.")


@dataclass(frozen=True)
class Docstring:
    """A docstring in Google style, taken apart.

    Attributes:
        paragraphs: Those before the first section; formulas keep their lines and indentation.
        sections: Entries by section: ("z", "Fused features ...") of "Args" and the like.
    """

    paragraphs: tuple[str, ...]
    sections: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What a kind of part is.

    Attributes:
        family: "fusion", "views" and so on.
        kind: As in an experiment.
        summary: One sentence.
        text: Paragraphs with the formula.
        papers: Links.
        settings: Default and meaning of each key; a key that must be given has no default.
        inputs: What it is called with, with shapes.
        output: What it returns, with shapes.
        implementation: Where it is made; None where the code that uses it does.
    """

    family: str
    kind: str
    summary: str
    text: tuple[str, ...]
    papers: tuple[str, ...]
    settings: dict[str, dict[str, Any]]
    inputs: tuple[tuple[str, str], ...]
    output: str
    implementation: str | None


def families() -> dict[str, dict[str, type[spec.Spec]]]:
    """Return the specs that a model and its training can be made of, by family and kind.

    They come in the order of an experiment's keys, then those that are only registered.

    >>> list(families())[:2], sorted(families()["attention"])
    (['image', 'attention'], ['cbam', 'eca', 'se'])
    """
    found: dict[str, dict[str, type[spec.Spec]]] = {}
    for part in (spec.Model, spec.Training):
        for kind in _reachable(part, set()):
            found.setdefault(kind.family, {}).setdefault(kind_of(kind), kind)
    for family in registry.list_kinds():
        for name in registry.list_kinds(family):
            kind, maker = registry.describe(family, name)
            if maker.__module__.startswith(_MAKERS):
                found.setdefault(family, {}).setdefault(name, kind)
    return found


def describe(kind: type[spec.Spec]) -> Description:
    """Return what a kind of part is; import the package that makes it before.

    Args:
        kind: Its spec class.

    Example:
        >>> import medfusion.models.fusion
        >>> found = describe(spec.GatedFusion)
        >>> found.papers
        ('https://arxiv.org/abs/1702.01992',)
        >>> found.inputs[1]
        ('present', 'Which modality a row has, bool [B, M] in the order of `modalities`.')
    """
    maker = _maker(kind)
    own, made = parse(kind.__doc__ or ""), parse(getattr(maker, "__doc__", None) or "")
    text = made.paragraphs or own.paragraphs
    called = _call_of(maker)
    links = _LINK.findall("\n".join([*own.paragraphs, *text]))
    # Links in a paragraph of their own are the papers, and said there.
    text = tuple(part for part in text if re.sub(r"[\s,;]", "", _LINK.sub("", part)))
    return Description(
        family=kind.family,
        kind=kind_of(kind),
        summary=_flat(own.paragraphs[0]) if own.paragraphs else "",
        text=text,
        papers=tuple(dict.fromkeys(links)),
        settings=_settings(kind),
        inputs=called.sections.get("Args", ()),
        output=" ".join(about for _, about in called.sections.get("Returns", ())),
        implementation=f"{maker.__module__}.{maker.__qualname__}" if maker is not None else None,
    )


def contract_of(kinds: dict[str, type[spec.Spec]]) -> Docstring:
    """Return what the makers of a family have in common: the docstring of their nearest base."""
    makers = [maker for maker in map(_maker, kinds.values()) if inspect.isclass(maker)]
    if len(makers) < 2:
        return Docstring(())
    for base in makers[0].__mro__[1:]:
        if base.__module__.startswith(_MAKERS) and all(issubclass(m, base) for m in makers):
            return parse(base.__doc__ or "")
    return Docstring(())


def parse(docstring: str) -> Docstring:
    r"""Take a docstring apart.

    >>> parse("One line.\n\nArgs:\n    x: A number\n        of things.").sections
    {'Args': (('x', 'A number of things.'),)}
    """
    paragraphs: list[list[str]] = [[]]
    sections: dict[str, list[tuple[str, str]]] = {}
    section: list[tuple[str, str]] | None = None
    for line in inspect.cleandoc(docstring).splitlines():
        heading = _HEADING.match(line)
        if heading is not None:
            section = sections.setdefault(heading[1], [])
        elif section is not None and line.strip():
            _add_entry(section, line)
        elif section is None and line.strip():
            paragraphs[-1].append(line)
        elif section is None and paragraphs[-1]:
            paragraphs.append([])
    return Docstring(
        tuple("\n".join(lines) for lines in paragraphs if lines),
        {name: tuple(entries) for name, entries in sections.items()},
    )


def _add_entry(section: list[tuple[str, str]], line: str) -> None:
    indent = len(line) - len(line.lstrip())
    name, colon, about = line.strip().partition(": ")
    if indent > 4 and section:
        name, text = section[-1]
        section[-1] = (name, f"{text} {line.strip()}")
    elif colon and " " not in name:
        section.append((name, about))
    elif section and not section[-1][0]:
        section[-1] = ("", f"{section[-1][1]} {line.strip()}")
    else:
        section.append(("", line.strip()))


def _reachable(annotation: Any, seen: set[Any]) -> Iterator[type[spec.Spec]]:
    """Yield the specs with family and kind that a spec or an annotation leads to."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        for argument in get_args(annotation):
            yield from _reachable(argument, seen)
        return
    if annotation in seen:
        return
    seen.add(annotation)
    if (
        issubclass(annotation, spec.Spec)
        and annotation.family
        and "kind" in annotation.model_fields
    ):
        yield annotation
    for info in annotation.model_fields.values():
        yield from _reachable(info.annotation, seen)


def _maker(kind: type[spec.Spec]) -> Any:
    try:
        return registry.describe(kind.family, kind_of(kind))[1]
    except UnknownNameError:
        return None


def _call_of(maker: Any) -> Docstring:
    """Return the docstring of how a made thing is called: of `forward`, or of the nearest base.

    A method that only says "see the base" has no arguments of its own to show.
    """
    for base in getattr(maker, "__mro__", ()):
        forward = vars(base).get("forward")
        if forward is not None:
            parsed = parse(forward.__doc__ or "")
            if parsed.sections.get("Args"):
                return parsed
    return Docstring(())


def _settings(kind: type[spec.Spec]) -> dict[str, dict[str, Any]]:
    settings = {}
    for name, info in kind.model_fields.items():
        if name == "kind":
            continue
        entry: dict[str, Any] = {"meaning": info.description or ""}
        if not info.is_required():
            default = info.get_default(call_default_factory=True)
            plain = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
            entry["default"] = list(plain) if isinstance(plain, tuple) else plain
        settings[name] = entry
    return settings


def _flat(text: str) -> str:
    return " ".join(text.split())
