"""One DICOM file: its stored values, what it is, and how it looks.

The Rust core reads the file. What it does not read (a transfer syntax or a number of bits that it
does not know) is left to pydicom, and that is said: `decode_dicom` returns it as a note,
`read_dicom` and `display_image` warn with `DicomFallbackWarning`. A damaged file is an error, never
a reason to try another reader.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.dicom.syntaxes import syntax_name
from medfusion.errors import VolumeReadError

__all__ = [
    "DecodedDicom",
    "DicomFallbackWarning",
    "decode_dicom",
    "dicom_facts",
    "display_image",
    "read_dicom",
]

Path = str | os.PathLike[str]

BIG_ENDIAN = "1.2.840.10008.1.2.2"

OBJECTS = {
    "1.2.840.10008.1.3.10": "DICOMDIR",
    "1.2.840.10008.5.1.4.1.1.1": "CR image",
    "1.2.840.10008.5.1.4.1.1.1.1": "digital X-ray image",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "digital X-ray image, for processing",
    "1.2.840.10008.5.1.4.1.1.1.2": "mammogram",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "mammogram, for processing",
    "1.2.840.10008.5.1.4.1.1.2": "CT image",
    "1.2.840.10008.5.1.4.1.1.2.1": "enhanced CT image",
    "1.2.840.10008.5.1.4.1.1.3.1": "ultrasound multi-frame image",
    "1.2.840.10008.5.1.4.1.1.4": "MR image",
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced MR image",
    "1.2.840.10008.5.1.4.1.1.6.1": "ultrasound image",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "multi-frame grayscale secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "multi-frame true colour secondary capture",
    "1.2.840.10008.5.1.4.1.1.9.1.1": "12-lead ECG",
    "1.2.840.10008.5.1.4.1.1.12.1": "X-ray angiogram",
    "1.2.840.10008.5.1.4.1.1.12.2": "X-ray fluoroscopy",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "breast tomosynthesis image",
    "1.2.840.10008.5.1.4.1.1.20": "nuclear medicine image",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "whole-slide image",
    "1.2.840.10008.5.1.4.1.1.88.11": "structured report",
    "1.2.840.10008.5.1.4.1.1.88.22": "structured report",
    "1.2.840.10008.5.1.4.1.1.88.33": "structured report",
    "1.2.840.10008.5.1.4.1.1.128": "PET image",
    "1.2.840.10008.5.1.4.1.1.481.2": "radiotherapy dose",
    "1.2.840.10008.5.1.4.1.1.481.3": "radiotherapy structure set",
    "1.2.840.10008.5.1.4.1.1.481.5": "radiotherapy plan",
}
"""Names of SOP classes (PS3.4, table B.5-1)."""

FACTS = (
    "modality",
    "rows",
    "columns",
    "samples_per_pixel",
    "bits_allocated",
    "bits_stored",
    "signed",
    "photometric",
    "pixel_spacing",
    "slice_thickness",
    "position",
    "orientation",
    "slope",
    "intercept",
    "units",
    "window_center",
    "window_width",
    "series_description",
    "series_number",
    "instance_number",
    "body_part",
    "laterality",
    "manufacturer",
    "study_uid",
    "series_uid",
    "sop_uid",
)
"""Header entries that are facts as they are."""


class DicomFallbackWarning(UserWarning):
    """A file that the Rust core does not read was left to pydicom."""


class DecodedDicom(NamedTuple):
    """Stored values and who decoded them."""

    array: NDArray[Any]
    """`[H, W]`, `[H, W, 3]`, `[F, H, W]` or `[F, H, W, 3]`."""
    reader: str
    """"medfusion", or "pydicom" where the Rust core does not read the file."""
    notes: tuple[str, ...]
    """What a user has to know: the reason for the fallback."""


def read_dicom(path: Path, *, frames: int | Sequence[int] | None = None) -> NDArray[Any]:
    """Read the stored values of a DICOM file, equal to pydicom's `pixel_array`.

    Stored values are not rescaled; signs are extended and unused bits cleared; YBR_FULL and
    YBR_FULL_422 become RGB; a palette's indices stay indices. Files of big endian give arrays of
    big endian, as in pydicom.

    Args:
        path: The file, with or without preamble and meta group.
        frames: Number of one frame or of several, from 0; None for all.

    Returns:
        `[H, W]`, of colour `[H, W, 3]`; with a first axis of frames where the file has several or
        `frames` is a sequence.

    Raises:
        VolumeReadError: The file is missing, no DICOM, damaged, without pixels or of a kind that
            nobody here reads.

    Warns:
        DicomFallbackWarning: The file was read by pydicom.

    Example:
        >>> read_dicom("slice.dcm").shape  # doctest: +SKIP
        (512, 512)
    """
    decoded = decode_dicom(path, frames=frames)
    for note in decoded.notes:
        warnings.warn(note, DicomFallbackWarning, stacklevel=2)
    return decoded.array


def decode_dicom(path: Path, *, frames: int | Sequence[int] | None = None) -> DecodedDicom:
    """Read the stored values of a DICOM file, and say who decoded them.

    Args:
        path: The file.
        frames: As for `read_dicom`.

    Raises:
        VolumeReadError: As `read_dicom`.
    """
    wanted = [frames] if isinstance(frames, int) else frames
    notes: tuple[str, ...] = ()
    try:
        array = _rust.read_dicom_pixels(path, wanted)
    except _rust.DicomUnsupportedError as error:
        array = _by_pydicom(path, wanted, error)
        notes = (
            f"{os.fspath(path)}: read by pydicom, because MedFusion's own reader says: {error}",
        )
    except _rust.DicomReadError as error:
        raise _unreadable(path, error) from error
    else:
        if array.itemsize > 1 and _is_big_endian(path):
            array = array.astype(array.dtype.newbyteorder(">"))
    if isinstance(frames, int):
        array = array[0]
    return DecodedDicom(array, "pydicom" if notes else "medfusion", notes)


def dicom_facts(path: Path) -> dict[str, Any]:
    """Say what a DICOM file is, from its header alone.

    Nothing that names a patient is in it.

    Args:
        path: The file.

    Returns:
        Plain values; what the file does not say is left out. `object`, `transfer_syntax`, `frames`
        and `has_pixels` are always there.

    Raises:
        VolumeReadError: The file is missing or no readable DICOM.

    Example:
        >>> dicom_facts("slice.dcm")["modality"]  # doctest: +SKIP
        'CT'
    """
    (header,) = _rust.dicom_headers([path], 1)
    if isinstance(header, str):
        raise _unreadable(path, header)
    sop_class = header["sop_class"] or ""
    facts: dict[str, Any] = {
        "object": OBJECTS.get(sop_class, sop_class or "unknown"),
        "transfer_syntax": syntax_name(header["transfer_syntax"] or ""),
        "frames": 1 if header["frames"] is None else header["frames"],
        "has_pixels": header["has_pixels"],
    }
    facts |= {key: header[key] for key in FACTS if header[key] is not None}
    if header["truncated"]:
        facts["truncated"] = True
    return facts


def display_image(
    path: Path, frame: int = 0, window: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Return a frame of a DICOM file as it is shown on a screen.

    Grey values pass the Modality LUT or the rescaling, then the VOI LUT or the window (LINEAR,
    LINEAR_EXACT or SIGMOID; DICOM PS3.3 C.11.1 and C.11.2), and become 0 to 255; without either
    they are spread from the least to the largest. MONOCHROME1 and the presentation LUT shape
    INVERSE are inverted. Palettes and YBR become RGB.

    Args:
        path: The file.
        frame: Number of the frame, from 0.
        window: Centre and width in the units of the rescaled values, such as HU; None for the
            file's own VOI LUT or first window.

    Returns:
        `[H, W]`, of colour `[H, W, 3]`.

    Raises:
        VolumeReadError: The file is missing, damaged, without pixels or of a kind that nobody here
            reads.

    Warns:
        DicomFallbackWarning: The pixels were decoded by pydicom.

    Example:
        >>> display_image("slice.dcm", window=(40, 400)).dtype  # doctest: +SKIP
        dtype('uint8')
    """
    try:
        return _rust.show_dicom(path, frame, window)
    except _rust.DicomUnsupportedError:
        array = read_dicom(path, frames=frame)
        stored = np.ascontiguousarray(array, dtype=np.float64).reshape(-1)
    except _rust.DicomReadError as error:
        raise _unreadable(path, error) from error
    try:
        return _rust.show_dicom(path, frame, window, stored)
    except _rust.DicomReadError as error:
        raise _unreadable(path, error) from error


def _is_big_endian(path: Path) -> bool:
    (header,) = _rust.dicom_headers([path], 1)
    return isinstance(header, dict) and header["transfer_syntax"] == BIG_ENDIAN


def _by_pydicom(path: Path, frames: Sequence[int] | None, reason: Exception) -> NDArray[Any]:
    """Let pydicom try a sound file of a kind that the Rust core does not read."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array: NDArray[Any] = pydicom.dcmread(path, force=True).pixel_array
    # pydicom and the decoders behind it raise errors of many kinds for one cause: they can't.
    except Exception as error:
        raise _unreadable(path, f"{reason}; nor does pydicom read it ({error})") from error
    if frames is None:
        return array
    colour = array.ndim > 2 and array.shape[-1] == 3
    if array.ndim == 2 + colour:
        array = array[np.newaxis]
    if any(not 0 <= frame < len(array) for frame in frames):
        raise _unreadable(path, f"the file has {len(array)} frames, not all of {list(frames)}")
    return array[list(frames)]


def _unreadable(path: Path, reason: object) -> VolumeReadError:
    return VolumeReadError(f"cannot read the DICOM file {os.fspath(path)!r}: {reason}")
