"""Local contrast made even."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust, spec
from medfusion.data.transforms.base import VolumeTransform, describe
from medfusion.data.transforms.output import separate, target, values_of
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register


@register(spec.Equalize)
class Equalize(VolumeTransform[spec.Equalize]):
    """Contrast-limited adaptive histogram equalisation (CLAHE), slice by slice, to 0..1.

    Zuiderveld 1994, Graphics Gems IV, https://doi.org/10.1016/B978-0-12-336156-1.50061-6: each tile
    has a histogram of `bins` levels between `low` and `high`; bins above `clip` times the mean bin
    are cut and what was cut is spread evenly; the cumulative histogram is the tile's table, and a
    pixel takes the bilinear mixture of the tables around it. Details are those of OpenCV's
    `createCLAHE`: uint8 with `low=0, high=255` and 256 bins gives its result divided by 255, before
    its last rounding. NaN stays NaN. Labels are left alone.

    Example:
        >>> image = np.tile(np.arange(16, dtype=np.uint8), (16, 1))
        >>> Equalize(tiles=(2, 2), clip=0)(image).max().item()
        1.0
    """

    def fit(self, volume: Volume, among: Mapping[str, Volume]) -> dict[str, Any]:
        """Return the values of the lowest and the highest level."""
        del among
        found = _rust.value_range(values_of(volume.array))
        if found is None:
            msg = f"{describe(volume)} has no finite values: check how it was read"
            raise TransformError(msg)
        low = found[0] if self.spec.low is None else self.spec.low
        high = found[1] if self.spec.high is None else self.spec.high
        if low > high:
            msg = f"the lowest level {low:g} of {describe(volume)} is above the highest {high:g}"
            raise TransformError(msg)
        return {"low": low, "high": high}

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the equalised volume; see `VolumeTransform.__call__`."""
        separate(out, volume.array)
        array = np.ascontiguousarray(volume.array, dtype=np.float32)
        height, width = array.shape[-2:]
        across, down = self.spec.tiles
        if across > width or down > height:
            msg = (
                f"{describe(volume)} has slices of {width} x {height} pixels, fewer than the "
                f"{across} x {down} tiles: ask for fewer tiles"
            )
            raise TransformError(msg)
        result = target(out, array.shape, np.float32)
        try:
            _rust.equalize_slices(
                array,
                result,
                (height, width),
                self.spec.tiles,
                self.spec.clip,
                self.spec.bins,
                fitted["low"],
                fitted["high"],
                threads=threads,
            )
        except ValueError as error:
            msg = f"{describe(volume)} can't be equalised: {error}"
            raise TransformError(msg) from None
        return volume.replace(array=result, units="")
