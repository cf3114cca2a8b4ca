"""Chains of transforms that run as one pass over the voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medfusion.data.volume import Volume


def fusible(transforms: Sequence[Any]) -> int:
    """Return how many of the first transforms run as one; at least 1."""
    return min(len(transforms), 1)


def run(
    group: Sequence[Any], volumes: Mapping[str, Volume], threads: int
) -> tuple[dict[str, Volume], list[dict[str, Any]]]:
    """Apply a fusible group to the volumes of a sample; see `fusible`."""
    raise NotImplementedError(group, volumes, threads)
