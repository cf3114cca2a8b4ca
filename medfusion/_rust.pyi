import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ImageDecodeError",
    "NiftiForeignError",
    "NiftiReadError",
    "__version__",
    "add_patches",
    "auc",
    "augment_images",
    "bootstrap_auc",
    "build_profile",
    "check_images",
    "count_classes",
    "cut_label_patches",
    "cut_patches",
    "decode_images",
    "equalize_slices",
    "foreground_bounds",
    "hash_files",
    "match_histogram",
    "nifti_facts",
    "orient_volume",
    "probe_image",
    "random_stream",
    "random_uniform",
    "read_image",
    "read_nifti",
    "read_nifti_batch",
    "resample_nearest",
    "resample_volume",
    "rescale_values",
    "value_moments",
    "value_quantiles",
    "value_range",
]

__version__: Final[str]
build_profile: Final[str]

class ImageDecodeError(ValueError): ...

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
