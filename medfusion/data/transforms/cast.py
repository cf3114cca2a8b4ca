"""Values in another number type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import spec
from medfusion.data.transforms.base import VolumeTransform, describe
from medfusion.data.transforms.output import target
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register


@register(spec.Cast)
class Cast(VolumeTransform[spec.Cast]):
    """Write values in another number type.

    Whole numbers are rounded, half to even. Values that the type can't hold are refused, so that
    none wraps round or becomes infinite; use `Clip` before. Labels are left alone.

    Example:
        >>> Cast("int16")(np.array([[0.5, 1.5, -2.6]])).tolist()
        [[0, 2, -3]]
    """

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the volume in the other type; see `VolumeTransform.__call__`."""
        del fitted, threads
        array, dtype = volume.array, np.dtype(self.spec.dtype)
        if not np.can_cast(array.dtype, dtype):
            _refuse(volume, dtype)
        result = target(out, array.shape, dtype)
        whole = dtype.kind in "iu" and array.dtype.kind == "f"
        np.copyto(result, np.rint(array) if whole else array, casting="unsafe")
        return volume.replace(array=result)


def _refuse(volume: Volume, dtype: np.dtype[Any]) -> None:
    array = volume.array
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        lowest, highest = float(limits.min), float(limits.max)
        finite = bool(np.isfinite(array).all())
    else:
        lowest, highest = float(np.finfo(dtype).min), float(np.finfo(dtype).max)
        finite = True
    values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if values.size:
        ends = float(values.min()), float(values.max())
        low, high = (round(ends[0]), round(ends[1])) if dtype.kind in "iu" else ends
    else:
        low, high = lowest, highest
    if not finite or low < lowest or high > highest:
        msg = (
            f"{describe(volume)} has values from {low:g} to {high:g}"
            f"{'' if finite else ' and some that are not finite'}, which {dtype} can't hold "
            f"({lowest:g} to {highest:g}): use Clip before"
        )
        raise TransformError(msg)
