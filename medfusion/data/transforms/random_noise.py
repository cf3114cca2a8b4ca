"""Normal noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medfusion import spec
from medfusion.data.transforms.gather import Size, Step
from medfusion.data.transforms.random_change import RandomChange, Spacing, Stream, between
from medfusion.registry import register


@register(spec.RandomNoise)
class RandomNoise(RandomChange[spec.RandomNoise]):
    """Add normal noise, a number of its own for each voxel and channel.

    Philox 4x32-10 (https://doi.org/10.1145/2063384.2063405) with the transform of Box and Muller;
    the record holds the name of the numbers.

    Example:
        >>> import numpy as np
        >>> from medfusion.data.transforms import SampleKey
        >>> from medfusion.data.volume import Volume
        >>> noisy = RandomNoise(low=2, high=2)(Volume(np.zeros((32, 32, 32))), SampleKey(1, 0, 0))
        >>> bool(abs(noisy.array.std() - 2) < 0.05)
        True
    """

    purpose = 7
    count = 1

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return the standard deviation and the name of the voxels' numbers."""
        del size
        return {"sd": between(self.spec.low, self.spec.high, numbers[0]), "stream": list(stream)}

    def steps(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> list[Step]:
        """Return the change of values."""
        del size, spacing
        return [("noise", [drawn["sd"], *drawn["stream"]])] if drawn else []
