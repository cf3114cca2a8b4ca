"""Experiments of older schema versions, brought to the current one step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medfusion.errors import SpecError

Step = Callable[[dict[str, Any]], dict[str, Any]]

STEPS: dict[int, Step] = {}
"""Function that takes a document of version n to version n + 1, by n."""


def to_current(document: dict[str, Any], current: int, source: str) -> dict[str, Any]:
    """Return the document in the current schema version.

    Args:
        document: A mapping with the key `medfusion`; without it the version is the current one.
        current: The current version.
        source: What to call the document in messages.

    Raises:
        SpecError: The version is no version, or newer than this MedFusion.
    """
    version = document.get("medfusion", current)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        msg = f"{source}: medfusion: {version!r} is no schema version; write `medfusion: {current}`"
        raise SpecError(msg)
    if version > current:
        msg = (
            f"{source}: medfusion: {version} is newer than this MedFusion reads (up to {current}); "
            "update MedFusion"
        )
        raise SpecError(msg)
    while version < current:
        document = STEPS[version](document)
        version += 1
        document["medfusion"] = version
    return document
