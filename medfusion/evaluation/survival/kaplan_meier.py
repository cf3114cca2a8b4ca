"""The Kaplan-Meier estimate: as a curve with its interval, and in bootstrap replicates.

Kaplan and Meier, https://doi.org/10.1080/01621459.1958.10501452.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]


class SurvivalCurve(NamedTuple):
    """Estimated survival at each observed time; it falls where there are events.

    Attributes:
        time: Distinct times of events and censorings, rising, [m].
        at_risk: Cases observed up to each time, [m].
        events: Events at each time, [m].
        survival: Survival just after each time, [m].
        low: Lower end of the interval, [m]; NaN where there is none.
        high: Upper end, [m].
    """

    time: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    low: Floats
    high: Floats

    def at(self, moment: float) -> float:
        """Return the survival at a time; NaN after the last, unless nobody is left by then."""
        return self._value(self.survival, moment, 1.0)

    def interval(self, moment: float) -> tuple[float, float]:
        """Return the interval of the survival at a time, NaN where there is none."""
        nan = float("nan")
        return self._value(self.low, moment, nan), self._value(self.high, moment, nan)

    def number_at_risk(self, moment: float) -> int:
        """Return how many cases are observed up to a time or longer."""
        place = np.searchsorted(self.time, moment, side="left")
        return int(self.at_risk[place]) if place < len(self.time) else 0

    @property
    def median(self) -> float | None:
        """The first time with a survival of a half or less; None where it is not reached."""
        reached = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.time[reached[0]]) if len(reached) else None

    def _value(self, values: Floats, moment: float, before: float) -> float:
        place = int(np.searchsorted(self.time, moment, side="right")) - 1
        if place < 0:
            return before
        if moment > self.time[-1] and self.survival[-1] > 0:
            return float("nan")
        return float(values[place])


def kaplan_meier(
    time: npt.ArrayLike, event: npt.ArrayLike, confidence: float = 0.95
) -> SurvivalCurve:
    """Return the Kaplan-Meier estimate with Greenwood's variance and log(-log) intervals.

    Args:
        time: Time of the event or of censoring, [n], at least one.
        event: 1 where it is the event, [n].
        confidence: Level of the interval.

    Example:
        >>> curve = kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1])
        >>> curve.survival.tolist(), curve.at(2.5), curve.median
        ([0.75, 0.75, 0.375, 0.0], 0.75, 3.0)
    """
    times = np.asarray(time, dtype=np.float64)
    seen = np.asarray(event, dtype=np.float64)
    moments, place = np.unique(times, return_inverse=True)
    events: Floats = np.bincount(place, seen, len(moments)).astype(np.float64)
    cases = np.bincount(place, minlength=len(moments))
    at_risk = cases[::-1].cumsum()[::-1].astype(np.float64)
    survival: Floats = np.asarray(np.cumprod(1 - events / at_risk), dtype=np.float64)
    half = float(ndtri((1 + confidence) / 2))
    with np.errstate(all="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        log = np.log(survival)
        spread = half * np.sqrt(greenwood) / np.abs(log)
        low = np.exp(log * np.exp(spread))
        high = np.exp(log * np.exp(-spread))
    known = (survival > 0) & (survival < 1)
    low, high = (np.where(known, end, np.nan) for end in (low, high))
    return SurvivalCurve(moments, at_risk, events, survival, low, high)


def replicated_survival(time: Floats, event: Floats, rows: Floats, at: float) -> Floats:
    """Return the Kaplan-Meier survival at a time in each replicate, [B].

    NaN where nobody is observed that long and the survival is not yet nought.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        rows: How often each case counts in each replicate, [B, n].
        at: The time.
    """
    order = np.argsort(time, kind="stable")
    sorted_time = time[order]
    drawn = rows[:, order]
    starts = np.flatnonzero(np.diff(sorted_time, prepend=-np.inf) > 0)
    cases = np.add.reduceat(drawn, starts, axis=1)
    events = np.add.reduceat(drawn * event[order], starts, axis=1)
    at_risk = cases.sum(axis=1, keepdims=True) - cases.cumsum(axis=1) + cases
    upto = sorted_time[starts] <= at
    factors = 1 - events[:, upto] / np.maximum(at_risk[:, upto], 1)
    survival: Floats = factors.prod(axis=1)
    followed = drawn[:, sorted_time >= at].sum(axis=1) > 0
    return np.where(followed | (survival <= 0), survival, np.nan)
