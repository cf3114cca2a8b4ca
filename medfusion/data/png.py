"""8-bit PNG files, grey, RGB or with a palette, written with the standard library alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def encode(
    pixels: NDArray[np.uint8], level: int = 1, palette: Sequence[tuple[int, int, int]] = ()
) -> bytes:
    r"""Return a PNG file (https://www.w3.org/TR/png-3/).

    Args:
        pixels: uint8 [H, W], or RGB [H, W, 3].
        level: Of compression, 0 to 9.
        palette: Colours that pixels [H, W] are places of; without any they are levels of grey.

    Example:
        >>> encode(np.zeros((2, 3), np.uint8))[:4]
        b'\x89PNG'
    """
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 3 if palette else 0
    lines = np.zeros((height, pixels[0].size + 1), dtype=np.uint8)  # each starts with filter type 0
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), level)
    colours = [_chunk(b"PLTE", bytes(np.array(palette, np.uint8)))] if palette else []
    chunks = [_chunk(b"IHDR", header), *colours, _chunk(b"IDAT", body), _chunk(b"IEND", b"")]
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
