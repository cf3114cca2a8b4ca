"""Memory of transforms: values as the Rust core takes them, and where results go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from medfusion.errors import TransformError

LIMIT = 8 << 30
"""Largest result in bytes: a slip in a spacing must not take the machine down."""
_SIDE = 65_536
_NATIVE = frozenset(np.dtype(name) for name in ("float32", "uint8", "int16", "uint16", "int32"))
_WIDER = {"bool": "uint8", "int8": "int16"}


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
    if size > LIMIT or max(shape) > _SIDE:
        text = " x ".join(str(length) for length in shape)
        msg = (
            f"the result would have {text} voxels, {size / 2**30:.3g} GiB: at most "
            f"{LIMIT >> 30} GiB and {_SIDE} a side are made. Ask for a larger spacing (in mm) or a smaller size (in "
            "voxels), along i, j, k"
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


def separate(out: NDArray[Any] | None, array: NDArray[Any]) -> None:
    """Refuse an `out` that shares memory with what is read while it is written.

    Raises:
        TransformError: They share memory.
    """
    if out is not None and np.may_share_memory(out, array):
        msg = "out shares memory with the volume: this transform needs an array of its own"
        raise TransformError(msg)


def values_of(array: NDArray[Any]) -> NDArray[Any]:
    """Return values in order and of a type that the core reads; the same array where it is so.

    float32, uint8, int16, uint16 and int32 are read as they are, bool and int8 as the next wider
    integer, all else as float32 (rounded to single precision).
    """
    dtype = array.dtype.newbyteorder("=")
    if dtype not in _NATIVE:
        dtype = np.dtype(_WIDER.get(dtype.name, "float32"))
    return np.ascontiguousarray(array, dtype=dtype)


def bits_of(array: NDArray[Any]) -> NDArray[Any]:
    """Return the values' bits as unsigned integers, `[N, D, H, W]`, without a copy.

    Args:
        array: C-contiguous `[..., D, H, W]`, with 1, 2, 4 or 8 bytes a value.
    """
    if array.dtype.itemsize not in (1, 2, 4, 8):
        msg = f"values of {array.dtype} can't be moved: use Cast to float64 before"
        raise TransformError(msg)
    return array.view(f"u{array.dtype.itemsize}").reshape(-1, *array.shape[-3:])
