"""A textured background with one planted lesion, on a grid of any number of dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RADIUS = 0.15
RADIUS_PER_SD = 0.035
CONTRAST = 0.4
BRIGHTNESS = 0.35
TEXTURE = 0.05

_FARTHEST = 3.0
_ELONGATION = 0.15
_EDGE = 0.8
_MARGIN = 0.3


def texture(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a smooth random pattern with mean 0 and standard deviation 1.

    White noise whose amplitude falls with the 1.5th power of the spatial frequency, as in
    natural images.

    Args:
        rng: The generator.
        shape: Points along each axis, [H, W] or [D, H, W].
    """
    waves = np.fft.rfftn(rng.standard_normal(shape))
    axes = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    squared = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))
    squared = np.asarray(squared)
    squared.flat[0] = np.inf  # no mean: overall brightness must not hide the lesion's size
    pattern: NDArray[np.float64] = np.fft.irfftn(
        waves * squared**-0.75, s=shape, axes=tuple(range(len(shape)))
    )
    pattern /= pattern.std()
    return pattern


def lesion(
    rng: np.random.Generator, shape: tuple[int, ...], signal: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return a lesion with soft edges (0..1) and its mask, at a random place.

    Its mean radius is 0.15 of the shortest side, and 0.035 more per unit of the signal.

    Args:
        rng: The generator.
        shape: Points along each axis.
        signal: What the lesion's size tells, in standard deviations; beyond 3 it is cut off.
    """
    side = min(shape)
    radius = side * (RADIUS + RADIUS_PER_SD * float(np.clip(signal, -_FARTHEST, _FARTHEST)))
    centre = np.array(shape) * rng.uniform(_MARGIN, 1 - _MARGIN, len(shape))
    stretch = rng.standard_normal(len(shape)) * _ELONGATION
    axes = radius * np.exp(stretch - stretch.mean())  # longer one way, never larger in all
    grid = np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij", sparse=True)
    squared = sum(
        ((place - middle) / axis) ** 2
        for place, middle, axis in zip(grid, centre, axes, strict=True)
    )
    distance = np.sqrt(np.asarray(squared))
    soft = 1 / (1 + np.exp(np.clip((distance - 1) * radius / _EDGE, -50, 50)))
    return soft, distance <= 1


def render(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    signal: float,
    *,
    brightness: float = 0.0,
    noise: float = 0.05,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return an image with one lesion and the lesion's mask.

    Args:
        rng: The generator.
        shape: Points along each axis, [H, W] or [D, H, W].
        signal: What the lesion's size tells, in standard deviations.
        brightness: Added to the whole image, on the 0..1 scale, as one scanner differs.
        noise: Standard deviation of the noise, on the 0..1 scale.
    """
    soft, mask = lesion(rng, shape, signal)
    image = BRIGHTNESS + brightness + TEXTURE * texture(rng, shape) + CONTRAST * soft
    image += noise * rng.standard_normal(shape)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8), mask
