"""Values made darker, brighter or flatter at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medfusion import spec
from medfusion.data.transforms.gather import Size, Step
from medfusion.data.transforms.random_change import RandomChange, Spacing, Stream, between
from medfusion.registry import register


@register(spec.RandomIntensity)
class RandomIntensity(RandomChange[spec.RandomIntensity]):
    """Change the contrast about the mean, then multiply and add.

    Mean and range are those of the volume, all channels for themselves; voxels that are not finite
    are not counted, and stay.

    Example:
        >>> import numpy as np
        >>> from medfusion.data.volume import Volume
        >>> drawn = {"contrast": 1.0, "scale": 2.0, "shift": -1.0}
        >>> volume = Volume(np.array([[[0, 1, 3]]], np.int16))
        >>> RandomIntensity().apply(volume, drawn).array.tolist()
        [[[-1.0, 1.0, 5.0]]]
    """

    purpose = 4
    count = 3

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return the factor on the distance to the mean, the factor and the summand."""
        del size, stream
        most = self.spec
        return {
            "contrast": between(1 - most.contrast, 1 + most.contrast, numbers[0]),
            "scale": between(1 - most.scale, 1 + most.scale, numbers[1]),
            "shift": between(-most.shift, most.shift, numbers[2]),
        }

    def steps(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> list[Step]:
        """Return the changes of values."""
        del size, spacing
        if not drawn:
            return []
        contrast: list[Step] = [("contrast", [drawn["contrast"]])]
        linear: Step = ("linear", [drawn["scale"], drawn["shift"]])
        return [*(contrast if drawn["contrast"] != 1 else []), linear]


@register(spec.RandomGamma)
class RandomGamma(RandomChange[spec.RandomGamma]):
    """Raise each value's place between the smallest and the largest to a power.

    Smallest and largest are those of the volume, each channel for itself; both stay. Relative
    error of the power below 2e-6 of the range.

    Example:
        >>> import numpy as np
        >>> from medfusion.data.volume import Volume
        >>> volume = Volume(np.array([[[0, 1, 2]]], np.float32))
        >>> RandomGamma().apply(volume, {"gamma": 2.0}).array.round(4).tolist()
        [[[0.0, 0.5, 2.0]]]
    """

    purpose = 5
    count = 1

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return the exponent."""
        del size, stream
        low, high = math.log(self.spec.low), math.log(self.spec.high)
        return {"gamma": math.exp(between(low, high, numbers[0]))}

    def steps(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> list[Step]:
        """Return the change of values."""
        del size, spacing
        return [("gamma", [drawn["gamma"]])] if drawn else []
