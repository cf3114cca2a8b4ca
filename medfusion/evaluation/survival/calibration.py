"""Whether predicted risks at a time are what happened: groups of risk against Kaplan-Meier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medfusion.evaluation.survival.kaplan_meier import kaplan_meier

Floats = npt.NDArray[np.float64]


class RiskGroups(NamedTuple):
    """Groups of rising predicted risk, [m] each.

    Attributes:
        predicted: Mean predicted risk of the event up to the time.
        observed: Observed risk, one minus the Kaplan-Meier survival.
        low: Lower end of its interval; NaN where there is none.
        high: Upper end.
        cases: How many there are.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    cases: npt.NDArray[np.int64]


def calibration_at(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    at: float,
    groups: int = 10,
    confidence: float = 0.95,
) -> RiskGroups:
    """Compare predicted and observed risk at a time in groups of about equally many cases.

    Cases of one predicted risk stay together, and groups that are not observed up to the time are
    left out. Royston and Altman 2013, https://doi.org/10.1186/1471-2288-13-33.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        risk: Predicted risk of the event up to the time, [n].
        at: The time.
        groups: How many.
        confidence: Level of the intervals.

    Example:
        >>> time, event = range(1, 21), [1, 0] * 10
        >>> found = calibration_at(time, event, [0.8] * 10 + [0.2] * 10, at=10, groups=2)
        >>> found.predicted.round(3).tolist(), found.observed.round(3).tolist()
        ([0.2, 0.8], [0.0, 0.754])
    """
    times, events = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    risks = np.asarray(risk, dtype=np.float64)
    cuts = np.unique(np.quantile(risks, np.linspace(0, 1, groups + 1)[1:-1]))
    place = np.searchsorted(cuts, risks, side="left")
    found = []
    for number in np.unique(place):
        chosen = place == number
        curve = kaplan_meier(times[chosen], events[chosen], confidence)
        observed = 1 - curve.at(at)
        low, high = curve.interval(at)
        if np.isfinite(observed):
            row = (risks[chosen].mean(), observed, 1 - high, 1 - low, chosen.sum())
            found.append(row)
    columns = np.array(found, dtype=np.float64).reshape(-1, 5).T
    predicted, seen, low_ends, high_ends, cases = columns
    return RiskGroups(predicted, seen, low_ends, high_ends, cases.astype(np.int64))
