"""The time-dependent AUC: those with an event up to a time against those who live longer.

Cumulative cases and dynamic controls, weighted by the inverse probability of censoring: Uno et al.
2007, https://doi.org/10.1198/016214507000000149; Hung and Chiang 2010,
https://doi.org/10.1002/cjs.10046.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.survival.censoring import Censoring
from medfusion.evaluation.survival.kaplan_meier import replicated_survival

Floats = npt.NDArray[np.float64]


def replicated_auc_at(
    time: Floats, event: Floats, score: Floats, at: float, weight: Floats, rows: Floats
) -> Floats:
    """Return the time-dependent AUC in each replicate, [B]; NaN without cases or controls.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        score: Higher for an earlier event, [n].
        at: The time.
        weight: Inverse probability of censoring at each event, [n].
        rows: How often each case counts in each replicate, [B, n].
    """
    controls = np.flatnonzero(time > at)
    cases = np.flatnonzero((time <= at) & (event == 1) & (weight > 0))
    controls = controls[np.argsort(score[controls], kind="stable")]
    ranked = score[controls]
    below = np.zeros((len(rows), len(controls) + 1))
    np.cumsum(rows[:, controls], axis=1, out=below[:, 1:])
    low, high = (np.searchsorted(ranked, score[cases], side) for side in ("left", "right"))
    counted = rows[:, cases] * weight[cases]
    won = (counted * (below[:, low] + below[:, high])).sum(axis=1) / 2
    pairs = counted.sum(axis=1) * below[:, -1]
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), np.nan)


def auc_at(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    score: npt.ArrayLike,
    at: float,
    censoring: Censoring | None = None,
) -> float:
    """Return the cumulative/dynamic AUC at a time; NaN without cases or controls.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        score: Higher for an earlier event, [n].
        at: The time.
        censoring: Where the weights come from; by default these very cases.

    Example:
        >>> auc_at([1, 2, 3, 4, 5], [1, 0, 1, 1, 0], [0.9, 0.1, 0.2, 0.3, 0.1], at=3)
        0.7142857142857143
    """
    times, events = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    weight = (censoring or Censoring(times, events)).weights(times, events)
    once = np.ones((1, len(times)))
    scores = np.asarray(score, dtype=np.float64)
    return float(replicated_auc_at(times, events, scores, at, weight, once)[0])


def replicated_mean_auc(
    time: Floats,
    event: Floats,
    scores: Floats,
    times: Sequence[float],
    weight: Floats,
    weights: Weights,
) -> Floats:
    """Return the mean of the AUC over times, by the share of events that falls to each, [B].

    The weight of a time is how far the Kaplan-Meier survival fell since the time before: Lambert
    and Chevret 2016, https://doi.org/10.1177/0962280213515571.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        scores: Higher for an earlier event, one column for each of `times`, [n, k].
        times: Rising.
        weight: Inverse probability of censoring at each event, [n].
        weights: How often each case counts in each replicate.
    """
    rows = weights.rows()
    before = np.ones(len(rows))
    total, fallen = np.zeros(len(rows)), np.zeros(len(rows))
    for at, score in zip(times, scores.T, strict=True):
        left = replicated_survival(time, event, rows, at)
        found = replicated_auc_at(time, event, score, at, weight, rows)
        share = before - left
        total += np.where(share > 0, share * found, 0 * share)
        fallen += share
        before = left
    return np.where(fallen > 0, total / np.where(fallen > 0, fallen, 1), np.nan)
