"""Values cut to a range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import spec
from medfusion.data.transforms.base import VolumeTransform
from medfusion.data.transforms.output import target, values_of
from medfusion.data.transforms.scaling import TINY, rescaled
from medfusion.data.volume import Volume
from medfusion.registry import register


@register(spec.Window)
class Window(VolumeTransform[spec.Window]):
    """Spread a range of values over `low` to `high`; others take the nearer end.

    With c the centre and w the width, the functions of DICOM PS3.3 C.11.2.1.2:

    - "linear-exact" (LINEAR_EXACT): `clamp((x - (c - w / 2)) / w)`;
    - "linear" (LINEAR): `clamp((x - (c - 0.5)) / (w - 1) + 0.5)`, a step at w = 1;
    - "sigmoid" (SIGMOID): `1 / (1 + exp(-4 (x - c) / w))`;

    times `high - low`, plus `low`. Labels are left alone.

    Example:
        >>> Window(40, width=400)(np.array([[-1000, -160, 40, 240]], np.int16)).tolist()
        [[0.0, 0.0, 0.5, 1.0]]
    """

    @property
    def range(self) -> tuple[float, float]:
        """The values that become `low` and `high`."""
        center, width = self.spec.center, self.spec.width
        if self.spec.function == "linear":
            center, width = center - 0.5, width - 1
        return center - width / 2, center + width / 2

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the windowed volume; see `VolumeTransform.__call__`."""
        del fitted
        low, high = self.spec.low, self.spec.high
        if self.spec.function == "sigmoid":
            result = target(out, volume.array.shape, np.float32)
            center, width = np.float32(self.spec.center), np.float32(self.spec.width)
            # 1 / (1 + exp(-2 t)) = (1 + tanh(t)) / 2, which overflows nowhere.
            np.multiply(values_of(volume.array) - center, 2 / width, out=result, dtype=np.float32)
            np.tanh(result, out=result)
            result += 1
            result *= np.float32((high - low) / 2)
            result += np.float32(low)
            return volume.replace(array=result, units="")
        first, last = self.range
        line = {
            "subtract": first,
            "divide": (last - first) or TINY,
            "clamp": (0.0, 1.0),
            "multiply": high - low,
            "add": low,
        }
        return rescaled(volume, [line], out=out, threads=threads)


@register(spec.Clip)
class Clip(VolumeTransform[spec.Clip]):
    """Cut values to a range: `min(max(x, low), high)`, as float32; NaN stays NaN.

    Labels are left alone.

    Example:
        >>> Clip(-200, high=300)(np.array([[-1000.0, 40.0, 3000.0]])).tolist()
        [[-200.0, 40.0, 300.0]]
    """

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the clipped volume; see `VolumeTransform.__call__`."""
        del fitted
        line = {"clamp": (self.spec.low, self.spec.high)}
        return rescaled(volume, [line], out=out, threads=threads).replace(units=volume.units)
