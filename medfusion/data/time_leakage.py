"""Single columns that give a survival time away.

Besides what gives the event away (`medfusion.data.leakage`): a column that ranks the times of the
events nearly perfectly, such as a date of death, and a column that holds the very time of many
rows, such as a length of stay of those who died in hospital.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from medfusion.data.leakage import CHANCE, RANKING, Leak, rank_correlation, unlikely_correlation
from medfusion.data.numbers import are_numbers, to_numbers

_FEWEST = 5


def find(
    column: str, cells: Sequence[str | None], time: NDArray[np.float64], event: NDArray[np.bool_]
) -> Leak | None:
    """Return how a column gives the survival time away, or None.

    Args:
        column: Its name.
        cells: Its text on the training rows, None where missing.
        time: Time of the event or of censoring of these rows, [n].
        event: Whether it is the event, [n].

    Example:
        >>> time = np.arange(40) * 7.0 + 3
        >>> stay = [str(value) if row < 12 else "90" for row, value in enumerate(time)]
        >>> find("stay", stay, time, np.arange(40) < 20).finding
        'is the survival time itself in 12 training rows, 12 of them events'
    """
    if not are_numbers(cells):
        return None
    values = to_numbers(cells)
    rows = np.flatnonzero(event & ~np.isnan(values))
    if len(rows) > 10:
        correlation = abs(rank_correlation(values[rows], time[rows]))
        if correlation > RANKING and unlikely_correlation(correlation, len(rows)):
            finding = f"ranks the times of the events with correlation {correlation:.3f}"
            return Leak(column, finding, rows.tolist())
    same = np.flatnonzero(values == time)
    if len(same) < _FEWEST or float(gammainc(len(same), _matches(values, time))) > CHANCE:
        return None
    finding = (
        f"is the survival time itself in {len(same)} training rows, "
        f"{int(event[same].sum())} of them events"
    )
    return Leak(column, finding, same.tolist())


def _matches(values: NDArray[np.float64], time: NDArray[np.float64]) -> float:
    """Return in how many rows two unrelated columns of these values would be the same."""
    own, other = Counter(values[~np.isnan(values)].tolist()), Counter(time.tolist())
    expected = math.fsum(count * other[value] for value, count in own.items()) / len(time)
    return max(expected, 1e-300)
