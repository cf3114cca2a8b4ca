"""Which frames make one volume: by series, then by what cannot be in one array, then by repeats."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.dicom.frames import Frame, moving
from medfusion.data.dicom.geometry import Floats, slice_normal, spread

ANGLE = 1e-3
"""Difference of two cosines that is still one orientation: rounding, not another plane."""
SCALE = 1e-3
"""Relative difference of two pixel spacings that is still one."""

# Each file of these is an image of its own, also where several share a series.
SINGLE = frozenset({"CR", "DX", "MG", "RG", "XA", "RF", "US", "IVUS", "IO", "PX", "ES", "XC", "GM",
                    "SM", "OP", "BI", "DG", "TG"})  # fmt: skip

# What tells frames at one place from each other, in the order in which it is tried. Those with a
# word become the axis T, the others are volumes of their own.
REPEATS = (
    ("stack", ""),
    ("image_type", ""),
    ("temporal", "time"),
    ("echo", "echo"),
    ("b_value", "b-value"),
    ("direction", "direction"),
    ("trigger", "time"),
    ("acquisition", "time"),
    ("rescale_type", ""),
    ("frame_of_reference", ""),
)
# Told apart by their order at each place, as the values themselves differ from slice to slice.
RANKED = ("trigger", "time", "acquisition")
# Split first where nothing tells frames apart alone: an echo of a time point, say.
PARTS = ("stack", "image_type", "echo", "b_value", "acquisition", "rescale_type",
         "frame_of_reference")  # fmt: skip
# May tell two blocks of slices apart that leave a hole between them.
BLOCKS = ("acquisition", "stack", "image_type")


@dataclasses.dataclass(eq=False)
class Group:
    """Frames that make one volume.

    Attributes:
        steps: Frames by time point (or echo, ...), then by slice along the normal.
        repeat: What the time axis is: "time", "echo", "b-value", "direction", "frame", or "" where
            there is none.
        key: The attribute that told the steps apart.
        copies: (kept, left out) files that hold one and the same image.
        problem: Why these frames are no volume; empty where they are.
        notes: What a user has to know.
    """

    steps: list[list[Frame]]
    repeat: str = ""
    key: str = ""
    copies: list[tuple[Frame, Frame]] = dataclasses.field(default_factory=list)
    problem: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def first(self) -> Frame:
        """The first slice of the first step."""
        return self.steps[0][0]

    @property
    def frames(self) -> list[Frame]:
        """All frames, steps first."""
        return [frame for step in self.steps for frame in step]


def group_frames(frames: Iterable[Frame]) -> list[Group]:
    """Return what frames can be read as, largest first within a series, series by number.

    Args:
        frames: Of any number of files and series, in any order; the result is the same for all.
    """
    series: dict[Hashable, list[Frame]] = collections.defaultdict(list)
    for frame in frames:
        # Without a UID, files of one folder are taken to belong together.
        key = frame.series_uid or ("", os.path.dirname(frame.file))  # noqa: PTH120
        series[key].append(frame)
    found = []
    for members in series.values():
        members.sort(key=lambda frame: (frame.file, frame.number))
        kept, copies = _without_copies(members)
        groups = [group for part in _alike(kept) for group in _arrange(part)]
        for group in groups:
            inside = {id(frame) for frame in group.frames} if copies else set()
            group.copies = [pair for pair in copies if id(pair[0]) in inside]
        groups.sort(key=lambda group: (-len(group.frames), group.first.file, group.first.number))
        found.append(groups)
    found.sort(key=_by_number)
    return [group for groups in found for group in groups]


def _by_number(groups: Sequence[Group]) -> tuple[Any, ...]:
    first = groups[0].first
    number = first.series_number
    return (first.study_uid, number is None, number or 0, first.series_uid, first.file)


def _without_copies(frames: list[Frame]) -> tuple[list[Frame], list[tuple[Frame, Frame]]]:
    """Take out files that hold an image that another file holds too (one SOP instance UID)."""
    seen: dict[Hashable, Frame] = {}
    kept, copies = [], []
    for frame in frames:
        # Some writers give all slices one UID: the place has to be the same too.
        key = (frame.sop_uid or frame.file, frame.number, frame.position, frame.instance,
               frame.temporal, frame.rows, frame.columns, frame.allocated, frame.samples,
               frame.frames_in_file)  # fmt: skip
        if key in seen and seen[key].file != frame.file:
            copies.append((seen[key], frame))
        else:
            seen[key] = frame
            kept.append(frame)
    return kept, copies


def _alike(frames: list[Frame]) -> list[list[Frame]]:
    """Split frames that differ in what an array and its affine have only once."""
    planes = _labels((frame.orientation for frame in frames), _same_plane)
    sizes = _labels((frame.spacing for frame in frames), _same_spacing)
    parts: dict[Hashable, list[Frame]] = collections.defaultdict(list)
    for frame in frames:
        placed = frame.position is not None and frame.orientation is not None
        key = (frame.modality, frame.sop_class, frame.rows, frame.columns, frame.samples,
               frame.photometric, frame.units, frame.localizer, frame.segment, frame.sheet, placed,
               planes[frame.orientation], sizes[frame.spacing])  # fmt: skip
        parts[key].append(frame)
    return list(parts.values())


def _labels(
    values: Iterable[tuple[float, ...] | None], same: Callable[[Floats, Floats], NDArray[np.bool_]]
) -> dict[tuple[float, ...] | None, int]:
    """Number values so that nearly equal ones have one number; the commonest are the measure."""
    counts = collections.Counter(values)
    labels: dict[tuple[float, ...] | None, int] = {}
    commonest: list[tuple[float, ...]] = []
    numbers: list[int] = []
    for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0] or ())):
        if value is None:
            labels[None] = -1
            continue
        near = (
            np.flatnonzero(same(np.array(commonest), np.array(value)))
            if commonest
            else np.empty(0, np.intp)
        )
        if len(near):
            labels[value] = numbers[int(near[0])]
        else:
            labels[value] = len(commonest)
            numbers.append(len(commonest))
            commonest.append(value)
    return labels


def _same_plane(known: Floats, value: Floats) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = np.abs(known - value).max(axis=1) <= ANGLE
    return near


def _same_spacing(known: Floats, value: Floats) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = np.abs(known / value - 1).max(axis=1) <= SCALE
    return near


def _arrange(frames: list[Frame]) -> list[Group]:
    first = frames[0]
    if first.sheet:
        return [_sheet(frames)]
    if first.position is None or first.orientation is None:
        return _unplaced(frames)
    return _placed(frames)


def _sheet(frames: list[Frame]) -> Group:
    """Return one file's frames that have no places of their own: in time, or one after another."""
    frames = sorted(frames, key=lambda frame: frame.number)
    if len(frames) == 1:
        return Group([frames])
    if moving(frames[0]):
        return Group([[frame] for frame in frames], "time", "number")
    if frames[0].position is None:
        note = "frames have no place of their own; they lie along D in the order of the file"
        return Group([frames], notes=[note])
    for key, word in REPEATS:
        values = {getattr(frame, key) for frame in frames}
        if word and len(values) == len(frames):
            frames.sort(key=lambda frame, key=key: _order(getattr(frame, key)))  # type: ignore[misc]
            return Group([[frame] for frame in frames], word, key)
    note = f"all {len(frames)} frames lie at one place; T is their order in the file"
    return Group([[frame] for frame in frames], "frame", "number", notes=[note])


def _unplaced(frames: list[Frame]) -> list[Group]:
    """Sort slices without positions by InstanceNumber, the only order they have."""
    if len(frames) == 1 or frames[0].modality in SINGLE:
        return [Group([[frame]]) for frame in frames]
    numbers = {frame.instance for frame in frames}
    if None in numbers or len(numbers) < len(frames):
        problem = (
            f"{len(frames)} images have neither positions nor distinct instance numbers, so "
            f"their order is unknown: {names(frames)}; read them one by one"
        )
        return [Group([frames], problem=problem)]
    frames = sorted(frames, key=lambda frame: frame.instance or 0)
    note = "slices have no positions: they are in the order of InstanceNumber"
    return [Group([frames], notes=[note])]


def _slots(frames: list[Frame]) -> tuple[list[Frame], NDArray[np.intp], Floats]:
    """Sort frames along the normal; number their places, equal ones alike."""
    first = frames[0]
    normal = slice_normal(first.orientation or ())
    places = np.array([frame.position for frame in frames]) @ normal
    order = np.argsort(places, kind="stable")
    places = places[order]
    # Repeats are written alike up to rounding; slices of microscopes may be micrometres apart.
    near = min(0.01, 0.01 * min(first.spacing or (1.0,)))
    slots = np.concatenate(([0], np.cumsum(np.diff(places) > near)))
    return [frames[index] for index in order.tolist()], slots, places


def _placed(frames: list[Frame]) -> list[Group]:
    frames, slots, places = _slots(frames)
    if slots[-1] + 1 < len(frames):
        return _repeats(frames, slots)
    if len(frames) > 2 and not spread(places).even:
        for key in BLOCKS:
            parts = _partition(frames, key)
            if 1 < len(parts) <= len(frames) // 3 and all(map(_is_even, parts.values())):
                return [Group([part]) for part in parts.values()]
    return [Group([frames])]


def _is_even(frames: list[Frame]) -> bool:
    _, _, places = _slots(frames)
    return len(frames) > 2 and spread(places).even


def _partition(frames: list[Frame], key: str) -> dict[Any, list[Frame]]:
    parts: dict[Any, list[Frame]] = collections.defaultdict(list)
    for frame in frames:
        parts[getattr(frame, key)].append(frame)
    return parts


def _repeats(frames: list[Frame], slots: NDArray[np.intp]) -> list[Group]:
    """Explain several frames at one place: time points, echoes, ...; or say that nothing does."""
    slot = dict(zip(map(id, frames), slots.tolist(), strict=True))
    for key, word in REPEATS:
        groups = _told_apart(frames, slot, key, word)
        if groups:
            return groups
    for key in RANKED:
        group = _ranked(frames, slots, key)
        if group is not None:
            return [group]
    for key in PARTS:
        parts = _partition(frames, key)
        if len(parts) > 1:
            groups = [group for part in parts.values() for group in _placed(part)]
            if not any(group.problem for group in groups):
                return groups
    counts = np.bincount(slots)
    twice = [frame for frame in frames if counts[slot[id(frame)]] > 1]
    first = [frame for frame in twice if slot[id(frame)] == slot[id(twice[0])]]
    places = int((counts > 1).sum())
    problem = (
        f"at {places} place{'' if places == 1 else 's'} there are several slices, and nothing in "
        f"the headers tells them apart (time, echo, b-value, acquisition): {names(first)}"
        f"{'; of all: ' + names(twice) if len(twice) > len(first) else ''}. "
        "Take the surplus files out of the folder"
    )
    return [Group([frames], problem=problem)]


def _told_apart(frames: list[Frame], slot: dict[int, int], key: str, word: str) -> list[Group]:
    """Return the groups where one attribute tells all frames at each place apart, else none."""
    parts = _partition(frames, key)
    places = {value: [slot[id(frame)] for frame in part] for value, part in parts.items()}
    if len(parts) < 2 or any(len(set(part)) < len(part) for part in places.values()):
        return []
    if not word:
        return [group for part in parts.values() for group in _placed(part)]
    same: dict[tuple[int, ...], list[Any]] = collections.defaultdict(list)
    for value, part in places.items():
        same[tuple(part)].append(value)
    # Parts of one slice each are no time points: the values differ from slice to slice.
    if len(same) > 1 and any(len(where) == 1 for where in same):
        return []
    return [_steps(parts, sorted(values, key=_order), word, key) for values in same.values()]


def _steps(parts: dict[Any, list[Frame]], values: list[Any], word: str, key: str) -> Group:
    if len(values) == 1:
        return Group([parts[values[0]]])
    return Group([parts[value] for value in values], word, key)


def _ranked(frames: list[Frame], slots: NDArray[np.intp], key: str) -> Group | None:
    counts = np.bincount(slots)
    if counts.min() != counts.max():
        return None
    values = [getattr(frame, key) for frame in frames]
    if None in values or len(set(zip(slots.tolist(), values, strict=True))) < len(frames):
        return None
    order = np.lexsort((np.array(values), slots)).reshape(-1, int(counts[0]))
    steps = [[frames[index] for index in step] for step in order.T.tolist()]
    return Group(steps, "time", key)


def _order(value: Any) -> tuple[bool, Any]:
    return (value is not None, 0 if value is None else value)


def names(frames: Sequence[Frame], most: int = 6) -> str:
    """Return the names of files for a message.

    >>> names([])
    ''
    """
    found = list(dict.fromkeys(os.path.basename(frame.file) for frame in frames))  # noqa: PTH119
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
