"""DICOM files and folders as volumes: found, sorted by geometry, read in one pass."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfusion.data.dicom.frames import WHOLE_SLIDE, Frame
from medfusion.data.dicom.grouping import Group, group_frames
from medfusion.data.dicom.scan import Scan, scan, scan_files
from medfusion.data.dicom.stack import Stack, stack_of
from medfusion.data.dicom.syntaxes import syntax_name
from medfusion.data.dicom.voxels import check_copies, read_voxels
from medfusion.data.volume import Axes, Source, Volume, orientation_of
from medfusion.errors import GeometryWarning, VolumeReadError

LISTED = 20
"""Series and files that a message lists."""


@dataclasses.dataclass(frozen=True)
class SeriesInfo:
    """What one volume in a DICOM folder is, from headers alone; nothing names a patient.

    Attributes:
        key: What `series=` of `read_volume` takes: the UID, with "#1", "#2", ... behind it where
            one series holds several volumes.
        uid: Series instance UID.
        number: Series number.
        modality: Such as "CT".
        description: Series description.
        body_part: Body part examined.
        axes: Of the array that reading gives, such as "DHW".
        shape: Of that array.
        spacing: Distance of neighbouring voxels along i, j and k in mm.
        orientation: Where i, j and k run to, such as "LPS"; empty where the place is unknown.
        interval: Seconds between two time points, where known and equal.
        units: Of the values.
        syntax: Transfer syntax, in words.
        files: Files, in the order of the slices.
        notes: What a user has to know: tilt, missing slices, copies, ...
        problem: Why this cannot be read as a volume; empty where it can.
    """

    key: str
    uid: str
    study_uid: str
    number: int | None
    modality: str
    description: str
    body_part: str
    axes: Axes
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    orientation: str
    interval: float | None
    units: str
    syntax: str
    files: tuple[str, ...]
    notes: tuple[str, ...]
    problem: str

    @property
    def slices(self) -> int:
        """Slices of the volume (of one time point)."""
        return self.shape[-3]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `files` becomes their number, with one in the middle as example."""
        middle = self.files[len(self.files) // 2]
        return dataclasses.asdict(self) | {
            "files": len(self.files),
            "slices": self.slices,
            "middle_file": middle,
        }


class SeriesList(list[SeriesInfo]):
    """Series as a list that shows itself as a table.

    Attributes:
        damaged: Files that are DICOM but cannot be read, with the reason.
    """

    def __init__(self, items: Sequence[SeriesInfo], damaged: Sequence[tuple[str, str]]) -> None:
        super().__init__(items)
        self.damaged = tuple(damaged)

    def __repr__(self) -> str:
        from medfusion.data.display import series_text

        return series_text([info.to_json() for info in self])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from medfusion.data.display import series_html

        return {
            "text/plain": repr(self),
            "text/html": series_html([info.to_json() for info in self]),
        }


def find_series(path: str | os.PathLike[str], *, threads: int = 0) -> SeriesList:
    """List the volumes that a DICOM file or folder holds, from headers alone.

    Args:
        path: A DICOM file, or a folder; those below it are searched too.
        threads: Threads that read; 0 takes all cores.

    Returns:
        One entry per volume, series by study and number. Empty where there is no DICOM image.

    Raises:
        VolumeReadError: There is no such path, or it may not be opened.

    Example:
        >>> find_series("study/")[0].slices  # doctest: +SKIP
        150
    """
    found = scan(path, threads=threads)
    return series_of(found)


def series_of(found: Scan) -> SeriesList:
    """List the volumes of a scanned folder."""
    return SeriesList([item[1] for item in _described(group_frames(found.frames))], found.damaged)


def read_dicom_volume(
    path: str | os.PathLike[str], *, series: str | None = None, dtype: str = "float32"
) -> Volume:
    """Read a DICOM file or folder as a volume.

    Slices are sorted by their position along the normal, ascending, so the affine is right-handed
    and the names of files and their instance numbers do not matter. Values are rescaled slice by
    slice (Rescale Slope and Intercept, PS3.3 C.11.1).

    Args:
        path: A DICOM file with one or several frames, or a folder with one series.
        series: Which one, where there are several: its UID, or a part of the UID or description
            that only one has.
        dtype: "float32", "native" (the stored type where nothing is rescaled, else float32), or
            the name of a NumPy type that holds the values.

    Returns:
        A volume with axes DHW; CDHW with colour; TDHW with time, echoes or b-values (the notes say
        which); TCDHW.

    Raises:
        VolumeReadError: No DICOM image, several series (the message lists them), damaged files, or
            slices that cannot be put in order.
        ValueError: `dtype` is no type of numbers.

    Warns:
        GeometryWarning: Slices are missing, unevenly spaced or shifted, or files were left out
            because they are damaged. `Source.notes` says the same, and more.

    Example:
        >>> read_dicom_volume("series/").spacing  # doctest: +SKIP
        (0.78, 0.78, 1.0)
    """
    found = scan(path)
    return read_scanned(found, series=series, dtype=dtype, depth=3)


def read_scanned(
    found: Scan, *, series: str | None = None, dtype: str = "float32", depth: int = 2
) -> Volume:
    """Read a volume of a scanned folder; `depth` is the caller that a warning points to."""
    if not found.frames:
        raise VolumeReadError(_nothing(found))
    group, info, stack = _choose(_described(group_frames(found.frames)), series, found)
    if info.problem:
        msg = f"{found.path}: {info.problem}"
        raise VolumeReadError(msg)
    check_copies(group)
    array, reader = read_voxels(group, dtype)
    times, slices = len(group.steps), len(group.steps[0])
    if group.first.samples > 1:
        # Slices come with their channels, [T * D, C, H, W]; the volume has [T, C, D, H, W]. A view,
        # where there are several slices, as a copy would double the memory.
        array = array.reshape(times, slices, *array.shape[1:]).swapaxes(1, 2)
    array = array.reshape(info.shape) if slices == 1 or array.ndim == 3 else array
    if array.ndim > len(info.shape):
        array = array[0]
    notes = list(stack.notes)
    alarms = list(stack.warnings)
    left_out = _left_out(found)
    notes += left_out
    alarms += left_out
    if reader != "medfusion":
        notes.append(f"decoded by {reader}: the Rust core does not read this kind of file")
    for alarm in alarms:
        warnings.warn(f"{found.path}: {alarm}", GeometryWarning, stacklevel=depth)
    first = group.first
    source = Source(
        path=found.path,
        format=f"DICOM, {info.syntax}",
        files=info.files,
        reader=reader,
        modality=info.modality,
        study_uid=info.study_uid,
        series_uid=info.uid,
        frame_of_reference_uid=first.frame_of_reference,
        instance_uids=tuple(dict.fromkeys(frame.sop_uid for frame in group.frames)),
        notes=tuple(notes),
    )
    return Volume(
        array,
        stack.affine,
        axes=info.axes,
        units=info.units,
        labels=first.modality == "SEG",
        interval=stack.interval,
        source=source,
    )


def middle_slice(file: str) -> tuple[Volume, tuple[float, float] | None]:
    """Read the middle frame of one file, and the window (centre, width) that it asks for.

    Raises:
        VolumeReadError: It cannot be read.
    """
    found = scan_files([file], Scan(file))
    groups = group_frames(found.frames)
    if not groups:
        raise VolumeReadError(_nothing(found))
    frames = groups[0].frames
    frame = dataclasses.replace(frames[len(frames) // 2], sheet="")
    if frame.photometric in ("PALETTE COLOR", "MONOCHROME1"):
        from medfusion.data.dicom.file import display_image

        shown = display_image(file, frame.number)
        if shown.ndim == 2:
            return Volume(shown[None], stack_of(groups[0]).affine), (127.5, 255.0)
        array = np.moveaxis(shown, -1, 0)[:, None]
        return Volume(array, stack_of(groups[0]).affine, axes="CDHW"), None
    one = Scan(file, frames=[frame])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        return read_scanned(one), frame.window


def _described(groups: Sequence[Group]) -> list[tuple[Group, SeriesInfo, Stack]]:
    several: dict[str, int] = {}
    for group in groups:
        several[group.first.series_uid] = several.get(group.first.series_uid, 0) + 1
    counts: dict[str, int] = {}
    found = []
    for group in groups:
        first = group.first
        uid = first.series_uid
        counts[uid] = counts.get(uid, 0) + 1
        key = f"{uid}#{counts[uid]}" if several[uid] > 1 else uid
        found.append((group, *_describe(group, key)))
    return found


def _describe(group: Group, key: str) -> tuple[SeriesInfo, Stack]:
    first = group.first
    stack = stack_of(group)
    shape: tuple[int, ...] = (len(group.steps[0]), first.rows, first.columns)
    axes: Axes = "DHW"
    if first.samples > 1:
        shape, axes = (first.samples, *shape), "CDHW"
    if group.repeat:
        shape, axes = (len(group.steps), *shape), "TCDHW" if first.samples > 1 else "TDHW"
    x, y, z = (float((stack.affine[:3, axis] ** 2).sum() ** 0.5) for axis in range(3))
    info = SeriesInfo(
        key=key,
        uid=first.series_uid,
        study_uid=first.study_uid,
        number=first.series_number,
        modality=first.modality,
        description=first.description,
        body_part=first.body_part,
        axes=axes,
        shape=shape,
        spacing=(x, y, z),
        orientation=orientation_of(stack.affine) if stack.placed else "",
        interval=stack.interval,
        units=units_of(first),
        syntax=syntax_name(first.syntax),
        files=tuple(dict.fromkeys(frame.file for frame in group.frames)),
        notes=tuple(stack.notes),
        problem=group.problem or _refused(first),
    )
    return info, stack


def units_of(frame: Frame) -> str:
    """Return the units of rescaled values: DICOM's own words, or "HU", or nothing."""
    if frame.units:
        return frame.units
    kind = "" if frame.rescale_type == "US" else frame.rescale_type  # "US" means unspecified
    if kind or frame.modality != "CT" or frame.localizer or frame.rescale_type:
        return kind
    # RescaleType may be absent only where it is HU (PS3.3 C.8.2.1.1.5).
    return "HU" if frame.slope is not None or frame.intercept is not None else ""


def _refused(frame: Frame) -> str:
    if frame.sop_class == WHOLE_SLIDE:
        return "a whole slide image: tiles, not slices; it is not read as a volume"
    return ""


def _choose(
    items: list[tuple[Group, SeriesInfo, Stack]], series: str | None, found: Scan
) -> tuple[Group, SeriesInfo, Stack]:
    chosen = items
    if series is not None:
        wanted = series.casefold()
        chosen = [item for item in items if series in (item[1].key, item[1].uid)] or [
            item
            for item in items
            if wanted in item[1].description.casefold() or wanted in item[1].key
        ]
    if len(chosen) == 1:
        return chosen[0]
    one = len({item[1].uid for item in chosen}) == 1
    if not chosen:
        head = f"{found.path}: no series has {series!r} in its UID or description; there are"
    elif series is not None:
        head = f"{found.path}: {series!r} fits {len(chosen)} volumes; name one of them with series="
    elif one:
        head = (
            f"{found.path}: one series, but its images make {len(chosen)} volumes; "
            "name one with series="
        )
    else:
        head = f"{found.path}: {len(chosen)} volumes; name one with series="
    listed = [_line(info) for _, info, _ in (chosen or items)]
    more = [f"  and {len(listed) - LISTED} more"] if len(listed) > LISTED else []
    msg = "\n".join([head, *listed[:LISTED], *more])
    raise VolumeReadError(msg)


def _line(info: SeriesInfo) -> str:
    size = " x ".join(map(str, info.shape))
    spacing = " x ".join(f"{value:.4g}" for value in info.spacing)
    words = [
        f"  {info.key or 'no UID'}: {info.modality or 'no modality'}",
        repr(info.description) if info.description else "no description",
        f"{info.slices} slice{'' if info.slices == 1 else 's'}",
        f"{info.axes} {size}",
        f"{spacing} mm{' ' + info.orientation if info.orientation else ''}",
    ]
    return ", ".join(words) + (" (cannot be read as a volume)" if info.problem else "")


def _nothing(found: Scan) -> str:
    """Say why there is nothing to read."""
    if found.damaged:
        file, reason = found.damaged[0]
        if len(found.damaged) == 1:
            return f"{file}: damaged DICOM: {reason}"
        listed = "; ".join(f"{file}: {reason}" for file, reason in found.damaged[:LISTED])
        return f"{found.path}: {len(found.damaged)} damaged DICOM files: {listed}"
    if found.imageless:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found.imageless.most_common())
        return f"{found.path}: DICOM without pixels ({kinds}); there is no volume to read"
    if found.unseen:
        file, reason = found.unseen[0]
        return f"{found.path}: {file} cannot be opened ({reason})"
    if found.other:
        return f"{found.path}: no DICOM image among {len(found.other)} file(s)"
    return f"{found.path}: an empty folder"


def _left_out(found: Scan) -> list[str]:
    notes = []
    for what, items in (("damaged", found.damaged), ("not to be opened", found.unseen)):
        if items:
            listed = "; ".join(
                f"{os.path.basename(file)}: {reason}"  # noqa: PTH119
                for file, reason in items[:LISTED]
            )
            more = f"; and {len(items) - LISTED} more" if len(items) > LISTED else ""
            files = "file is" if len(items) == 1 else "files are"
            notes.append(f"{len(items)} {files} {what} and left out: {listed}{more}")
    return notes
