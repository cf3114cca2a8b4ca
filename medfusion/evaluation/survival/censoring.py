"""Inverse probability of censoring weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Censoring:
    """The chance G(t) of not being censored up to and with a time, by Kaplan-Meier.

    At a time events come before censorings, and an event at a time is weighted by G at that very
    time, as in scikit-survival. After the last time nothing is known: G is 0 there.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].

    Example:
        >>> Censoring([1, 2, 3, 4], [1, 0, 1, 0]).at([1, 2, 3.5, 4, 5]).round(3).tolist()
        [1.0, 0.667, 0.667, 0.0, 0.0]
    """

    def __init__(self, time: npt.ArrayLike, event: npt.ArrayLike) -> None:
        times = np.asarray(time, dtype=np.float64)
        seen = np.asarray(event, dtype=np.float64)
        self._time, place = np.unique(times, return_inverse=True)
        events = np.bincount(place, seen, len(self._time))
        cases = np.bincount(place, minlength=len(self._time))
        at_risk = cases[::-1].cumsum()[::-1] - events
        left = 1 - (cases - events) / np.maximum(at_risk, 1)
        self._left = np.concatenate([[1.0], np.cumprod(left)])

    def at(self, time: npt.ArrayLike) -> Floats:
        """Return G at times [k]."""
        times = np.asarray(time, dtype=np.float64)
        found = self._left[np.searchsorted(self._time, times, side="right")]
        return np.where(times <= self._time[-1], found, 0.0)

    def weights(self, time: Floats, event: Floats) -> Floats:
        """Return 1 / G of the events' times, 0 for the censored and where G is 0, [n]."""
        chance = self.at(time)
        usable = (event == 1) & (chance > 0)
        return np.where(usable, 1 / np.where(usable, chance, 1), 0.0)
