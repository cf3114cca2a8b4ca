"""The place in space and time of a group of slices, and what is wrong with it, in words."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from medfusion.data.dicom.frames import Frame
from medfusion.data.dicom.geometry import SHIFT, Floats, affine, angle, shear, slice_normal, spread
from medfusion.data.dicom.grouping import Group, names
from medfusion.data.volume import UNPLACED

LISTED = 5


@dataclasses.dataclass
class Stack:
    """Where the voxels of a group are.

    Attributes:
        affine: Voxel (i, j, k, 1) to LPS in mm, float64 `[4, 4]`.
        placed: Whether the place in the patient is known; if not, the affine holds spacing only.
        interval: Seconds between two steps of time, where they are equal.
        sheared: Whether slices follow each other at an angle to their normal.
        notes: What a user has to know.
        warnings: The notes that make the geometry or the content of the array doubtful.
    """

    affine: Floats
    placed: bool
    interval: float | None = None
    sheared: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def stack_of(group: Group) -> Stack:
    """Place a group of slices."""
    first = group.first
    if first.position is None or first.orientation is None:
        found = _unplaced(group)
    else:
        found = _placed(group)
    _time(group, found)
    found.notes += group.notes
    _oddities(group, found)
    return found


def _placed(group: Group) -> Stack:
    # Slices that cannot be put in order have no spacing.
    slices = group.steps[0][:1] if group.problem else group.steps[0]
    first = slices[0]
    orientation = first.orientation or ()
    pixels, notes = _pixel_spacing(first)
    normal = slice_normal(orientation)
    positions = np.array([frame.position for frame in slices], dtype=np.float64)
    places = positions @ normal
    warnings: list[str] = []
    if len(slices) == 1:
        distance = _thickness(first)
        if distance is None:
            notes.append("the file does not say how thick the slice is; 1 mm is taken")
        matrix = affine(orientation, positions[0], pixels, normal * (distance or 1.0))
        return Stack(matrix, placed=True, notes=notes)
    follow = spread(places)
    step = normal * follow.spacing
    drift, left = shear(positions, normal, places)
    beside = float(np.linalg.norm(drift)) * float(places[-1] - places[0])
    sheared = beside > SHIFT * min(pixels)
    if sheared:
        step = step + drift * follow.spacing
        notes.append(
            f"slices are tilted: they follow each other at {angle(drift):.2f} degrees to their "
            "normal (gantry tilt), so the affine is sheared"
        )
    if left > 2 * SHIFT * min(pixels):
        warnings.append(
            f"slices are shifted within their plane by up to {left:.3g} mm against a straight "
            "stack; the affine leaves that out"
        )
    warnings += _holes(slices, places, follow.gaps, follow.spacing)
    if follow.deviation:
        warnings.append(
            f"slices are unevenly spaced: {np.diff(places).min():.4g} to "
            f"{np.diff(places).max():.4g} mm; the affine has the mean, {follow.spacing:.4g} mm, "
            f"and slices lie up to {follow.deviation:.3g} mm from it"
        )
    between = first.between
    if between and not follow.gaps and abs(abs(between) / follow.spacing - 1) > 0.02:
        notes.append(
            f"SpacingBetweenSlices is {abs(between):.4g} mm, but positions are "
            f"{follow.spacing:.4g} mm apart; the positions count"
        )
    matrix = affine(orientation, positions[0], pixels, step)
    return Stack(matrix, placed=True, sheared=sheared, notes=notes + warnings, warnings=warnings)


def _holes(
    slices: Sequence[Frame], places: Floats, gaps: Sequence[tuple[int, int]], spacing: float
) -> list[str]:
    if not gaps:
        return []
    missing = sum(count for _, count in gaps)
    where = [
        f"{count} between {os.path.basename(slices[k].file)} and "  # noqa: PTH119
        f"{os.path.basename(slices[k + 1].file)} "  # noqa: PTH119
        f"({places[k]:.4g} to {places[k + 1]:.4g} mm along the normal)"
        for k, count in gaps[:LISTED]
    ]
    more = f" and at {len(gaps) - LISTED} more places" if len(gaps) > LISTED else ""
    are = "slice is" if missing == 1 else "slices are"
    return [
        (
            f"{missing} {are} missing: {', '.join(where)}{more}; the array closes the gaps, so "
            f"world coordinates behind them are short by {missing * spacing:.4g} mm in the end"
        )
    ]


def _unplaced(group: Group) -> Stack:
    first = group.first
    pixels, notes = _pixel_spacing(first)
    depth = len(group.steps[0])
    distance = abs(first.between) if first.between else _thickness(first)
    if depth > 1 and distance is None:
        notes.append("the distance of slices is unknown; 1 mm is taken")
    matrix = affine(
        first.orientation or (1, 0, 0, 0, 1, 0), (0, 0, 0), pixels, (0, 0, distance or 1.0)
    )
    if first.orientation is not None:
        matrix[:3, 2] = slice_normal(first.orientation) * (distance or 1.0)
        notes.append("the place in the patient is unknown (no positions); the origin is 0, 0, 0")
    else:
        notes.append(f"{UNPLACED}; the affine holds spacing only")
    return Stack(matrix, placed=False, notes=notes)


def _pixel_spacing(frame: Frame) -> tuple[tuple[float, ...], list[str]]:
    if frame.spacing is not None:
        return frame.spacing, []
    if frame.detector_spacing is not None:
        note = "pixel spacing is that of the detector: distances in the body are magnified"
        return frame.detector_spacing, [note]
    return (1.0, 1.0), ["pixel spacing is unknown; 1 mm is taken"]


def _thickness(frame: Frame) -> float | None:
    for value in (frame.thickness, frame.between):
        if value is not None and value > 0:
            return value
    return None


def _time(group: Group, found: Stack) -> None:
    """Find the interval of time steps; say what T is where it is not time."""
    steps, first = group.steps, group.first
    if len(steps) < 2:
        return
    values = [getattr(step[0], group.key) for step in steps]
    if group.repeat in ("echo", "b-value"):
        name, unit = ("echo time", "ms") if group.repeat == "echo" else ("b-value", "s/mm2")
        found.notes.append(f"T is the {name}: {_listed(values)} {unit}")
    elif group.repeat == "direction":
        found.notes.append(f"T is the direction of the gradient: {len(values)} directions")
    elif group.repeat == "time":
        if first.frame_time:
            found.interval = first.frame_time / 1000
            return
        times = _seconds(steps, group.key)
        if times is None:
            found.notes.append(f"the times of the {len(steps)} time points are unknown")
            return
        gaps = np.diff(times)
        mean = float(gaps.mean())
        if mean > 0 and np.abs(gaps - mean).max() <= 0.05 * mean + 1e-3:
            found.interval = mean
        else:
            shown = _listed([float(value - times[0]) for value in times])
            found.notes.append(f"time points are unevenly spaced: {shown} s")


def _seconds(steps: Sequence[Sequence[Frame]], key: str) -> Floats | None:
    """Return the time of each step in seconds, the mean of its slices."""
    for name, scale in (("trigger", 1e-3), ("time", 1.0)):
        if name == "trigger" and key not in ("trigger", "temporal"):
            continue
        values = [[getattr(frame, name) for frame in step] for step in steps]
        if any(value is None for step in values for value in step):
            continue
        means = np.array([np.mean(step) for step in values]) * scale
        if name == "time":
            means[1:] += 86400.0 * np.cumsum(np.diff(means) < -43200.0)
        if (np.diff(means) > 0).all():
            return means
    return None


def _listed(values: Sequence[float | None], most: int = 12) -> str:
    shown = ", ".join("none" if value is None else f"{value:.4g}" for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")


def _oddities(group: Group, found: Stack) -> None:
    """Name what does not change how the array is built, but how it is to be understood."""
    first, frames = group.first, group.frames
    if "MOSAIC" in first.image_type:
        found.warnings.append("a mosaic: each image holds the slices of a volume as tiles")
        found.notes.append(found.warnings[-1])
    tilt = first.tilt
    if tilt and abs(tilt) > 0.1 and len(group.steps[0]) > 1 and not found.sheared:
        found.notes.append(
            f"GantryDetectorTilt is {tilt:.4g} degrees, but slices lie straight above each other"
        )
    remarks = (
        (first.localizer, "a localizer: for planning, not for measuring"),
        (
            first.photometric == "MONOCHROME1",
            "low values are bright (MONOCHROME1); values are as stored",
        ),
        (
            first.photometric == "PALETTE COLOR",
            "values are indices of a colour palette, not brightness",
        ),
        (
            any(frame.lut for frame in frames),
            "a modality lookup table is not applied: values are as stored",
        ),
        (first.segment is not None, f"segment {first.segment}"),
        (len({frame.rescale_type for frame in frames}) > 1, "slices differ in RescaleType"),
        (
            not group.repeat and len({frame.image_type for frame in frames}) > 1,
            "slices differ in ImageType",
        ),
        (
            found.placed and len({frame.frame_of_reference for frame in frames}) > 1,
            "slices differ in their frame of reference",
        ),
    )
    found.notes += [remark for holds, remark in remarks if holds]
    if group.copies:
        dropped = list({copy.file: copy for _, copy in group.copies}.values())
        files = "file holds" if len(dropped) == 1 else "files hold"
        found.notes.append(
            f"{len(dropped)} {files} an image that is there already (one SOP instance UID) and "
            f"left out: {names(dropped)}"
        )
