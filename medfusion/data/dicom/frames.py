"""Frames: what a DICOM header says of each image in a file, in one shape for all kinds of files."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any

from medfusion.data.dicom.geometry import cosines, floats, slice_normal

MAX_FRAMES = 200_000
"""More in one file is a damaged header."""

# Frames of these follow each other in time where nothing says otherwise.
MOVING = frozenset({"US", "IVUS", "XA", "RF", "ES", "XC", "ECHO", "OPT", "GM", "SM", "DX", "IVOCT"})
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


@dataclasses.dataclass(slots=True, eq=False)
class Frame:
    """One image of a DICOM file. Absent values are None or empty.

    Attributes:
        file: Path.
        number: Frame in the file, from 0.
        position: Centre of the first pixel, LPS in mm.
        orientation: Cosines of rows and columns.
        spacing: Distance of rows and of columns in mm.
        time: Acquisition time in seconds of the day.
        lut: Whether a table, which is not applied, turns stored values into those meant.
        sheet: The file, where its frames have no place of their own and so belong together.
    """

    file: str
    number: int
    sop_uid: str
    sop_class: str
    series_uid: str
    study_uid: str
    frame_of_reference: str
    modality: str
    syntax: str
    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    signed: bool
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    detector_spacing: tuple[float, ...] | None
    thickness: float | None
    between: float | None
    instance: int | None
    acquisition: int | None
    echo: float | None
    temporal: float | None
    time: float | None
    trigger: float | None
    b_value: float | None
    direction: tuple[float, ...] | None
    stack: str
    slope: float | None
    intercept: float | None
    rescale_type: str
    units: str
    description: str
    image_type: tuple[str, ...]
    tilt: float | None
    series_number: int | None
    body_part: str
    window: tuple[float, float] | None
    frame_time: float | None
    frames_in_file: int
    segment: int | None
    lut: bool
    sheet: str

    @property
    def localizer(self) -> bool:
        """Whether this is a scout view, for planning and not for measuring."""
        return "LOCALIZER" in self.image_type


def frames_of(file: str, header: Mapping[str, Any], known: dict[Any, Any]) -> list[Frame]:
    """Return the frames of a file.

    Args:
        file: Its path.
        header: What `_rust.dicom_headers` says of it.
        known: Values seen so far: the same text of a hundred thousand files is kept once.

    Raises:
        ValueError: The header cannot be right.
    """
    get = header.get

    def text(key: str) -> str:
        value: str = get(key) or ""
        return str(known.setdefault(value, value))

    def vector(key: str, count: int) -> tuple[float, ...] | None:
        value = floats(get(key), count)
        return known.setdefault(value, value)

    centers, widths = get("window_center"), get("window_width")
    image_type = tuple(get("image_type") or ())
    first = Frame(
        file=file,
        number=0,
        sop_uid=get("sop_uid") or "",
        sop_class=text("sop_class"),
        series_uid=text("series_uid"),
        study_uid=text("study_uid"),
        frame_of_reference=text("frame_of_reference_uid"),
        modality=text("modality"),
        syntax=text("transfer_syntax"),
        rows=get("rows") or 0,
        columns=get("columns") or 0,
        samples=get("samples_per_pixel") or 1,
        photometric=text("photometric"),
        allocated=get("bits_allocated") or 0,
        signed=bool(get("signed")),
        position=floats(get("position"), 3),
        orientation=_plane(get("orientation"), known),
        spacing=_positive(vector("pixel_spacing", 2)),
        detector_spacing=_positive(vector("imager_pixel_spacing", 2)),
        thickness=_number(get("slice_thickness")),
        between=_number(get("spacing_between_slices")),
        instance=get("instance_number"),
        acquisition=get("acquisition_number"),
        echo=_either(get("echo_time"), get("echo_number")),
        temporal=_number(get("temporal_position")),
        time=seconds(get("acquisition_time")),
        trigger=_number(get("trigger_time")),
        b_value=_number(get("b_value")),
        direction=vector("gradient_direction", 3),
        stack="",
        slope=_number(get("slope")),
        intercept=_number(get("intercept")),
        rescale_type=text("rescale_type"),
        units=text("units"),
        description=text("series_description"),
        image_type=known.setdefault(image_type, image_type),
        tilt=_number(get("gantry_tilt")),
        series_number=get("series_number"),
        body_part=text("body_part"),
        window=(centers[0], widths[0]) if centers and widths else None,
        frame_time=_number(get("frame_time")),
        frames_in_file=1,
        segment=None,
        lut=bool(get("has_modality_lut")),
        sheet="",
    )
    count = get("frames") or 1
    if not isinstance(count, int) or not 0 < count <= MAX_FRAMES:
        msg = f"declares {count!r} frames"
        raise ValueError(msg)
    if count > 1 and count > os.path.getsize(file):  # noqa: PTH202
        msg = f"declares {count} frames, more than the file has bytes"
        raise ValueError(msg)
    if first.rows <= 0 or first.columns <= 0:
        msg = f"declares {first.rows} rows and {first.columns} columns"
        raise ValueError(msg)
    first.frames_in_file = count
    shared = get("per_frame")
    if shared:
        return _enhanced(first, count, shared, known)
    return [first] if count == 1 else _classic(first, count, get("grid_frame_offsets"))


def _enhanced(
    first: Frame, count: int, lists: Mapping[str, Any], known: dict[Any, Any]
) -> list[Frame]:
    """Spread the functional groups of an enhanced file (PS3.3 C.7.6.16) over its frames."""

    def at(key: str, frame: int) -> Any:
        values = lists.get(key)
        return values[frame] if values is not None and frame < len(values) else None

    found = []
    for number in range(count):
        frame = dataclasses.replace(first, number=number)
        frame.position = floats(at("positions", number), 3) or first.position
        frame.orientation = _plane(at("orientations", number), known) or first.orientation
        frame.spacing = _positive(floats(at("spacing", number), 2)) or first.spacing
        frame.thickness = _either(at("thickness", number), first.thickness)
        frame.slope = _either(at("slope", number), first.slope)
        frame.intercept = _either(at("intercept", number), first.intercept)
        stack = at("stack_id", number)
        frame.stack = "" if stack is None else str(stack)
        frame.temporal = _either(at("temporal_index", number), first.temporal)
        frame.echo = _either(at("echo_time", number), first.echo)
        frame.b_value = _either(at("b_value", number), first.b_value)
        frame.direction = floats(at("gradient_direction", number), 3) or first.direction
        frame.trigger = _either(at("trigger_time", number), first.trigger)
        frame.rescale_type = at("rescale_type", number) or first.rescale_type
        frame.segment = at("segment", number)
        frame.image_type = tuple(at("frame_type", number) or first.image_type)
        center, width = at("window_center", number), at("window_width", number)
        if center is not None and width is not None:
            frame.window = (center, width)
        frame.instance = number + 1
        found.append(frame)
    # All at one place, as where only the shared groups hold one: not places of their own.
    if count > 1 and all(frame.position == found[0].position for frame in found):
        for frame in found:
            frame.sheet = first.file
    return found


def _classic(first: Frame, count: int, offsets: Any) -> list[Frame]:
    """Place the frames of a multi-frame file without functional groups where that is possible."""
    away = floats(offsets, count)
    if away is None and first.between and "DYNAMIC" not in first.image_type:
        away = tuple(first.between * number for number in range(count))
    placed = None
    if away is not None and first.position is not None and first.orientation is not None:
        placed = slice_normal(first.orientation).tolist()
    found = []
    for number in range(count):
        frame = dataclasses.replace(first, number=number, instance=number + 1)
        if placed is not None and away is not None and first.position is not None:
            frame.position = tuple(
                start + cosine * away[number]
                for start, cosine in zip(first.position, placed, strict=True)
            )
        else:
            frame.sheet = first.file
        found.append(frame)
    return found


def _plane(value: Any, known: dict[Any, Any]) -> tuple[float, ...] | None:
    """Return an orientation, or None where it is no plane's; each is looked at once."""
    if value is None:
        return None
    key = ("plane", *value)
    if key not in known:
        found = floats(value, 6)
        known[key] = found if cosines(found) is not None else None
    plane: tuple[float, ...] | None = known[key]
    return plane


def moving(frame: Frame) -> bool:
    """Whether frames that have no place of their own follow each other in time."""
    if frame.modality == "NM":
        return bool({"DYNAMIC", "GATED"} & set(frame.image_type))
    return frame.modality in MOVING or frame.frame_time is not None


def seconds(clock: str | None) -> float | None:
    """Return the seconds of the day of a DICOM time (PS3.5 6.2, TM), None where it is none.

    >>> seconds("101530.25"), seconds("1015"), seconds("noon")
    (36930.25, 36900.0, None)
    """
    text = (clock or "").replace(":", "").strip()
    whole, _, part = text.partition(".")
    if len(whole) not in (2, 4, 6) or not (whole + part).isdecimal():
        return None
    hours, minutes, rest = (int(whole[at : at + 2] or 0) for at in (0, 2, 4))
    return hours * 3600.0 + minutes * 60.0 + rest + float(f"0.{part or 0}")


def _number(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _either(value: Any, other: Any) -> float | None:
    found = _number(value)
    return _number(other) if found is None else found


def _positive(pair: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return pair if pair is not None and pair[0] > 0 and pair[1] > 0 else None
