"""Names of image encoders: the curated ones, any other of timm, and the nearest to a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import timm
from timm.models import get_pretrained_cfg, is_model_pretrained, list_pretrained

from medfusion.errors import UnknownNameError, unknown
from medfusion.models.backbones.licences import licence_of
from medfusion.models.image_families import FAMILIES, Architecture, Family
from medfusion.models.image_licences import commercial_use

NEAR = 3
"""Names that a message offers in place of a wrong one."""

# How papers and other libraries shorten sizes: vit_b_16, swin_t, deit-ti.
_SHORT = {"ti": "tiny", "t": "tiny", "s": "small", "b": "base", "l": "large", "n": "nano"}


def list_architectures(pattern: str = "*") -> list[str]:
    """Return the names that an image encoder can have, optionally those that fit a pattern.

    >>> list_architectures("resnet1?")
    ['resnet18']
    """
    return timm.list_models(pattern)


def search_catalogue(
    family: str | None = None,
    *,
    max_parameters: float | None = None,
    commercial: bool = False,
) -> list[tuple[Family, Architecture]]:
    """Return the curated image encoders that fit, by family and from light to heavy.

    Args:
        family: Name of a family; None is any.
        max_parameters: In millions.
        commercial: Only those whose weights' licence is known to allow commercial use.

    Raises:
        UnknownNameError: There is no such family.

    Example:
        >>> [member.name for _, member in search_catalogue("densenet", max_parameters=13)]
        ['densenet121', 'densenet169']
    """
    names = [group.name for group in FAMILIES]
    if family is not None and family not in names:
        raise UnknownNameError(unknown("family of image encoders", family, names))
    return [
        (group, member)
        for group in FAMILIES
        for member in group.members
        if family in (None, group.name)
        and (max_parameters is None or member.parameters <= max_parameters)
        and (not commercial or commercial_use(licence_of(member.name)) == "yes")
    ]


def family_of(name: str) -> Family | None:
    """Return the curated family of a name, with or without its tag; None for others of timm."""
    by_name = {member.name: group for group in FAMILIES for member in group.members}
    return by_name.get(name) or by_name.get(name.partition(".")[0])


def recommended_size(name: str) -> tuple[int, int]:
    """Return the height and width that an image encoder's published weights are for.

    For curated ones it is the catalogue's, which is smaller where the weights allow it.
    """
    sizes = {member.name: member.size for group in FAMILIES for member in group.members}
    side = sizes.get(name) or sizes.get(name.partition(".")[0])
    if side:
        return side, side
    config = get_pretrained_cfg(name)
    height, width = config.input_size[1:] if config is not None else (224, 224)
    return height, width


def check_name(name: str) -> None:
    """Check that an architecture, and its weight tag where it has one, are known.

    Raises:
        UnknownNameError: They are not; the message has the nearest names.
    """
    architecture, _, tag = name.partition(".")
    if ":" in name or not timm.is_model(architecture):
        near = nearest_names(name)
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        msg = (
            f"unknown image encoder {name!r}: {hint}timm has {len(list_architectures())} names, "
            "`medfusion models image` lists the usual ones"
        )
        raise UnknownNameError(msg)
    if tag and not is_model_pretrained(name):
        known = [full.partition(".")[2] for full in list_pretrained(f"{architecture}.*")]
        listed = f"Known: {', '.join(sorted(known))}" if known else "It has no published weights."
        msg = f"image encoder {architecture!r} has no weights with the tag {tag!r}. {listed}"
        raise UnknownNameError(msg)


def weight_licence(name: str) -> str | None:
    """Return the licence of the weights that `pretrained: true` would load, None where unstated.

    Args:
        name: Architecture, with or without a weight tag.

    Raises:
        UnknownNameError: There is no such architecture or tag.

    Example:
        >>> weight_licence("resnet18")
        'apache-2.0'
        >>> weight_licence("convnextv2_atto.fcmae")
        'cc-by-nc-4.0'
    """
    check_name(name)
    return licence_of(name)


def nearest_names(name: str) -> list[str]:
    """Return the names that a wrong one was most likely meant to be, curated ones first.

    >>> nearest_names("ResNet-50")[0], nearest_names("vit_b_16")[0], nearest_names("mae")[0]
    ('resnet50', 'vit_base_patch16_224', 'vit_base_patch16_224.mae')
    """
    plain = _plain(name)
    if not plain:
        return []
    curated = [member.name for group in FAMILIES for member in group.members]
    every = [*curated, *list_architectures()]
    named = [
        member.name
        for group in FAMILIES
        if plain in (_plain(group.name), _plain(group.title))
        for member in group.members
    ]
    words = [_SHORT.get(word, word) for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    # "vit_tiny" is farther from "vit_tiny_patch16_224" by letters than from other short names.
    found = [
        *(known for known in every if _plain(known) == plain),
        *named,
        *_starting(plain, curated),
        *_starting("".join(words), curated),
        *(known for known in curated if all(word in known for word in words)),
        *_starting(plain, every)[:2],
        *difflib.get_close_matches(name.lower(), every, n=NEAR, cutoff=0.6),
    ]
    return list(dict.fromkeys(found))[:NEAR]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _starting(plain: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if len(plain) >= 4 and _plain(name).startswith(plain)]
