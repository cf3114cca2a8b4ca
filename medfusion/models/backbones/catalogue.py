"""Names of image encoders and the licences of their published weights."""

from __future__ import annotations

import difflib

import timm
from timm.models import get_pretrained_cfg, is_model_pretrained, list_pretrained

from medfusion.errors import UnknownNameError

NON_COMMERCIAL = ("-nc-", "dinov3-license", "non-commercial", "noncommercial")
"""Parts of licence names that forbid or restrict commercial use."""


def list_architectures(pattern: str = "*") -> list[str]:
    """Return the names that an image encoder can have, optionally those that fit a pattern.

    >>> list_architectures("resnet1?")
    ['resnet18']
    """
    return timm.list_models(pattern)


def check_name(name: str) -> None:
    """Check that an architecture, and its weight tag where it has one, are known.

    Raises:
        UnknownNameError: They are not; the message has the nearest names.
    """
    architecture, _, tag = name.partition(".")
    if ":" in name or not timm.is_model(architecture):
        near = _nearest(architecture, list_architectures())
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        msg = f"unknown image encoder {name!r}: {hint}timm has {len(list_architectures())} names"
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
    config = get_pretrained_cfg(name)
    licence = config.license if config is not None else None
    return str(licence) if licence else None


def is_non_commercial(licence: str | None) -> bool:
    """Return whether a licence, as named by `weight_licence`, restricts commercial use."""
    return licence is not None and any(part in licence.lower() for part in NON_COMMERCIAL)


def _nearest(name: str, known: list[str]) -> list[str]:
    # "vit_tiny" is farther from "vit_tiny_patch16_224" by letters than from other short names.
    starts = [k for k in known if k.startswith(name)] if len(name) >= 4 else []
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    return list(dict.fromkeys([*starts[:2], *near]))[:3]
