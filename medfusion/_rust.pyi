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
    "NiftiForeignError",
    "NiftiReadError",
    "__version__",
    "add_patches",
    "auc",
    "bootstrap_auc",
    "bootstrap_concordance",
    "build_profile",
    "calibration_bins",
    "check_images",
    "checksums",
    "concordance",
    "count_classes",
    "cut_label_patches",
    "cut_patches",
    "decode_frame",
    "decode_images",
    "decode_samples",
    "delong",
    "dicom_headers",
    "equalize_slices",
    "file_stamps",
    "foreground_bounds",
    "hash_files",
    "match_histogram",
    "move_labels",
    "near_pairs",
    "nifti_facts",
    "normalise_samples",
    "orient_volume",
    "perceptual_hashes",
    "permute_auc",
    "probe_image",
    "random_stream",
    "random_uniform",
    "read_dicom_frames",
    "read_dicom_pixels",
    "read_image",
    "read_labels",
    "read_nifti",
    "read_nifti_batch",
    "resample_nearest",
    "resample_volume",
    "rescale_values",
    "resize_samples",
    "show_dicom",
    "value_moments",
    "value_quantiles",
    "value_range",
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
def read_image(path: str | os.PathLike[str]) -> NDArray[Any]: ...
def read_labels(path: str | os.PathLike[str]) -> NDArray[Any]: ...
def probe_image(path: str | os.PathLike[str]) -> tuple[int, int, int, int]: ...
def check_images(paths: Sequence[str | os.PathLike[str]], threads: int = 0) -> list[str | None]: ...
def perceptual_hashes(
    paths: Sequence[str | os.PathLike[str]], threads: int = 0
) -> list[int | str | None]: ...
def near_pairs(
    hashes: NDArray[np.uint64], threshold: int, limit: int = 10_000, threads: int = 0
) -> tuple[list[tuple[int, int, int]], int]: ...
def hash_files(paths: Sequence[str | os.PathLike[str]], threads: int = 0) -> list[str | None]: ...
def decode_samples(
    paths: Sequence[str | os.PathLike[str]],
    channels: int,
    height: int,
    width: int,
    threads: int = 0,
) -> list[NDArray[Any] | str]: ...
def resize_samples(image: NDArray[Any], channels: int, height: int, width: int) -> NDArray[Any]: ...
def normalise_samples(
    images: Sequence[NDArray[Any] | None],
    out: NDArray[np.float32],
    mean: Sequence[float],
    std: Sequence[float],
    theta: NDArray[np.float32] | None = None,
    brightness: NDArray[np.float32] | None = None,
    contrast: NDArray[np.float32] | None = None,
    threads: int = 0,
) -> None: ...
def move_labels(
    labels: Sequence[NDArray[np.uint8] | None],
    out: NDArray[np.uint8],
    theta: NDArray[np.float32] | None = None,
    threads: int = 0,
) -> None: ...
def checksums(blocks: Sequence[NDArray[np.uint8]], threads: int = 0) -> list[int]: ...
def file_stamps(
    paths: Sequence[str | os.PathLike[str]],
) -> list[tuple[int, int, int, int] | None]: ...

class NiftiReadError(ValueError): ...
class NiftiForeignError(NiftiReadError): ...

def read_nifti(
    path: str | os.PathLike[str],
    dtype: str = "float32",
    region: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = None,
) -> tuple[NDArray[Any], dict[str, Any]]: ...
def nifti_facts(path: str | os.PathLike[str]) -> dict[str, Any]: ...
def read_nifti_batch(
    paths: Sequence[str | os.PathLike[str]],
    out: NDArray[np.float32],
    threads: int = 0,
) -> list[list[list[float]] | str]: ...
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
def cut_patches(
    sources: Sequence[NDArray[Any]],
    out: NDArray[np.float32],
    maps: NDArray[np.float64],
    steps: Sequence[Sequence[tuple[str, Sequence[float]]]],
    fields: Sequence[tuple[NDArray[np.float32], Sequence[float]] | None] | None = None,
    outside: Sequence[float | None] | None = None,
    threads: int = 0,
) -> None: ...
def cut_label_patches(
    sources: Sequence[NDArray[Any]],
    out: NDArray[Any],
    maps: NDArray[np.float64],
    fields: Sequence[tuple[NDArray[np.float32], Sequence[float]] | None] | None = None,
    outside: Sequence[int | None] | None = None,
    threads: int = 0,
) -> None: ...
def count_classes(
    labels: NDArray[Any], classes: Sequence[int], threads: int = 0
) -> NDArray[np.uint32]: ...
def add_patches(
    patches: NDArray[np.float32],
    origins: NDArray[np.int64],
    weights: Sequence[NDArray[np.float32]],
    mean: NDArray[np.float32],
    weight: NDArray[np.float32],
    threads: int = 0,
) -> None: ...
def random_stream(
    seed: int, epoch: int, sample: int, purpose: int
) -> tuple[int, int, int, int]: ...
def random_uniform(stream: tuple[int, int, int, int], count: int) -> NDArray[np.float64]: ...
def orient_volume(
    volume: NDArray[Any],
    out: NDArray[Any],
    axes: tuple[int, int, int],
    flips: tuple[bool, bool, bool],
    threads: int = 0,
) -> None: ...
def resample_volume(
    volume: NDArray[Any],
    out: NDArray[np.float32],
    matrix: NDArray[np.float64],
    outside: float | None = None,
    clip: tuple[float, float] | None = None,
    normalise: str | None = None,
    to: tuple[float, float] = ...,
    per_item: bool = True,
    threads: int = 0,
) -> list[tuple[float, float]]: ...
def resample_nearest(
    volume: NDArray[Any],
    out: NDArray[Any],
    matrix: NDArray[np.float64],
    outside: int | None = None,
    threads: int = 0,
) -> None: ...
def foreground_bounds(
    volume: NDArray[Any], above: float, threads: int = 0
) -> list[list[int]] | None: ...
def value_range(values: NDArray[Any], threads: int = 0) -> tuple[float, float] | None: ...
def value_moments(
    values: NDArray[Any],
    mask: NDArray[np.uint8] | None = None,
    nonzero: bool = False,
    threads: int = 0,
) -> tuple[int, float, float] | None: ...
def value_quantiles(
    values: NDArray[Any], fractions: Sequence[float], threads: int = 0
) -> list[float] | None: ...
def rescale_values(
    values: NDArray[Any],
    out: NDArray[np.float32] | None,
    subtract: float = 0.0,
    divide: float = 1.0,
    clamp: tuple[float, float] | None = None,
    multiply: float = 1.0,
    add: float = 0.0,
    keep_zero: bool = False,
    threads: int = 0,
) -> None: ...
def match_histogram(
    values: NDArray[Any],
    out: NDArray[np.float32],
    reference: NDArray[np.float64],
    fractions: NDArray[np.float64],
    threads: int = 0,
) -> None: ...
def equalize_slices(
    values: NDArray[np.float32],
    out: NDArray[np.float32],
    size: tuple[int, int],
    tiles: tuple[int, int],
    clip: float,
    bins: int,
    low: float,
    high: float,
    threads: int = 0,
) -> None: ...
def delong(
    target: NDArray[np.uint8], scores: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def permute_auc(
    target: NDArray[np.uint8],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    group: NDArray[np.int64] | None,
    permutations: int,
    seed: int,
    threads: int = 0,
) -> tuple[float, int]: ...
def concordance(
    time: NDArray[np.float64], event: NDArray[np.uint8], risk: NDArray[np.float64]
) -> tuple[int, int, int]: ...
def bootstrap_concordance(
    time: NDArray[np.float64],
    event: NDArray[np.uint8],
    risk: NDArray[np.float64],
    group: NDArray[np.int64] | None,
    replicates: int,
    seed: int,
    stratified: bool = False,
    threads: int = 0,
) -> NDArray[np.float64]: ...
def calibration_bins(
    target: NDArray[np.uint8], prob: NDArray[np.float64], bins: int, quantile: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
