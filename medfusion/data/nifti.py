"""NIfTI volumes: read by the Rust core, written by nibabel.

NIfTI-1 and NIfTI-2 (https://nifti.nimh.nih.gov), as .nii, .nii.gz or pairs of .hdr and .img, in
both byte orders. What a file is, its bytes say, never its name. Placement, scaling and repairs of
the header are nibabel's; in addition the affine is turned to LPS mm, and what nibabel would pass
over is refused: wrong checksums, an affine that is singular or not finite, bytes that are missing.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data import nifti_foreign
from medfusion.data.volume import Source, Volume, orientation_of
from medfusion.errors import StorageError, VolumeReadError

__all__ = ["Region", "nifti_facts", "read_nifti", "read_nifti_batch", "write_nifti"]

Region = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Start and end (behind the last voxel) along D, H and W."""

_NAMED = 10
"""Files that an error message names; more would bury what it says."""

_INSTEAD = {"bool": "uint8", "float16": "float32"}
"""What is written of types that NIfTI does not have."""

_SHORT = np.iinfo(np.int16).max
"""The largest dimension of NIfTI-1; NIfTI-2 is written for larger ones."""


def read_nifti(
    path: str | os.PathLike[str], *, dtype: str = "float32", region: Region | None = None
) -> Volume:
    """Read a NIfTI volume, or a region of it.

    Args:
        path: A .nii or .nii.gz file, or either half of a pair of .hdr and .img.
        dtype: "float32"; "native" for the stored type where there is no scaling, else float32; or
            any NumPy float or integer type that holds the values.
        region: Read only these voxels, such as `((0, 32), (0, 64), (10, 74))` along D, H and W;
            every point in time and channel of them. The affine is moved along. Of an uncompressed
            file only their rows are read.

    Returns:
        The volume, `[D, H, W]`, with time and channels in front where longer than one. RGB is
        three channels. Stored values are scaled by slope and intercept in double precision.

    Raises:
        VolumeReadError: The file is missing, damaged or of an unsupported kind, the type does not
            hold the values, or the region is not within the volume.
        ValueError: `dtype` is no type of numbers.

    Example:
        >>> volume = read_nifti("scan.nii.gz")  # doctest: +SKIP
        >>> volume.axes, volume.spacing  # doctest: +SKIP
        ('DHW', (0.8, 0.8, 2.0))
    """
    wanted, final = _types(dtype)
    with _errors(path):
        try:
            array, facts = _rust.read_nifti(path, wanted, region)
        except _rust.NiftiForeignError as error:
            array, facts = nifti_foreign.read(path, str(error), wanted, region)
    affine = np.array(facts["affine"])
    if region is not None:
        affine[:3, 3] += affine[:3, :3] @ [start for start, _ in reversed(region)]
    return Volume(
        array if final is None else _narrow(array, final, path),
        affine,
        axes=facts["axes"],
        labels=facts["labels"],
        interval=facts["interval"],
        source=Source(
            path=os.fspath(path),
            format=_format(facts),
            files=facts["files"],
            reader=facts.get("reader", "medfusion"),
            notes=facts["notes"],
        ),
    )


def nifti_facts(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the header of a NIfTI file says; the voxels are not read.

    Args:
        path: A .nii or .nii.gz file, or either half of a pair of .hdr and .img.

    Returns:
        `format`, `files`, `shape`, `axes`, `dtype` (as stored), `spacing` (mm), `orientation`,
        `affine` (to LPS mm), `affine_from` ("sform", "qform" or "base"), `scaling` (slope and
        intercept, or None), `interval` (seconds, or None), `labels`, `big_endian`, `reader` and
        `notes`. Texts that may name a patient are left out.

    Raises:
        VolumeReadError: The file is missing, or its header is damaged or unsupported.

    Example:
        >>> nifti_facts("scan.nii.gz")["shape"]  # doctest: +SKIP
        (128, 256, 256)
    """
    with _errors(path):
        try:
            facts = _rust.nifti_facts(path)
        except _rust.NiftiForeignError as error:
            facts = nifti_foreign.facts(path, str(error))
    affine = np.array(facts["affine"])
    return {
        "format": _format(facts),
        "files": facts["files"],
        "shape": facts["shape"],
        "axes": facts["axes"],
        "dtype": facts["dtype"],
        "spacing": tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist()),
        "orientation": orientation_of(affine),
        "affine": affine,
        "affine_from": facts["affine_from"],
        "scaling": facts["scaling"],
        "interval": facts["interval"],
        "labels": facts["labels"],
        "big_endian": facts["big_endian"],
        "reader": facts.get("reader", "medfusion"),
        "notes": facts["notes"],
    }


def read_nifti_batch(
    paths: Sequence[str | os.PathLike[str]], out: NDArray[np.float32], *, threads: int = 0
) -> NDArray[np.float64]:
    """Read volumes of one shape straight into the memory of `out`, several at a time.

    Args:
        paths: One file for each volume of `out`.
        out: C-contiguous float32 `[N, D, H, W]` to write into; use it again for the next batch.
        threads: Threads that read; 0 takes all cores. The result is the same for any number.

    Returns:
        The affines, float64 `[N, 4, 4]`, voxel (i, j, k, 1) to LPS in mm.

    Raises:
        VolumeReadError: Files cannot be read, or have another shape; the others are in `out`.
        TypeError: `out` is no float32 array of at least 4 dimensions.
        ValueError: `out` is not writeable or not C-contiguous, or has another number of volumes.

    Example:
        >>> batch = np.empty((2, 64, 64, 64), np.float32)
        >>> read_nifti_batch(["a.nii.gz", "b.nii.gz"], batch).shape  # doctest: +SKIP
        (2, 4, 4)
    """
    found = _rust.read_nifti_batch(paths, out, threads)
    failed = [
        f"{os.fspath(path)!r}: {reason}"
        for path, reason in zip(paths, found, strict=True)
        if isinstance(reason, str)
    ]
    if failed:
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        plural = "s" if len(failed) > 1 else ""
        msg = f"cannot read {len(failed)} volume{plural}: {'; '.join(failed[:_NAMED])}{more}"
        raise VolumeReadError(msg)
    return np.array(found, dtype=np.float64).reshape(len(found), 4, 4)


def write_nifti(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write a volume as a NIfTI file: the whole file is there in the end, or the old one still is.

    Values are stored as they are, without scaling (bool as uint8, float16 as float32). The affine
    is stored as sform in mm, and as qform too where it is without shear; NIfTI-1 has it in single
    precision. NIfTI-2 is written where an axis is longer than 32 767.

    Args:
        volume: Any volume. Axes T and C of length one are not kept.
        path: A name that ends in .nii or .nii.gz.

    Raises:
        StorageError: The file cannot be written, its name ends otherwise, or NIfTI has no such
            type of values.

    Example:
        >>> write_nifti(volume, "mask.nii.gz")  # doctest: +SKIP
    """
    target = Path(path)
    suffix = next((end for end in (".nii.gz", ".nii") if target.name.lower().endswith(end)), None)
    if suffix is None:
        msg = f"cannot write the volume {os.fspath(path)!r}: give a name ending in .nii or .nii.gz"
        raise StorageError(msg)
    image = _image(volume, path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        image.to_filename(name)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        msg = f"cannot write the volume {os.fspath(path)!r}: {error.strerror or error}"
        raise StorageError(msg) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _image(volume: Volume, path: str | os.PathLike[str]) -> Any:
    """Return nibabel's image of a volume."""
    nib: Any = importlib.import_module("nibabel")
    stored = _INSTEAD.get(volume.array.dtype.name, volume.array.dtype)
    # NIfTI's axes are i, j, k, time and channel; the array's are the reverse, but for the last two.
    values = np.transpose(volume.array.astype(stored, copy=False))
    if volume.axes == "CDHW":
        values = values[:, :, :, np.newaxis, :]
    elif volume.axes == "TCDHW":
        values = values.swapaxes(3, 4)
    kind = nib.Nifti2Image if max(values.shape) > _SHORT else nib.Nifti1Image
    header = kind.header_class()
    try:
        header.set_data_dtype(values.dtype)
    except (nib.spatialimages.HeaderDataError, ValueError) as error:
        msg = f"cannot write the volume {os.fspath(path)!r}: NIfTI has no {values.dtype} values"
        raise StorageError(msg) from error
    header.set_data_shape(values.shape)
    affine = volume.ras_affine
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner")
    if not np.allclose(header.get_qform()[:3, :3], affine[:3, :3], atol=1e-4 * max(volume.spacing)):
        header.set_qform(None, code="unknown")
    header.set_xyzt_units("mm", "sec" if volume.interval else "unknown")
    if volume.interval:
        header["pixdim"][4] = volume.interval
    if volume.labels:
        header.set_intent("label")
    elif "C" in volume.axes:
        header.set_intent("vector")
    return kind(values, None, header)


def _types(dtype: str) -> tuple[str, np.dtype[Any] | None]:
    """Return the type to ask the Rust core for, and the one to turn it into, if another."""
    if dtype == "native":
        return dtype, None
    kind = np.dtype(dtype)
    if kind.kind not in "iuf":
        msg = f"dtype is {dtype!r}: give 'native' or a NumPy type of floats or integers"
        raise ValueError(msg)
    if kind.itemsize == np.dtype(np.float16).itemsize and kind.kind == "f":
        return "float32", np.dtype(np.float16)
    if kind.itemsize > np.dtype(np.float64).itemsize:
        return "float64", kind
    return kind.name, None


def _narrow(
    array: NDArray[Any], dtype: np.dtype[Any], path: str | os.PathLike[str]
) -> NDArray[Any]:
    """Return the array in a type that the Rust core does not have, if it holds the values."""
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    if np.isinf(narrow).sum() != np.isinf(array).sum():
        msg = f"cannot read the volume {os.fspath(path)!r}: {dtype} does not hold its values"
        raise VolumeReadError(msg)
    return narrow


def _format(facts: dict[str, Any]) -> str:
    """Return such as "NIfTI-1 .nii.gz"."""
    if "reader" in facts:
        return str(facts["format"])
    ending = ".nii" if len(facts["files"]) == 1 else ".hdr/.img"
    return f"{facts['format']} {ending}{'.gz' if facts['compressed'] else ''}"


@contextlib.contextmanager
def _errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in what the Rust core says."""
    try:
        yield
    except (_rust.NiftiReadError, MemoryError) as error:
        msg = f"cannot read the volume {os.fspath(path)!r}: {error}"
        raise VolumeReadError(msg) from error
