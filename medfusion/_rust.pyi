import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DicomReadError",
    "DicomUnsupportedError",
    "FrameDecodeError",
    "ImageDecodeError",
    "__version__",
    "auc",
    "augment_images",
    "bootstrap_auc",
    "build_profile",
    "check_images",
    "decode_frame",
    "decode_images",
    "dicom_headers",
    "hash_files",
    "probe_image",
    "read_dicom_frames",
    "read_dicom_pixels",
    "read_image",
    "show_dicom",
]

__version__: Final[str]
build_profile: Final[str]

class FrameDecodeError(ValueError): ...
class ImageDecodeError(ValueError): ...
class DicomReadError(ValueError): ...
class DicomUnsupportedError(DicomReadError): ...

def decode_frame(
    codec: str,
    data: bytes,
    rows: int,
    columns: int,
    samples: int = 1,
    bits_allocated: int = 16,
    bits_stored: int = 16,
    signed: bool = False,
) -> NDArray[Any]: ...
def decode_images(
    paths: Sequence[str | os.PathLike[str]],
    out: NDArray[np.float32],
    mean: Sequence[float],
    std: Sequence[float],
    threads: int = 0,
) -> list[tuple[int, str]]: ...
def augment_images(
    images: NDArray[np.float32],
    out: NDArray[np.float32],
    theta: NDArray[np.float32],
    brightness: NDArray[np.float32],
    contrast: NDArray[np.float32],
    offset: NDArray[np.float32],
    threads: int = 0,
) -> None: ...
def read_image(path: str | os.PathLike[str]) -> NDArray[Any]: ...
def probe_image(path: str | os.PathLike[str]) -> tuple[int, int, int, int]: ...
def check_images(paths: Sequence[str | os.PathLike[str]], threads: int = 0) -> list[str | None]: ...
def hash_files(paths: Sequence[str | os.PathLike[str]], threads: int = 0) -> list[str | None]: ...
def auc(target: NDArray[np.uint8], score: NDArray[np.float64]) -> float: ...
def bootstrap_auc(
    target: NDArray[np.uint8],
    score: NDArray[np.float64],
    group: NDArray[np.int64] | None,
    replicates: int,
    seed: int,
    stratified: bool = False,
    threads: int = 0,
) -> NDArray[np.float64]: ...
def dicom_headers(
    paths: Sequence[str | os.PathLike[str]], threads: int = 0
) -> list[dict[str, Any] | str]: ...
def read_dicom_frames(
    items: Sequence[tuple[str | os.PathLike[str], int]],
    out: NDArray[Any],
    scale: tuple[Sequence[float], Sequence[float]] | None = None,
    threads: int = 0,
) -> list[tuple[int, str]]: ...
def read_dicom_pixels(
    path: str | os.PathLike[str], frames: Sequence[int] | None = None
) -> NDArray[Any]: ...
def show_dicom(
    path: str | os.PathLike[str],
    frame: int = 0,
    window: tuple[float, float] | None = None,
    stored: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]: ...
