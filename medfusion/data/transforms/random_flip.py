"""Axes turned round at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfusion import spec
from medfusion.data.transforms.gather import Size
from medfusion.data.transforms.random_change import (
    Geometry,
    RandomChange,
    Spacing,
    Stream,
    about_centre,
)
from medfusion.data.volume import Volume
from medfusion.registry import register


@register(spec.RandomFlip)
class RandomFlip(RandomChange[spec.RandomFlip]):
    """Turn axes round, each with a probability.

    The affine is turned with the voxels: each keeps its place in the patient.

    Example:
        >>> volume = Volume(np.arange(4, dtype=np.uint8).reshape(1, 1, 4))
        >>> turned = RandomFlip(axes=("i",)).apply(volume, {"axes": ["i"]})
        >>> turned.array.ravel().tolist(), turned.origin, turned.orientation
        ([3, 2, 1, 0], (3.0, 0.0, 0.0), 'RPS')
    """

    purpose = 1
    count = 3

    @property
    def at_all(self) -> float:
        """1: the probability of the spec is that of each axis."""
        return 1.0

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return {"axes": [...]}, those that are turned; empty where none is."""
        del size, stream
        axes = [
            axis
            for axis, number in zip("ijk", numbers, strict=True)
            if axis in self.spec.axes and number < self.spec.probability
        ]
        return {"axes": axes} if axes else {}

    def geometry(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> Geometry | None:
        """Return the turned grid."""
        del spacing
        if not drawn:
            return None
        signs = [-1.0 if axis in drawn["axes"] else 1.0 for axis in "ijk"]
        return Geometry(size, about_centre(np.diag(signs), size))

    def apply(self, volume: Volume, drawn: Mapping[str, Any], *, threads: int = 0) -> Volume:
        """Return the turned volume; its type is kept. See `RandomChange.apply`."""
        del threads
        grid = self.geometry(drawn, volume.size, volume.spacing)
        if grid is None:
            return volume
        axes = tuple(-1 - "ijk".index(axis) for axis in drawn["axes"])
        array = np.ascontiguousarray(np.flip(volume.array, axes))
        return volume.replace(array=array, affine=volume.affine @ grid.matrix)
