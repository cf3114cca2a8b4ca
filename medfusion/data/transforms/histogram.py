"""The distribution of one volume given to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust, spec
from medfusion.data.transforms.base import VolumeTransform, check, describe
from medfusion.data.transforms.output import separate, target
from medfusion.data.transforms.scaling import parts
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register

_EXACT = 65_536
_LEVELS = 4096


@register(spec.MatchHistogram)
class MatchHistogram(VolumeTransform[spec.MatchHistogram]):
    """Give values the distribution of a reference.

    A value at or below which a fraction f of the finite values lies becomes the reference's value
    at f, by linear interpolation of the reference's cumulative histogram (Gonzalez and Woods,
    Digital Image Processing, 3.3.2). Equal to scikit-image's `match_histograms` with the whole
    cumulative histogram, which `to` takes up to 65,536 different values; of more it takes 4096
    values at equal steps of f. Result in float32; NaN and infinities stay. Labels are left alone.

    Example:
        >>> reference = Volume(np.array([[[10.0, 20.0, 20.0, 30.0]]], np.float32))
        >>> MatchHistogram.to(reference)(np.array([[1.0, 2.0, 3.0, 4.0]])).tolist()
        [[10.0, 15.0, 20.0, 30.0]]
    """

    @classmethod
    def to(cls, reference: Volume, **settings: Any) -> Self:
        """Return the transform to a reference's distribution.

        Args:
            reference: The volume.
            settings: Other settings of the spec.
        """
        check(reference)
        finite = reference.array[np.isfinite(reference.array)]
        if finite.size == 0:
            msg = f"{describe(reference)} has no finite values to match"
            raise TransformError(msg)
        values, counts = np.unique(finite, return_counts=True)
        fractions = np.cumsum(counts) / finite.size
        if len(values) > _EXACT:
            steps = np.arange(1, _LEVELS + 1) / _LEVELS
            kept = np.unique(np.minimum(np.searchsorted(fractions, steps), len(values) - 1))
            values, fractions = values[kept], fractions[kept]
        return cls(
            values=values.astype(np.float64).tolist(), quantiles=fractions.tolist(), **settings
        )

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the matched volume; see `VolumeTransform.__call__`."""
        del fitted
        separate(out, volume.array)
        result = target(out, volume.array.shape, np.float32)
        values, fractions = np.array(self.spec.values), np.array(self.spec.quantiles)
        per_channel = self.spec.per_channel and "C" in volume.axes
        goals = np.moveaxis(result, volume.axes.index("C"), 0) if per_channel else [result]
        for source, goal in zip(parts(volume, self.spec.per_channel), goals, strict=True):
            piece = goal if goal.flags.c_contiguous else np.empty(goal.shape, np.float32)
            _rust.match_histogram(source, piece, values, fractions, threads=threads)
            if piece is not goal:
                goal[...] = piece
        return volume.replace(array=result)
