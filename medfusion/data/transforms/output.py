"""Memory for results: the caller's, or new, within a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from medfusion.errors import TransformError

LIMIT = 8 << 30
"""Largest result in bytes: a slip in a spacing must not take the machine down."""


def target(out: NDArray[Any] | None, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return the caller's array, or new memory for a result.

    Args:
        out: The caller's array, or None.
        shape: Of the result.
        dtype: Of the result.

    Raises:
        TransformError: The result is too large, or `out` does not fit it.
    """
    wanted = np.dtype(dtype)
    size = math.prod(int(length) for length in shape) * wanted.itemsize
    if size > LIMIT:
        text = " x ".join(str(length) for length in shape)
        msg = (
            f"the result would have {text} voxels, {size / 2**30:.3g} GiB: at most "
            f"{LIMIT >> 30} GiB are made. Ask for a larger spacing or a smaller size (in mm and "
            "voxels along i, j, k)"
        )
        raise TransformError(msg)
    if out is None:
        return np.empty(tuple(shape), wanted)
    if out.shape != tuple(shape) or out.dtype != wanted:
        msg = f"out is {out.dtype} {out.shape}, but the result {wanted} {tuple(shape)}"
        raise TransformError(msg)
    if not (out.flags.c_contiguous and out.flags.writeable):
        msg = "out must be C-contiguous and writeable: np.empty(shape, dtype)"
        raise TransformError(msg)
    return out
