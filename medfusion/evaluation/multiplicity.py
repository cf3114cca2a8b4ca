"""Several tests at once: p values adjusted so that one chance finding stays as rare as with one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down method (https://www.jstor.org/stable/4615733).

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below one before
    it. The chance of any false finding among the m stays below the level, however they hang
    together.

    Args:
        p: p values, [m].

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in adjusted]
