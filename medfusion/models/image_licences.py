"""Licences of the published weights of curated image encoders, known without any library.

They are what timm states for the weights that a name loads; a test compares them. What other
names and tags load is asked of timm, see `medfusion.models.backbones.licences`.
"""

from __future__ import annotations

from typing import Literal

Use = Literal["yes", "own terms", "no", "unstated"]
"""Whether a licence lets weights be used commercially."""

_FREE = frozenset({"apache-2.0", "bsd-3-clause", "cc-by-4.0", "mit"})
_FORBIDDING = ("-nc-", "noncommercial", "non-commercial", "apple-amlr", "seer-license")

_OF_FAMILY = {
    "convnextv2": "cc-by-nc-4.0",
    "dinov3": "dinov3-license",
    "eva02": "mit",
    "hiera": "cc-by-nc-4.0",
    "mae": "cc-by-nc-4.0",
    "swin": "mit",
    "swinv2": "mit",
}
_OF_NAME = {
    "regnetx_004": "mit",
    "regnety_004": "bsd-3-clause",
    "regnety_016": "bsd-3-clause",
    "resnext101_32x8d": "bsd-3-clause",
}
_USUAL = "apache-2.0"


def curated_licence(family: str, name: str) -> str:
    """Return the licence of the weights that a curated name loads.

    Args:
        family: Its family in the catalogue.
        name: Its name.

    Example:
        >>> curated_licence("mae", "vit_base_patch16_224.mae")
        'cc-by-nc-4.0'
    """
    return _OF_NAME.get(name) or _OF_FAMILY.get(family, _USUAL)


def commercial_use(licence: str | None) -> Use:
    """Return whether a licence allows commercial use, as far as its name tells.

    "own terms" are licences of one publisher, such as DINOv3's, which allow it under conditions
    that have to be read. This is no legal advice.

    >>> commercial_use("apache-2.0"), commercial_use("cc-by-nc-4.0"), commercial_use("gemma")
    ('yes', 'no', 'own terms')
    """
    if licence is None:
        return "unstated"
    if licence.lower() in _FREE:
        return "yes"
    return "no" if any(part in licence.lower() for part in _FORBIDDING) else "own terms"
