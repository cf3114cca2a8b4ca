"""What a transform is: a spec that is applied to a volume, alone or in a chain.

A deterministic transform depends on the volume alone. A random one depends on a `SampleKey` too:
the same key gives the same result in any batch, order and number of threads, and what it drew can
be written down as JSON and applied again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from medfusion.data.volume import Volume
from medfusion.spec.base import Spec


class SampleKey(NamedTuple):
    """What the random numbers of one sample depend on, and nothing else."""

    seed: int
    """Seed of the run."""
    epoch: int
    """Epoch from 0."""
    sample: int
    """Position of the sample in the cohort (not in the batch)."""


@runtime_checkable
class Transform(Protocol):
    """A deterministic transform; `medfusion.registry.create(spec)` makes it."""

    spec: Spec

    def __call__(self, volume: Volume) -> Volume:
        """Return the transformed volume; the given one is left as it is."""
        ...


@runtime_checkable
class RandomTransform(Protocol):
    """A transform that draws; made by `medfusion.registry.create(spec)`."""

    spec: Spec

    def draw(self, key: SampleKey, size: tuple[int, int, int]) -> dict[str, Any]:
        """Return what is drawn for a sample of `size` voxels (i, j, k), as JSON values."""
        ...

    def apply(self, volume: Volume, drawn: Mapping[str, Any]) -> Volume:
        """Return the volume changed as drawn; the given one is left as it is."""
        ...
