"""Images that look alike though their bytes differ: saved anew, scaled, brightened, slightly cut.

Each image has a perceptual hash of 64 bits (Zauner 2010, Implementation and Benchmarking of
Perceptual Image Hash Functions). Pairs whose hashes differ in few bits are looked at once more:
their thumbnails must correlate. Among the 2183 lesions of a subset of HAM10000
(https://doi.org/10.1038/sdata.2018.161), 99 of 2.4 million pairs pass the first test and none the
second; of the same images saved as JPEG of quality 75 both find all, cut by 2 % on each side 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust

BITS = 8
"""Bits of 64 in which the hashes of a pair may differ."""

CORRELATION = 0.98
"""How alike the thumbnails of a pair must be: Pearson's correlation of their levels."""

PAIRS_AT_MOST = 10_000
"""Pairs that get the second look; a data set with more is alike as a whole."""

_SIDE = 32
_AT_ONCE = 1024


class Alike(NamedTuple):
    """Two images that look alike.

    Attributes:
        first: Position of the first.
        second: Position of the second, above the first.
        bits: Bits in which their hashes differ.
        correlation: Correlation of their thumbnails.
    """

    first: int
    second: int
    bits: int
    correlation: float


def near_duplicates(files: Sequence[str], threads: int = 0) -> list[Alike]:
    """Return the pairs of image files that look alike, in the order of the files.

    All pairs are compared, so time grows with the square of the number of files: seconds for a
    hundred thousand, once their hashes are known. Images of one level, and such as cannot be
    read, are like no other.

    Args:
        files: Image files, no content twice.
        threads: Threads; 0 takes all cores.

    Example:
        >>> near_duplicates(["photo.png", "photo-small.jpg"])  # doctest: +SKIP
        [Alike(first=0, second=1, bits=2, correlation=0.9971)]
    """
    looks = [
        (number, found)
        for number, found in enumerate(_rust.perceptual_hashes(files, threads))
        if isinstance(found, int)
    ]
    hashes = np.array([found for _, found in looks], dtype=np.uint64)
    candidates, _ = _rust.near_pairs(hashes, BITS, PAIRS_AT_MOST, threads)
    pairs = [(looks[a][0], looks[b][0], bits) for a, b, bits in candidates]
    wanted = sorted({number for a, b, _ in pairs for number in (a, b)})
    thumbnails = _thumbnails([files[number] for number in wanted], threads)
    place = {number: row for row, number in enumerate(wanted)}
    found = []
    for a, b, bits in pairs:
        correlation = float(thumbnails[place[a]] @ thumbnails[place[b]])
        if correlation >= CORRELATION:
            found.append(Alike(a, b, bits, min(correlation, 1.0)))
    return found


def _thumbnails(files: Sequence[str], threads: int) -> NDArray[np.float64]:
    """Return small grey images without their mean and of length 1, [n, pixels]."""
    rows = np.empty((len(files), _SIDE * _SIDE))
    for start in range(0, len(files), _AT_ONCE):
        part = files[start : start + _AT_ONCE]
        out = np.empty((len(part), 1, _SIDE, _SIDE), np.float32)
        _rust.decode_images(part, out, [0.0], [1.0], threads)
        rows[start : start + len(part)] = out.reshape(len(part), -1)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(length > 0, length, 1)
    return rows
