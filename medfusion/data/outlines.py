"""Pictures of images with the outlines of regions drawn over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

REFERENCE: Colour = (86, 180, 233)
PREDICTION: Colour = (213, 94, 0)
BOTH: Colour = (240, 228, 66)
"""Of outlines, from Okabe and Ito's palette (https://jfly.uni-koeln.de/color/)."""

CLASS_COLOURS: tuple[Colour, ...] = (
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Of classes in mask files; the first is the background."""

_SIDE = 192


def colours_of(classes: int) -> list[Colour]:
    """Return one colour a class; beyond the palette shades of grey.

    >>> colours_of(2)
    [(0, 0, 0), (230, 159, 0)]
    """
    more = classes - len(CLASS_COLOURS)
    greys = [(level, level, level) for level in np.linspace(90, 250, max(more, 0)).astype(int)]
    return [*CLASS_COLOURS[:classes], *((int(r), int(g), int(b)) for r, g, b in greys)]


def draw_outlines(
    image: NDArray[np.float32], reference: NDArray[np.uint8], prediction: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return an image with the outlines of both segmentations, uint8 [h, w, 3].

    Small images are enlarged by a whole number; outlines stay one pixel wide.

    Args:
        image: Samples from 0 to 1, [C, H, W], C 1 or 3.
        reference: Classes, [H, W]; pixels of 255 belong to none.
        prediction: Classes, [H, W].

    Example:
        >>> labels = np.zeros((8, 8), np.uint8)
        >>> labels[2:5, 2:5] = 1
        >>> draw_outlines(np.zeros((1, 8, 8), np.float32), labels, labels).shape
        (192, 192, 3)
    """
    scale = max(1, -(-_SIDE // max(reference.shape)))
    samples = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    picture = _enlarged(
        np.moveaxis(np.broadcast_to(samples, (3, *samples.shape[1:])), 0, -1), scale
    )
    lines = [_outline(_enlarged(labels, scale)) for labels in (reference, prediction)]
    picture = picture.copy()
    picture[lines[0]] = REFERENCE
    picture[lines[1]] = PREDICTION
    picture[lines[0] & lines[1]] = BOTH
    return picture


def _enlarged(pixels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def _outline(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of regions that touch another class."""
    from medfusion.data.masks import IGNORE

    padded = np.pad(labels, 1, mode="edge")
    centre = padded[1:-1, 1:-1]
    others = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = np.zeros(labels.shape, dtype=bool)
    for other in others:
        edge |= other != centre
    outline: NDArray[np.bool_] = edge & (labels > 0) & (labels != IGNORE)
    return outline
