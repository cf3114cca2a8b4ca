"""Any file or folder that holds one volume, known by its content."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from medfusion.errors import ImageReadError, VolumeReadError

if TYPE_CHECKING:
    from medfusion.data.dicom.scan import Scan
    from medfusion.data.volume import Volume

HEAD = 560
"""Bytes that tell every format: a NIfTI-2 header has 540."""
LISTED = 10

_PICTURES = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"),
             (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"))  # fmt: skip
_FOREIGN = (
    (b"NRRD", "an NRRD file"),
    (b"ObjectType", "a MetaImage header"),
    (b"NDims", "a MetaImage header"),
    (b"\x93NUMPY", "a NumPy array, which has no affine: load it and make a Volume of it"),
    (b"PK\x03\x04", "a ZIP archive: unpack it"),
    (b"\x89HDF", "an HDF5 file"),
    (b"%PDF", "a PDF document"),
)


def read_volume(
    path: str | os.PathLike[str], *, dtype: str = "float32", series: str | None = None
) -> Volume:
    """Read a NIfTI file, a DICOM file or folder, or a single image as a volume.

    What a file is, its content says, never its name. Voxel (i, j, k) is `array[..., k, j, i]`,
    and the affine takes (i, j, k, 1) to patient coordinates, LPS in mm.

    Args:
        path: A NIfTI-1 or NIfTI-2 file (.nii, .nii.gz, either file of a .hdr/.img pair); a DICOM
            file with one or several frames; a folder with one DICOM series or one NIfTI file;
            or a PNG, JPEG or TIFF image, which has one slice.
        dtype: "float32", "native" (the stored type where values are not scaled, else float32), or
            the name of a NumPy type that holds the values.
        series: Which DICOM series of several: its UID, or a part of the UID or description.

    Returns:
        The volume. DICOM slices are sorted by position; `Source.notes` says what is odd about them.

    Raises:
        VolumeReadError: The path is missing, empty, damaged, of another kind, or holds several
            volumes; the message names the files or lists the series.
        ValueError: `dtype` is no type of numbers.

    Warns:
        GeometryWarning: Slices are missing, uneven or shifted, or damaged files were left out.

    Example:
        >>> volume = read_volume("series/")  # doctest: +SKIP
        >>> volume.array.shape, volume.spacing, volume.units  # doctest: +SKIP
        ((150, 512, 512), (0.78, 0.78, 1.0), 'HU')
    """
    from medfusion.data.dicom.voxels import number_type

    number_type(dtype)
    text = os.fspath(path)
    try:
        mode = os.stat(text).st_mode  # noqa: PTH116 - the text may hold a NUL
    except (OSError, ValueError) as error:
        msg = f"{text}: cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise VolumeReadError(msg) from error
    if stat.S_ISDIR(mode):
        return _folder(text, dtype, series)
    if not stat.S_ISREG(mode):
        msg = f"{text}: is neither a file nor a folder"
        raise VolumeReadError(msg)
    kind = kind_of(text)
    if kind == "nifti":
        from medfusion.data.nifti import read_nifti

        return read_nifti(text, dtype=dtype)
    if kind == "image":
        return _image(text, dtype)
    return _dicom(text, dtype, series)


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return "nifti", "dicom", "image" or "" from a file's first bytes.

    Raises:
        VolumeReadError: The file may not be opened.
    """
    text = os.fspath(path)
    try:
        with Path(text).open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        msg = f"{text}: cannot be opened ({error.strerror or error})"
        raise VolumeReadError(msg) from error
    if head[128:132] == b"DICM":
        return "dicom"
    plain = _inflated(head) if head.startswith(b"\x1f\x8b") else head
    if plain[344:348] in (b"n+1\0", b"ni1\0") or plain[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    # FreeSurfer's MGH: version 1, then four lengths.
    if plain.startswith(b"\0\0\0\x01\0\0") and text.lower().endswith((".mgh", ".mgz")):
        return "nifti"
    if any(head.startswith(magic) for magic, _ in _PICTURES):
        return "image"
    name = text.lower().removesuffix(".gz")
    # The second file of a pair holds voxels only; its name has to do.
    if name.endswith(".img") and _has_header(text):
        return "nifti"
    return "nifti" if name.endswith((".nii", ".nii.bz2", ".hdr")) else ""


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _has_header(text: str) -> bool:
    stem = text[: text.lower().rindex(".img")]
    endings = (".hdr", ".hdr.gz", ".HDR", ".HDR.GZ")
    return any(os.path.isfile(stem + ending) for ending in endings)  # noqa: PTH113


def _dicom(text: str, dtype: str, series: str | None) -> Volume:
    from medfusion.data.dicom.scan import Scan, scan_files
    from medfusion.data.dicom.series import read_scanned

    found = scan_files([text], Scan(text))
    if not found.frames and not found.imageless and kind_of(text) != "dicom":
        raise VolumeReadError(_foreign(text, found))
    return read_scanned(found, series=series, dtype=dtype, depth=4)


def _folder(text: str, dtype: str, series: str | None) -> Volume:
    from medfusion.data.dicom.scan import scan
    from medfusion.data.dicom.series import read_scanned

    found = scan(text)
    others = [file for file in found.other if kind_of(file) == "nifti"]
    volumes = _one_of_a_pair(others)
    if found.frames and not volumes:
        return read_scanned(found, series=series, dtype=dtype, depth=4)
    if found.frames:
        msg = (
            f"{text}: holds DICOM images and {len(volumes)} NIfTI file(s) ({_names(volumes)}); "
            "name one of the files, or the folder of one series"
        )
        raise VolumeReadError(msg)
    if len(volumes) == 1:
        from medfusion.data.nifti import read_nifti

        return read_nifti(volumes[0], dtype=dtype)
    if volumes:
        msg = f"{text}: holds {len(volumes)} NIfTI files; name one: {_names(volumes)}"
        raise VolumeReadError(msg)
    pictures = [file for file in found.other if kind_of(file) == "image"]
    if pictures and not found.damaged:
        msg = (
            f"{text}: holds {len(pictures)} plain images ({_names(pictures)}), which do not say "
            "how they lie in the patient; read them one by one with read_image"
        )
        raise VolumeReadError(msg)
    return read_scanned(found, series=series, dtype=dtype, depth=4)


def _one_of_a_pair(files: list[str]) -> list[str]:
    """Leave out the voxels of a pair whose header is there."""
    return [
        file
        for file in files
        if not (file.lower().removesuffix(".gz").endswith(".img") and _has_header(file))
        or not any(other.startswith(file[: file.lower().rindex(".img")] + ".h") for other in files)
    ]


def _image(text: str, dtype: str) -> Volume:
    """Read a plain image: one slice, three channels where it has colour."""
    import numpy as np

    from medfusion.data.dicom.voxels import number_type
    from medfusion.data.images import read_image
    from medfusion.data.volume import UNPLACED, Source, Volume

    try:
        pixels = read_image(text)
    except ImageReadError as error:
        raise VolumeReadError(str(error)) from error
    array = np.moveaxis(pixels, -1, 0)[:, None]
    wanted = number_type(dtype)
    if wanted is None:
        array = np.ascontiguousarray(array)
    else:
        most = np.finfo(wanted).max if wanted.kind == "f" else np.iinfo(wanted).max
        if array.size and float(array.max()) > float(most):
            msg = f"{text}: {wanted} does not hold values up to {array.max()}"
            raise VolumeReadError(msg)
        array = array.astype(wanted, order="C")
    notes = ("pixel spacing is unknown; 1 mm is taken", UNPLACED)
    with Path(text).open("rb") as file:
        head = file.read(8)
    kind = next((name for magic, name in _PICTURES if head.startswith(magic)), "image")
    source = Source(path=text, format=kind, files=(text,), notes=notes)
    if len(array) == 1:
        return Volume(array[0], source=source)
    return Volume(array, axes="CDHW", source=source)


def _foreign(text: str, found: Scan) -> str:
    """Say what a file is that is no volume."""
    with Path(text).open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return f"{text}: an empty file"
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return f"{text}: is {what}; read_volume takes NIfTI and DICOM"
    if text.lower().endswith((".csv", ".tsv", ".txt", ".xlsx", ".parquet")):
        return f"{text}: a table, not a volume; read_table reads it"
    reason = f" ({found.damaged[0][1]})" if found.damaged else ""
    return f"{text}: neither NIfTI nor DICOM{reason}, nor a PNG, JPEG or TIFF image"


def _names(files: list[str]) -> str:
    shown = ", ".join(os.path.basename(file) for file in files[:LISTED])  # noqa: PTH119
    return shown + (f" and {len(files) - LISTED} more" if len(files) > LISTED else "")
