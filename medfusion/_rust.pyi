import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ImageDecodeError",
    "__version__",
    "auc",
    "augment_images",
    "bootstrap_auc",
    "bootstrap_concordance",
    "build_profile",
    "calibration_bins",
    "check_images",
    "concordance",
    "decode_images",
    "delong",
    "hash_files",
    "near_pairs",
    "perceptual_hashes",
    "permute_auc",
    "probe_image",
    "read_image",
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
def perceptual_hashes(
    paths: Sequence[str | os.PathLike[str]], threads: int = 0
) -> list[int | str | None]: ...
def near_pairs(
    hashes: NDArray[np.uint64], threshold: int, limit: int = 10_000, threads: int = 0
) -> tuple[list[tuple[int, int, int]], int]: ...
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
