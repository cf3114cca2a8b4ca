"""A volume: voxels with the place of each in the patient.

Patient coordinates are LPS (x to the left, y to the back, z to the head), in mm, as in DICOM
(PS3.3 C.7.6.2.1.1); NIfTI's RAS is turned over when a file is read.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Axes = Literal["DHW", "CDHW", "TDHW", "TCDHW"]

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns an affine to RAS (NIfTI) into one to LPS, and back."""

UNPLACED = "place and orientation in the patient are unknown"
"""A note with these words says that the affine holds the spacing only."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a volume came from. It holds nothing that names a patient."""

    path: str = ""
    """The file or folder that was asked for."""
    format: str = ""
    """Such as "NIfTI-1 .nii.gz" or "DICOM, JPEG-LS Lossless"."""
    files: tuple[str, ...] = ()
    """The files that were read, in the order of the slices."""
    reader: str = "medfusion"
    """"medfusion" (the Rust core), or the library that read what the core does not."""
    modality: str = ""
    """DICOM's modality, such as "CT"."""
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    instance_uids: tuple[str, ...] = ()
    """SOP instance UIDs, in the order of the slices."""
    notes: tuple[str, ...] = ()
    """What a user has to know: uneven slices, a tilted gantry, a fallback, a repaired header."""


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """Voxels, and the affine that places them in the patient.

    Voxel (i, j, k) is `array[..., k, j, i]`: i runs along the last axis (columns), j along the
    rows, k along the slices, as in SimpleITK and DICOM. A single image has one slice.

    Attributes:
        array: `[D, H, W]`, with channels `[C, D, H, W]`, with time `[T, D, H, W]`, with both
            `[T, C, D, H, W]`.
        affine: float64 `[4, 4]`, voxel (i, j, k, 1) to LPS in mm.
        axes: Names of the array's axes.
        units: Of the values: "HU", "SUV", ...; empty where the file does not say.
        labels: Values are classes (a mask): resampled by nearest neighbour, never rescaled.
        interval: Seconds between two points of T, where known.
        source: Where it came from.

    Example:
        >>> volume = Volume(np.zeros((4, 3, 2), np.float32), np.diag([0.5, 0.5, 2.0, 1.0]))
        >>> volume.spacing, volume.orientation
        ((0.5, 0.5, 2.0), 'LPS')
    """

    array: NDArray[Any]
    affine: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.eye(4))
    axes: Axes = "DHW"
    units: str = ""
    labels: bool = False
    interval: float | None = None
    source: Source = Source()

    def __post_init__(self) -> None:
        if self.array.ndim != len(self.axes):
            msg = f"the array has {self.array.ndim} axes, but {self.axes!r} names {len(self.axes)}"
            raise ValueError(msg)
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            msg = f"the affine must be 4 x 4 finite numbers, not {affine.shape}: {affine.tolist()}"
            raise ValueError(msg)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j and k, in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def origin(self) -> tuple[float, float, float]:
        """Place of the centre of voxel (0, 0, 0), LPS in mm."""
        x, y, z = self.affine[:3, 3].tolist()
        return x, y, z

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vectors of i, j and k as columns, float64 `[3, 3]`."""
        axes: NDArray[np.float64] = self.affine[:3, :3]
        unit: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=0)
        return unit

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along i, j and k: the array's last three axes in reverse."""
        depth, height, width = self.array.shape[-3:]
        return width, height, depth

    @property
    def orientation(self) -> str:
        """Where i, j and k run to, such as "LPS": the nearest of left/right, posterior/..."""
        return orientation_of(self.affine)

    @property
    def ras_affine(self) -> NDArray[np.float64]:
        """The affine to RAS in mm, as nibabel has it."""
        affine: NDArray[np.float64] = LPS_FROM_RAS @ self.affine
        return affine

    def replace(self, **changes: Any) -> Volume:
        """Return a volume with some attributes changed."""
        return dataclasses.replace(self, **changes)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from medfusion.data.display import volume_html

        return {"text/plain": repr(self), "text/html": volume_html(self)}

    def __repr__(self) -> str:
        spacing = " x ".join(f"{value:.4g}" for value in self.spacing)
        shape = " x ".join(map(str, self.array.shape))
        units = f", {self.units}" if self.units else ""
        name = os.path.basename(self.source.path)  # noqa: PTH119 - the text may be no path at all
        return (
            f"Volume({name + ': ' if name else ''}{self.axes} {shape} {self.array.dtype}, "
            f"{spacing} mm, {self.orientation}{units}{', labels' if self.labels else ''})"
        )


def orientation_of(affine: NDArray[np.float64]) -> str:
    """Return where the voxel axes i, j and k run to, three of L/R, P/A and S/I.

    Axes are matched to patient directions one to one, the best aligned first, so an oblique
    volume gets three different letters.

    Args:
        affine: `[4, 4]`, voxel to LPS in mm.

    Example:
        >>> orientation_of(np.diag([-1.0, 1.0, 1.0, 1.0]))
        'RPS'
    """
    cosines = affine[:3, :3] / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-300)
    strength = np.abs(cosines)
    letters = [""] * 3
    for _ in range(3):
        patient, voxel = np.unravel_index(int(np.argmax(strength)), (3, 3))
        letters[voxel] = ("RL", "AP", "IS")[patient][int(cosines[patient, voxel] > 0)]
        strength[patient, :] = -1
        strength[:, voxel] = -1
    return "".join(letters)
