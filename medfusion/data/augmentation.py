"""Random changes of training images: one affine map and a change of brightness and contrast.

What a subject gets depends on the seed, the epoch and the row alone (a counter-based generator,
Philox, https://doi.org/10.1145/2063384.2063405), so it is the same in any batch, with any number
of threads, and after a resume.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion.spec.data import Augmentation

DRAWS = 8
_STREAM = 1


def draw(seed: int, epoch: int, view: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the random numbers of rows, float64 [B, 8] in [0, 1).

    Args:
        seed: Seed of the run.
        epoch: Epoch from 0.
        view: Position of the view.
        rows: int64 [B].

    Example:
        >>> bool((draw(1, 0, 0, np.array([5, 9]))[1] == draw(1, 0, 0, np.array([9]))[0]).all())
        True
    """
    key = np.array([seed, _STREAM], dtype=np.uint64)
    numbers = np.empty((len(rows), DRAWS), dtype=np.uint64)
    for index, row in enumerate(rows.tolist()):
        counter = np.array([0, row, epoch, view], dtype=np.uint64)
        numbers[index] = np.random.Philox(key=key, counter=counter).random_raw(DRAWS)
    return (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Changes(NamedTuple):
    """What happens to each image of a batch; `_rust.normalise_samples` does it."""

    theta: NDArray[np.float32]
    """`[B, 2, 3]`, from a place in the result to its place in the image, both in -1..1, x first."""
    brightness: NDArray[np.float32]
    """`[B]`, factor on the samples before they are normalised."""
    contrast: NDArray[np.float32]
    """`[B]`, factor on the distance to the channel's mean."""


def changes(
    spec: Augmentation, numbers: NDArray[np.float64], size: tuple[int, int]
) -> Changes | None:
    """Return how images are changed, None where nothing is asked for.

    Args:
        spec: How far the changes go.
        numbers: What `draw` gave, `[B, 8]`.
        size: Height and width of the images.

    Example:
        >>> changes(Augmentation(), draw(1, 0, 0, np.array([5])), (64, 64)).theta.shape
        (1, 2, 3)
    """
    flips = {"none": (0, 0), "horizontal": (1, 0), "vertical": (0, 1), "both": (1, 1)}[spec.flip]
    moved = any(flips) or spec.rotate or spec.scale or spec.shift
    if not moved and not spec.intensity:
        return None
    factors = (1 + spec.intensity * (2 * numbers[:, 6:8] - 1)).astype(np.float32)
    return Changes(
        _affine(spec, numbers, flips, size[1] / size[0]),
        np.ascontiguousarray(factors[:, 0]),
        np.ascontiguousarray(factors[:, 1]),
    )


def _affine(
    spec: Augmentation, numbers: NDArray[np.float64], flips: tuple[int, int], aspect: float
) -> NDArray[np.float32]:
    """Return the maps of a batch, `[B, 2, 3]`."""
    either = 2 * numbers - 1
    mirror_x = np.where(flips[0] * (numbers[:, 0] >= 0.5), -1.0, 1.0)
    mirror_y = np.where(flips[1] * (numbers[:, 1] >= 0.5), -1.0, 1.0)
    angle = np.deg2rad(spec.rotate) * either[:, 2]
    size = 1 + spec.scale * either[:, 3]
    theta = np.empty((len(numbers), 2, 3))
    theta[:, 0, 0] = mirror_x * np.cos(angle) / size
    theta[:, 0, 1] = -mirror_x * np.sin(angle) / size / aspect
    theta[:, 1, 0] = mirror_y * np.sin(angle) / size * aspect
    theta[:, 1, 1] = mirror_y * np.cos(angle) / size
    theta[:, 0, 2] = 2 * spec.shift * either[:, 4]
    theta[:, 1, 2] = 2 * spec.shift * either[:, 5]
    return theta.astype(np.float32)
