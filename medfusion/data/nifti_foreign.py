"""Volumes that only nibabel reads: FreeSurfer MGH, Analyze 7.5, and bzip2-compressed NIfTI.

The Rust core names these kinds; damaged NIfTI files never come here. The result says that nibabel
was the reader.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.volume import LPS_FROM_RAS
from medfusion.errors import VolumeReadError

_FREE = 400 << 20
"""Bytes that any file may take in memory, however small it is."""

_RATIO = 20
"""Bytes in memory for each byte of a file, beyond that."""


def read(
    path: str | os.PathLike[str],
    kind: str,
    dtype: str,
    region: tuple[tuple[int, int], ...] | None,
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Read a volume with nibabel.

    Args:
        path: The file.
        kind: What the Rust core says it is.
        dtype: "native", or the name of a NumPy type.
        region: Start and end along D, H and W, or None.

    Returns:
        The array `[D, H, W]` or `[T, D, H, W]`, and facts as those of the Rust core.

    Raises:
        VolumeReadError: The file is damaged, or nibabel does not read it either.
    """
    with _errors(path, kind):
        image, facts = _open(path, kind)
        depth, height, width = facts["shape"][-3:]
        region = region or ((0, depth), (0, height), (0, width))
        for (start, end), size in zip(region, (depth, height, width), strict=True):
            if not 0 <= start < end <= size:
                msg = f"cannot read the volume {os.fspath(path)!r}: {start}:{end} of 0:{size}"
                raise VolumeReadError(msg)
        values = image.dataobj[tuple(slice(*bounds) for bounds in reversed(region))]
        array = np.transpose(values.reshape(*values.shape[:3], -1)).squeeze(
            0 if facts["axes"] == "DHW" else ()
        )
        if dtype == "native":
            return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")), facts
        wanted = np.dtype(dtype)
        with np.errstate(all="ignore"):
            converted = np.ascontiguousarray(array, dtype=wanted)
        if wanted.kind != "f" and not np.array_equal(converted, array):
            msg = f"cannot read the volume {os.fspath(path)!r}: {dtype} does not hold its values"
            raise VolumeReadError(msg)
        return converted, facts


def facts(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Return what nibabel says of a file's header, as the Rust core says it.

    Args:
        path: The file.
        kind: What the Rust core says it is.

    Raises:
        VolumeReadError: The file is damaged, or nibabel does not read it either.
    """
    with _errors(path, kind):
        return _open(path, kind)[1]


def _open(path: str | os.PathLike[str], kind: str) -> tuple[Any, dict[str, Any]]:
    """Return nibabel's image, once its header is known to be sane."""
    nib: Any = importlib.import_module("nibabel")
    image = nib.load(path)
    shape = tuple(map(int, image.shape))
    files = tuple(dict.fromkeys(holder.filename for holder in image.file_map.values()))
    files = tuple(name for name in files if name and Path(name).is_file())
    stored = image.get_data_dtype()
    # The file may be compressed; what it unpacks to is bounded by its size all the same.
    declared = math.prod(shape) * max(stored.itemsize, 8)
    held = sum(Path(name).stat().st_size for name in files)
    if min(shape) < 1 or declared > max(_FREE, _RATIO * held):
        msg = f"shape {shape} from a file of {held} bytes"
        raise ValueError(msg)
    *_, last = (*shape, 1, 1, 1, 1)[:4]
    if len(shape) > len("TDHW") and math.prod(shape[4:]) > 1:
        msg = f"{len(shape)} dimensions"
        raise ValueError(msg)
    if stored.kind not in "iuf":
        msg = f"values of type {stored}"
        raise ValueError(msg)
    size = (*shape, 1, 1, 1)[:3][::-1]
    affine = LPS_FROM_RAS @ image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < np.finfo(float).tiny:
        msg = "the affine is singular or not finite"
        raise ValueError(msg)
    notes = [f"{kind} was read by nibabel {nib.__version__}"]
    if kind.startswith("Analyze"):
        notes.append("Analyze 7.5 does not say which side is left: nibabel's convention is taken")
    return image, {
        "format": kind if kind != "bzip2" else f"{type(image).__name__}, bzip2",
        "files": files,
        "shape": size if last == 1 else (last, *size),
        "axes": "DHW" if last == 1 else "TDHW",
        "dtype": stored.name,
        "big_endian": stored.byteorder == ">",
        "scaling": None,
        "affine": affine,
        "affine_from": "nibabel",
        "interval": None,
        "labels": False,
        "notes": tuple(notes),
        "reader": "nibabel",
    }


@contextmanager
def _errors(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Turn whatever nibabel raises on a damaged file into the one error, and keep it quiet."""
    logger = logging.getLogger("nibabel.global")
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            except VolumeReadError:
                raise
            except Exception as error:  # noqa: BLE001 - nibabel has no one type of error
                msg = f"cannot read the volume {os.fspath(path)!r} ({kind}) with nibabel: {error}"
                # nibabel leaves files open in the frames that failed: they are closed here.
                traceback.clear_frames(error.__traceback__)
            else:
                return
    finally:
        logger.setLevel(level)
    raise VolumeReadError(msg)
