"""Volumes blurred at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medfusion import spec
from medfusion.data.transforms.gather import Size, Step
from medfusion.data.transforms.random_change import RandomChange, Spacing, Stream, between
from medfusion.registry import register

_MOST = 64.0


@register(spec.RandomBlur)
class RandomBlur(RandomChange[spec.RandomBlur]):
    """Blur with a Gaussian of the same width in mm along each axis.

    The volume goes on with its border; the kernel ends at four standard deviations, as
    `scipy.ndimage.gaussian_filter` with mode "nearest". At most 64 voxels wide.

    Example:
        >>> import numpy as np
        >>> from medfusion.data.volume import Volume
        >>> volume = Volume(np.full((3, 3, 3), 2, np.uint8))
        >>> bool(np.allclose(RandomBlur().apply(volume, {"sd": 1.0}).array, 2))
        True
    """

    purpose = 6
    count = 1

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return the standard deviation in mm."""
        del size, stream
        return {"sd": between(self.spec.low, self.spec.high, numbers[0])}

    def steps(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> list[Step]:
        """Return the change of values."""
        if not drawn:
            return []
        pairs = zip(spacing, size, strict=True)
        sd = [min(drawn["sd"] / length, _MOST) if count > 1 else 0.0 for length, count in pairs]
        return [("blur", sd)] if any(sd) else []
