"""Voxels added around volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import spec
from medfusion.data.transforms.base import VolumeTransform, describe
from medfusion.data.transforms.crop import shifted
from medfusion.data.transforms.output import separate, target
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register


@register(spec.Pad)
class Pad(VolumeTransform[spec.Pad]):
    """Add voxels on both sides, up to a size or to the next multiple.

    Of an odd number the last side gets one more, as in MONAI's `SpatialPad`. Voxels keep their
    place in the patient. "reflect" mirrors about the border voxel, as `numpy.pad` does.

    Example:
        >>> volume = Volume(np.array([[[1, 2, 3]]], np.int16))
        >>> padded = Pad(multiple=(4, 1, 1), value=-1000)(volume)
        >>> padded.array.ravel().tolist(), padded.origin
        ([1, 2, 3, -1000], (0.0, 0.0, 0.0))
    """

    geometry = True

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the padded volume; see `VolumeTransform.__call__`."""
        del fitted, threads
        array = volume.array
        separate(out, array)
        size = self._size(volume.size)
        before = [(new - old) // 2 for new, old in zip(size, volume.size, strict=True)]
        shape = (*array.shape[:-3], *size[::-1])
        result = target(out, shape, array.dtype)
        inner = [slice(at, at + n) for at, n in zip(before, volume.size, strict=True)]
        if self.spec.mode == "constant":
            value = 0 if volume.labels else self.spec.value
            cast = np.array(value).astype(array.dtype)
            if float(cast) != value and array.dtype.kind in "iub":
                msg = f"{describe(volume)} holds {array.dtype}, which has no {value:g}: use Cast before"
                raise TransformError(msg)
            result[...] = cast
            i, j, k = inner
            result[..., k, j, i] = array
        else:
            widths = [(0, 0)] * (array.ndim - 3) + [
                (at, new - old - at) for at, new, old in zip(before, size, volume.size, strict=True)
            ][::-1]
            result[...] = np.pad(array, widths, mode=self.spec.mode)
        start = [-at for at in before]
        return volume.replace(array=result, affine=shifted(volume.affine, start))

    def _size(self, old: tuple[int, int, int]) -> tuple[int, int, int]:
        if self.spec.size is not None:
            i, j, k = (max(n, wanted) for n, wanted in zip(old, self.spec.size, strict=True))
            return i, j, k
        multiple = self.spec.multiple
        each = (multiple,) * 3 if isinstance(multiple, int) else multiple
        assert each is not None  # noqa: S101 - the spec has one of the two
        i, j, k = (-(-n // m) * m for n, m in zip(old, each, strict=True))
        return i, j, k
