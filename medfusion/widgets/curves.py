"""Curves of any length in few points, with every peak kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 2000
"""Points of one curve that a page is sent at first."""


def decimate(
    step: NDArray[np.float64], value: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thin a curve to at most `limit` points: the least and the greatest value of each stretch.

    The first and the last point stay, and so does every stretch's lowest and highest value, so that
    a single spike among a million steps is still seen.

    Args:
        step: Steps in order, [n].
        value: Finite values, [n].
        limit: Points wanted at most, at least 4.

    Returns:
        Steps and values, [m] with m <= limit.

    Raises:
        ValueError: `limit` is below 4.

    Example:
        >>> step = np.arange(1000.0)
        >>> value = np.zeros(1000); value[123] = 9
        >>> thin_step, thin_value = decimate(step, value, 10)
        >>> len(thin_step) <= 10, float(thin_value.max())
        (True, 9.0)
    """
    if limit < 4:
        msg = f"limit is {limit}; a curve needs at least 4 points"
        raise ValueError(msg)
    count = len(step)
    if count <= limit:
        return step, value
    stretches = (limit - 2) // 2
    edges = np.linspace(1, count - 1, stretches + 1).astype(np.int64)
    longest = int(np.diff(edges).max())
    # One row a stretch; short rows repeat their last point, which changes neither end.
    index = np.minimum(edges[:-1, None] + np.arange(longest), edges[1:, None] - 1)
    rows = value[index]
    lines = np.arange(stretches)
    ends = np.stack([index[lines, rows.argmin(axis=1)], index[lines, rows.argmax(axis=1)]])
    keep = np.unique(np.concatenate([[0], ends.ravel(), [count - 1]]))
    return step[keep], value[keep]


class ThinCurve:
    """A curve that grows and is thinned as it grows, so that it never holds many points.

    Attributes:
        taken: Points of the run's own curve that were looked at.
        redrawn: Whether it was thinned since this was last set to False.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._step: NDArray[np.float64] = np.empty(0)
        self._value: NDArray[np.float64] = np.empty(0)
        self.taken = 0
        self.redrawn = False

    def __len__(self) -> int:
        return len(self._step)

    def extend(
        self, step: Sequence[Any], value: Sequence[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Add points and return those that can be drawn; what is no finite number is left out."""
        self.taken += len(step)
        new_step, new_value = _finite(step), _finite(value)
        good = np.isfinite(new_step) & np.isfinite(new_value)
        new_step, new_value = new_step[good], new_value[good]
        self._step = np.concatenate([self._step, new_step])
        self._value = np.concatenate([self._value, new_value])
        if len(self._step) > 2 * self._limit:
            self._step, self._value = decimate(self._step, self._value, self._limit)
            self.redrawn = True
        return new_step, new_value

    def points(self, limit: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the curve in at most `limit` points."""
        return decimate(self._step, self._value, limit)


def _finite(numbers: Sequence[Any]) -> NDArray[np.float64]:
    """Return numbers as floats, NaN for what a hand-made file may hold in their place."""
    try:
        found = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.asarray([_number(item) for item in numbers], dtype=np.float64)
    return found


def _number(item: Any) -> float:
    try:
        return float(item) if isinstance(item, (int, float)) else math.nan
    except OverflowError:
        return math.nan
