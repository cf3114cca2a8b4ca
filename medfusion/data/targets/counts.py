"""How often each class occurs in a target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def class_counts(target: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return in how many rows each class occurs, int64 [classes].

    Args:
        target: Class indices [n], or counts of each class [n, classes].
        classes: How many there are.

    >>> class_counts(np.array([0, 2, 2]), 3).tolist()
    [1, 0, 2]
    >>> class_counts(np.array([[90, 10], [100, 0]]), 2).tolist()
    [2, 1]
    """
    if target.ndim > 1:
        return np.asarray((target > 0).sum(axis=0))
    return np.bincount(target, minlength=classes)
