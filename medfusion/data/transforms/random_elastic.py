"""Volumes deformed smoothly at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfusion import _rust, spec
from medfusion.data.transforms.gather import DisplacementField, Size
from medfusion.data.transforms.random_change import Geometry, RandomChange, Spacing, Stream
from medfusion.errors import TransformError
from medfusion.registry import register

_MOST = 1 << 24


@register(spec.RandomElastic)
class RandomElastic(RandomChange[spec.RandomElastic]):
    """Deform what a volume shows: a cubic B-spline over random control points.

    Free-form deformation (Rueckert et al. 1999, https://doi.org/10.1109/42.796284). The record
    holds the name of the random numbers, not the points. The affine stays: it is that of the grid
    without the displacements.

    Example:
        >>> from medfusion.data.transforms import SampleKey
        >>> from medfusion.data.volume import Volume
        >>> volume = Volume(np.ones((8, 8, 8), np.float32))
        >>> bool((RandomElastic()(volume, SampleKey(1, 0, 0)).array == 1).all())
        True
    """

    purpose = 3
    count = 0

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return the name of the numbers of the control points."""
        del numbers, size
        return {"stream": list(stream)}

    def geometry(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> Geometry | None:
        """Return the grid with its displacements.

        Raises:
            TransformError: The control points lie closer than the voxels.
        """
        if not drawn:
            return None
        steps = [
            length / self.spec.spacing if count > 1 else 0.0
            for length, count in zip(spacing, size, strict=True)
        ]
        counts = [
            math.floor((count - 1) * step) + 4 for count, step in zip(size, steps, strict=True)
        ]
        if max(steps) > 1 or math.prod(counts) > _MOST:
            msg = (
                f"random-elastic: the control points' spacing of {self.spec.spacing:g} mm is too "
                f"small for voxels of {' x '.join(f'{s:.4g}' for s in spacing)} mm: make it "
                "several voxels"
            )
            raise TransformError(msg)
        a, b, c, d = drawn["stream"]
        numbers = _rust.random_uniform((a, b, c, d), 3 * math.prod(counts))
        points = (2 * numbers - 1).reshape(*counts[::-1], 3) * self.spec.displacement / spacing
        points *= [count > 1 for count in size]
        field = DisplacementField(points.astype(np.float32), (steps[0], steps[1], steps[2]))
        return Geometry(size, np.eye(4), field)
