"""Under which terms published weights can be used."""

from __future__ import annotations

from typing import Literal

from timm.models import get_pretrained_cfg

Use = Literal["yes", "own terms", "no", "unstated"]
"""Whether a licence lets weights be used commercially."""

_FREE = frozenset({"apache-2.0", "bsd-3-clause", "cc-by-4.0", "mit"})
_FORBIDDING = ("-nc-", "noncommercial", "non-commercial", "apple-amlr", "seer-license")


def licence_of(name: str) -> str | None:
    """Return the licence of the weights that a name loads, as timm states it; None where unstated.

    Args:
        name: Architecture of timm, with or without a weight tag.
    """
    config = get_pretrained_cfg(name)
    licence = config.license if config is not None else None
    return str(licence) if licence and licence != "unknown" else None


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
