"""Under which terms the weights of any name of timm can be used."""

from __future__ import annotations

from timm.models import get_pretrained_cfg


def licence_of(name: str) -> str | None:
    """Return the licence of the weights that a name loads, as timm states it; None where unstated.

    Args:
        name: Architecture of timm, with or without a weight tag.
    """
    config = get_pretrained_cfg(name)
    licence = config.license if config is not None else None
    return str(licence) if licence and licence != "unknown" else None
