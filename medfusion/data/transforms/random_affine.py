"""Volumes turned, scaled, sheared and moved at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import spec
from medfusion.data.transforms.gather import Size
from medfusion.data.transforms.random_change import (
    Geometry,
    RandomChange,
    Spacing,
    Stream,
    about_centre,
    between,
)
from medfusion.registry import register


@register(spec.RandomAffine)
class RandomAffine(RandomChange[spec.RandomAffine]):
    """Turn, scale, shear and move what a volume shows, about its centre and in mm.

    What is shown is sheared and scaled first, then turned about i, j and k in this order, then
    moved. A positive angle about k turns i towards j. A volume of one slice stays in its plane.

    Example:
        >>> from medfusion.data.volume import Volume
        >>> volume = Volume(np.arange(9, dtype=np.float32).reshape(1, 3, 3))
        >>> quarter = {"rotate": [0, 0, 90], "scale": [1, 1, 1], "shear": [0, 0, 0]}
        >>> turned = RandomAffine().apply(volume, quarter | {"translate": [0, 0, 0]})
        >>> turned.array[0].round(3).tolist()
        [[6.0, 3.0, 0.0], [7.0, 4.0, 1.0], [8.0, 5.0, 2.0]]
    """

    purpose = 2
    count = 12

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return degrees, factors, tangents and mm along or about i, j and k."""
        del stream
        most = self.spec
        flat = [count == 1 for count in size]
        # Turning about one of two axes, or shearing one by the other, leaves the plane of a slice.
        leaves = [
            flat[1] or flat[2],
            flat[0] or flat[2],
            flat[0] or flat[1],
        ]
        sheared = [leaves[2], leaves[1], leaves[0]]
        limits = [*most.rotate, *most.scale, *most.shear, *most.translate]
        fixed = [*leaves, *flat, *sheared, *flat]
        values = [
            0.0 if still else between(-limit, limit, number)
            for limit, still, number in zip(limits, fixed, numbers, strict=True)
        ]
        return {
            "rotate": values[:3],
            "scale": [1 + value for value in values[3:6]],
            "shear": values[6:9],
            "translate": values[9:],
        }

    def geometry(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> Geometry | None:
        """Return the grid on which the volume shows as drawn."""
        if not drawn:
            return None
        shown = turn(drawn["rotate"]) @ shear(drawn["shear"]) @ np.diag(drawn["scale"])
        voxel = np.diag(spacing)
        # From a place in the result back to where it comes from.
        linear = np.linalg.inv(voxel) @ np.linalg.inv(shown) @ voxel
        matrix = about_centre(linear, size)
        matrix[:3, 3] -= linear @ (np.array(drawn["translate"]) / spacing)
        return Geometry(size, matrix)


def turn(degrees: Sequence[float]) -> NDArray[np.float64]:
    """Return the rotation about i, then j, then k, `[3, 3]`.

    >>> turn([0, 0, 90]).round(6).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    (ci, cj, ck), (si, sj, sk) = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_i = np.array([[1, 0, 0], [0, ci, -si], [0, si, ci]])
    about_j = np.array([[cj, 0, sj], [0, 1, 0], [-sj, 0, cj]])
    about_k = np.array([[ck, -sk, 0], [sk, ck, 0], [0, 0, 1]])
    turned: NDArray[np.float64] = about_k @ about_j @ about_i
    return turned


def shear(tangents: Sequence[float]) -> NDArray[np.float64]:
    """Return the shear of i by j, i by k and j by k, `[3, 3]`."""
    return np.array([[1, tangents[0], tangents[1]], [0, 1, tangents[2]], [0, 0, 1]], dtype=float)
