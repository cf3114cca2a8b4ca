"""Boxes cut out at random places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfusion import spec
from medfusion.data.transforms.gather import Size
from medfusion.data.transforms.random_change import Geometry, RandomChange, Spacing, Stream
from medfusion.registry import register


@register(spec.RandomPatch)
class RandomPatch(RandomChange[spec.RandomPatch]):
    """Cut a box out, every place within the volume alike.

    Along an axis that is shorter than the box the volume is put in the middle (the extra voxel of
    an odd rest behind it), and what lies beyond is the border's value or a constant.

    Example:
        >>> from medfusion.data.volume import Volume
        >>> volume = Volume(np.arange(8, dtype=np.float32).reshape(1, 1, 8))
        >>> patch = RandomPatch((3, 1, 1)).apply(volume, {"origin": [4, 0, 0]})
        >>> patch.array.tolist(), patch.origin
        ([[[4.0, 5.0, 6.0]]], (4.0, 0.0, 0.0))
    """

    purpose = 8
    count = 3

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return the voxel (i, j, k) of the volume at the first voxel of the box."""
        del stream
        return {
            "origin": [
                int(number * (whole - side + 1)) if whole > side else -((side - whole) // 2)
                for number, whole, side in zip(numbers, size, self.spec.size, strict=True)
            ]
        }

    def around(self, voxel: Sequence[int], size: Size) -> dict[str, Any]:
        """Return the box with a voxel in its middle, or as near as the volume's end allows."""
        return {
            "origin": [
                min(max(at - side // 2, 0), whole - side)
                if whole > side
                else -((side - whole) // 2)
                for at, whole, side in zip(voxel, size, self.spec.size, strict=True)
            ]
        }

    def geometry(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> Geometry | None:
        """Return the grid of the box."""
        del size, spacing
        matrix = np.eye(4)
        matrix[:3, 3] = drawn["origin"]
        return Geometry(self.spec.size, matrix)
