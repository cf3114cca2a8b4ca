"""The log-rank test: whether groups differ in their survival."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc


class LogRank(NamedTuple):
    """Result of the test; NaN where it cannot be made.

    Attributes:
        statistic: Chi-square statistic.
        degrees: Its degrees of freedom.
        p: p value of no difference.
    """

    statistic: float
    degrees: int
    p: float


def log_rank(time: npt.ArrayLike, event: npt.ArrayLike, group: npt.ArrayLike) -> LogRank:
    """Compare the survival of groups by the log-rank test (Mantel-Haenszel variance).

    Peto and Peto, https://doi.org/10.2307/2344317.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        group: Group of each case, [n].

    Example:
        >>> found = log_rank([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1])
        >>> round(found.statistic, 3), found.degrees, round(found.p, 3)
        (5.052, 1, 0.025)
    """
    times, seen = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    names, of = np.unique(np.asarray(group), return_inverse=True)
    moments, place = np.unique(times, return_inverse=True)
    cases = np.zeros((len(moments), len(names)))
    events = np.zeros_like(cases)
    np.add.at(cases, (place, of), 1)
    np.add.at(events, (place, of), seen)
    at_risk = cases[::-1].cumsum(axis=0)[::-1]
    total, died = at_risk.sum(axis=1), events.sum(axis=1)
    share = at_risk / total[:, None]
    gap = (events - died[:, None] * share).sum(axis=0)[1:]
    spread = died * (total - died) / np.maximum(total - 1, 1)
    weighted = spread[:, None] * share
    covariance = np.diag(weighted.sum(axis=0)) - weighted.T @ share
    covariance = covariance[1:, 1:]
    degrees = len(names) - 1
    if degrees < 1 or np.linalg.matrix_rank(covariance) < degrees:
        return LogRank(float("nan"), degrees, float("nan"))
    statistic = float(gap @ np.linalg.solve(covariance, gap))
    return LogRank(statistic, degrees, float(chdtrc(degrees, statistic)))
