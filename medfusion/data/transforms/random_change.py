"""The base of the random transforms: what is drawn, and what it does to grid and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.transforms.base import S, SampleKey, Specified
from medfusion.data.transforms.gather import DisplacementField, Size, Step, gather
from medfusion.data.volume import Volume

Spacing = tuple[float, float, float]
Stream = tuple[int, int, int, int]


class Geometry(NamedTuple):
    """A new grid."""

    size: Size
    """Its voxels along i, j, k."""
    matrix: NDArray[np.float64]
    """[4, 4], from its voxel (i, j, k, 1) to that of the old grid."""
    field: DisplacementField | None = None
    """Displacements of its voxels, before the matrix."""


class RandomChange(Specified[S]):
    """Base of the random transforms.

    A subclass draws JSON values from uniform numbers and says what they do: `geometry` gives a new
    grid, `steps` changes of values. Both are fused into one gather where several transforms are
    applied by a `PatchSampler`.
    """

    purpose: ClassVar[int]
    """Tells the random numbers of the kinds apart."""
    count: ClassVar[int]
    """Numbers that a sample takes."""

    def draw(self, key: SampleKey, size: Size) -> dict[str, Any]:
        """Return what is drawn for a sample, as JSON values; empty where nothing is changed.

        Args:
            key: What the numbers depend on, and nothing else.
            size: Voxels of the sample along i, j, k.
        """
        stream = _rust.random_stream(key.seed % 2**64, key.epoch, key.sample, 2 * self.purpose)
        first, *numbers = _rust.random_uniform(stream, self.count + 1).tolist()
        if first >= self.at_all:
            return {}
        voxels = _rust.random_stream(key.seed % 2**64, key.epoch, key.sample, 2 * self.purpose + 1)
        return self.drawn(numbers, size, voxels)

    @property
    def at_all(self) -> float:
        """Probability of a change at all."""
        return float(getattr(self.spec, "probability", 1.0))

    def drawn(self, numbers: Sequence[float], size: Size, stream: Stream) -> dict[str, Any]:
        """Return what `draw` returns.

        Args:
            numbers: `count` numbers, uniform in 0 <= u < 1.
            size: Voxels of the sample along i, j, k.
            stream: Names further numbers, one for each voxel or control point.
        """
        raise NotImplementedError

    def geometry(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> Geometry | None:
        """Return the new grid for an old one of `size` voxels and `spacing` mm; None keeps it."""
        del drawn, size, spacing
        return None

    def steps(self, drawn: Mapping[str, Any], size: Size, spacing: Spacing) -> list[Step]:
        """Return the changes of values, for a grid of `size` voxels and `spacing` mm."""
        del drawn, size, spacing
        return []

    @property
    def outside(self) -> Literal["edge"] | float:
        """Value beyond the volume; "edge" continues its border."""
        found: Literal["edge"] | float = getattr(self.spec, "outside", "edge")
        return found

    def apply(self, volume: Volume, drawn: Mapping[str, Any], *, threads: int = 0) -> Volume:
        """Return the volume changed as drawn; the given one is left as it is.

        Args:
            volume: An image becomes float32; of labels only the grid is changed.
            drawn: What `draw` gave, also after a way through JSON.
            threads: 0 for all cores; the result is the same for any number.

        Raises:
            TransformError: The change does not fit the volume.
        """
        if not drawn:
            return volume
        new = self.geometry(drawn, volume.size, volume.spacing)
        steps = self.steps(drawn, volume.size, volume.spacing)
        if new is None and (volume.labels or not steps):
            return volume
        grid = new if new is not None else Geometry(volume.size, np.eye(4))
        return gather(
            volume,
            grid.matrix,
            grid.size,
            field=grid.field,
            steps=steps,
            outside=self.outside,
            threads=threads,
        )

    def __call__(self, volume: Volume, key: SampleKey, *, threads: int = 0) -> Volume:
        """Draw and apply in one: `apply(volume, draw(key, volume.size))`."""
        return self.apply(volume, self.draw(key, volume.size), threads=threads)


def between(low: float, high: float, number: float) -> float:
    """Return the place of a number of 0..1 between two others.

    >>> between(-2, 2, 0.75)
    1.0
    """
    return low + (high - low) * number


def about_centre(linear: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """Return the `[4, 4]` matrix of a linear map `[3, 3]` that leaves the centre in its place."""
    centre = (np.array(size, dtype=np.float64) - 1) / 2
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre - linear @ centre
    return matrix
