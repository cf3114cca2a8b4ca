"""Memory for batches that is used again once nobody looks at it any more.

A fresh buffer of some megabytes costs as much as filling it, since the system hands it out page by
page. A tensor from the pool stays valid as long as it, or any tensor made of it, is held.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_KEPT = 8
_FLOAT32 = np.dtype(np.float32)


class BufferPool:
    """Gives tensors whose memory comes back by itself.

    With a GPU the memory is pinned; PyTorch's own allocator uses it again then, as it alone knows
    when a copy to the GPU is done.

    Example:
        >>> pool = BufferPool()
        >>> place = pool.take((2, 3)).data_ptr()
        >>> pool.take((2, 3)).data_ptr() == place
        True
    """

    def __init__(self) -> None:
        self._idle: dict[int, list[NDArray[np.uint8]]] = {}

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any] = _FLOAT32) -> Tensor:
        """Return a tensor of a shape and type; what is in it is left from before."""
        count = math.prod(shape) * dtype.itemsize
        if torch.cuda.is_available():
            pinned = torch.empty(count, dtype=torch.uint8, pin_memory=True)
            return pinned.view(torch.from_numpy(np.empty(0, dtype)).dtype).view(shape)
        idle = self._idle.setdefault(count, [])
        base = idle.pop() if idle else np.empty(count, np.uint8)
        view = base.view(dtype).reshape(shape)
        # The tensor's storage holds the view; when the last tensor of it goes, so does the view.
        weakref.finalize(view, _give_back(idle, base)).atexit = False
        return torch.from_numpy(view)


def _give_back(idle: list[NDArray[np.uint8]], base: NDArray[np.uint8]) -> Callable[[], None]:
    def give_back() -> None:
        if len(idle) < _KEPT:
            idle.append(base)

    return give_back
