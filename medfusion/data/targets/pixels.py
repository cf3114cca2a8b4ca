"""The class of each pixel as target."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.targets.contract import Target
from medfusion.data.targets.number import fifths
from medfusion.errors import SplitError
from medfusion.spec.target import SegmentationTarget


@dataclasses.dataclass(frozen=True, eq=False)
class PixelTarget(Target):
    """How many pixels of each class every mask has, int64 [n, K]; the loader brings the masks."""

    spec: SegmentationTarget
    pixels: NDArray[np.int64]

    def strata(self) -> NDArray[np.int64]:
        """Return 0 where all is background, else 1 + the fifth of the rest's area by rank."""
        area = self.pixels[:, 1:].sum(axis=1)
        strata = np.zeros(len(area), dtype=np.int64)
        if (area > 0).any():
            strata[area > 0] = 1 + fifths(area[area > 0].astype(np.float64))
        return strata

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the classes in the order of their values.

        Raises:
            SplitError: The masks of the training split show background only.
        """
        if not self.pixels[train, 1:].any():
            msg = (
                f"the masks of the training split ({self.spec.column!r}) show "
                f"{self.spec.classes[0]!r} only; nothing can be learnt from them. "
                "Choose another split"
            )
            raise SplitError(msg)
        return self.spec.classes

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the pixels of each class, int64 [n, K]."""
        del classes, ids
        return self.pixels
