"""Pixels of many frames into one array: scaled while they are decoded, in the type asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.dicom.frames import Frame
from medfusion.data.dicom.grouping import Group
from medfusion.errors import VolumeReadError

SCRATCH = 32 << 20
"""Bytes decoded at once where values have to be changed into another type."""
TRUSTED = 256 << 20
"""Bytes that are taken without asking whether the files can hold so much."""
MOST_COMPRESSED = 1000
"""Pixels' bytes per byte of file above which a large volume is taken for a damaged header."""
# Types of stored values that the Rust core writes.
_WRITTEN = frozenset({"uint8", "int16", "uint16", "int32"})
UNCOMPRESSED = frozenset({"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
NAMED = 5


def read_voxels(group: Group, dtype: str) -> tuple[NDArray[Any], str]:
    """Read the pixels of a group.

    Args:
        group: Frames of one size.
        dtype: "float32", "native" (the stored type where values are not scaled, else float32), or
            the name of another NumPy type that holds the values.

    Returns:
        `[T * D, H, W]`, or with colour `[T * D, 3, H, W]`; and what read it: "medfusion", or
        "pydicom" where that had to help.

    Raises:
        VolumeReadError: Files that are damaged or of an unsupported kind; values that the type
            does not hold; a declared size that the files cannot have.
    """
    frames = group.frames
    first = frames[0]
    wanted = _type(dtype, frames)
    _check_size(frames, wanted)
    try:
        if first.samples > 1:
            return _converted(frames, wanted)
        stored = np.result_type(*{stored_type(frame) for frame in frames})
        plain = wanted == stored and stored.name in _WRITTEN and not any(map(scaled, frames))
        if not plain and wanted != np.float32:
            return _converted(frames, wanted)
        out = np.empty((len(frames), first.rows, first.columns), wanted)
        return out, _fill(frames, out, scaled=not plain)
    except MemoryError as error:
        msg = f"{first.file}: there is not enough memory for {len(frames)} slices"
        raise VolumeReadError(msg) from error


def scaled(frame: Frame) -> bool:
    """Whether stored values are rescaled (Rescale Slope and Intercept)."""
    return frame.slope not in (None, 1.0) or frame.intercept not in (None, 0.0)


def stored_type(frame: Frame) -> np.dtype[Any]:
    """Return the type of stored values, as pydicom has it."""
    size = 8 if frame.allocated <= 8 else 16 if frame.allocated <= 16 else 32
    return np.dtype(f"{'int' if frame.signed else 'uint'}{size}")


def number_type(dtype: str) -> np.dtype[Any] | None:
    """Return a type by its name, None for "native".

    Raises:
        ValueError: It is no type of numbers.
    """
    if dtype == "native":
        return None
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = np.dtype(object)
    if wanted.kind not in "iuf":
        msg = f"dtype is {dtype!r}: give 'native' or a NumPy type of floats or integers"
        raise ValueError(msg)
    return wanted


def _type(dtype: str, frames: Sequence[Frame]) -> np.dtype[Any]:
    wanted = number_type(dtype)
    if wanted is not None:
        return wanted
    if any(map(scaled, frames)):
        return np.dtype(np.float32)
    return np.result_type(*{stored_type(frame) for frame in frames})


def _check_size(frames: Sequence[Frame], wanted: np.dtype[Any]) -> None:
    """Refuse, before memory is taken, what the files cannot hold."""
    first = frames[0]
    pixels = first.rows * first.columns * first.samples
    if pixels * len(frames) * max(wanted.itemsize, 4) <= TRUSTED:
        return
    sizes: dict[str, int] = {}
    needed: dict[str, int] = {}
    for frame in frames:
        if frame.file not in sizes:
            try:
                sizes[frame.file] = os.stat(frame.file).st_size  # noqa: PTH116
            except OSError as error:
                msg = f"{frame.file}: cannot be opened ({error.strerror or error})"
                raise VolumeReadError(msg) from error
        needed[frame.file] = needed.get(frame.file, 0) + pixels * max(frame.allocated, 1)
    for frame in frames:
        size, bits = sizes[frame.file], needed[frame.file]
        most = 1.5 if frame.syntax in UNCOMPRESSED else MOST_COMPRESSED
        if bits / 8 > size * most + 4096:
            msg = (
                f"{frame.file}: damaged: its header declares {bits >> 23} MiB of pixels, the file "
                f"has {size} bytes"
            )
            raise VolumeReadError(msg)


def _fill(frames: Sequence[Frame], out: NDArray[Any], *, scaled: bool) -> str:
    """Decode frames into `out` `[N, H, W]`; let pydicom try what the Rust core does not read."""
    items = [(frame.file, frame.number) for frame in frames]
    slope = intercept = None
    if scaled and any(frame.slope is not None or frame.intercept is not None for frame in frames):
        slope = [1.0 if frame.slope is None else frame.slope for frame in frames]
        intercept = [frame.intercept or 0.0 for frame in frames]
    scale = None if slope is None or intercept is None else (slope, intercept)
    failures = _rust.read_dicom_frames(items, out, scale)
    reasons = []
    for position, reason in failures:
        pixels = _second_try(frames[position])
        if (
            pixels is None
            or pixels.shape != out.shape[1:]
            or (pixels.dtype.kind == "f" and out.dtype.kind != "f")
        ):
            reasons.append(f"{os.path.basename(frames[position].file)}: {reason}")  # noqa: PTH119
            continue
        if slope is not None and intercept is not None:
            factor, offset = np.float32(slope[position]), np.float32(intercept[position])
            out[position] = pixels.astype(np.float32) * factor + offset
        else:
            out[position] = pixels
    if reasons:
        where = os.path.dirname(frames[0].file)  # noqa: PTH120
        more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
        msg = (
            f"{where}: the pixels of {len(reasons)} of {len(frames)} slices cannot be read: "
            f"{'; '.join(reasons[:NAMED])}{more}. Replace these files, or take them out"
        )
        raise VolumeReadError(msg)
    return "pydicom" if failures else "medfusion"


def _second_try(frame: Frame) -> NDArray[Any] | None:
    """Return a frame's stored values, by pydicom where need be; None where nobody reads it."""
    from medfusion.data.dicom.file import decode_dicom

    try:
        return decode_dicom(frame.file, frames=frame.number).array
    except VolumeReadError:
        return None


def _converted(frames: Sequence[Frame], wanted: np.dtype[Any]) -> tuple[NDArray[Any], str]:
    """Read part by part what is not written as it lies in the file: other types, and colour."""
    first = frames[0]
    colour = (first.samples,) if first.samples > 1 else ()
    out = np.empty((len(frames), *colour, first.rows, first.columns), wanted)
    stored = np.result_type(*{stored_type(frame) for frame in frames})
    between: np.dtype[Any] = stored
    if wanted == np.float32:
        between = wanted
    elif stored.name not in _WRITTEN:
        between = np.dtype(np.int16 if stored == np.int8 else np.int32)
    several = max(SCRATCH // (out[0].size * max(between.itemsize, 4)), 1)
    reader = "medfusion"
    for start in range(0, len(frames), several):
        part = frames[start : start + several]
        scratch = np.empty((len(part), first.rows, first.columns, *colour), between)
        if _fill(part, scratch, scaled=between == np.float32) == "pydicom":
            reader = "pydicom"
        for position, frame in enumerate(part):
            values: NDArray[Any] = scratch[position]
            if between != np.float32 and scaled(frame):
                slope = 1.0 if frame.slope is None else frame.slope
                values = values * slope + (frame.intercept or 0.0)
            _cast(
                np.moveaxis(values, -1, 0) if colour else values, out[start + position], frame.file
            )
    return out, reader


def _cast(values: NDArray[Any], out: NDArray[Any], file: str) -> None:
    """Copy values into another type.

    Raises:
        VolumeReadError: It does not hold them.
    """
    wanted = out.dtype
    if not np.can_cast(values.dtype, wanted):
        low, high = float(values.min()), float(values.max())
        limits: Any = np.finfo(wanted) if wanted.kind == "f" else np.iinfo(wanted)
        broken = wanted.kind in "iu" and values.dtype.kind == "f" and (values % 1 != 0).any()
        if low < limits.min or high > limits.max or broken:
            what = "with fractions, " if broken else ""
            msg = (
                f"{file}: {wanted} does not hold the values ({what}{low:g} to {high:g}); "
                'use dtype="float32"'
            )
            raise VolumeReadError(msg)
    out[...] = values


def check_copies(group: Group) -> None:
    """Compare images that are there twice.

    Raises:
        VolumeReadError: Two files of one SOP instance UID hold different pixels.
    """
    if not group.copies:
        return
    files = sorted({frame.file for pair in group.copies for frame in pair})
    hashes = dict(zip(files, _rust.hash_files(files), strict=True))
    for kept, copy in group.copies:
        if hashes[kept.file] is not None and hashes[kept.file] == hashes[copy.file]:
            continue
        one, other = _second_try(kept), _second_try(copy)
        if one is None or other is None or not np.array_equal(one, other):
            msg = (
                f"{kept.file} and {copy.file} have one SOP instance UID but different pixels; "
                "take the wrong one out of the folder"
            )
            raise VolumeReadError(msg)
