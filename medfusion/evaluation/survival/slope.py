"""The calibration slope of survival predictions: whether risks are spread as they should be.

The coefficient of the complementary log-log of the predicted risk in a Cox model of the cases:
Royston and Altman 2013, https://doi.org/10.1186/1471-2288-13-33. Below 1 the risks are too extreme,
as after overfitting; above 1 they are too much alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FLOOR = 1e-12
_STEPS = 25
_SETTLED = 1e-8
_LONGEST = 2.0


def log_hazard(survival: Floats) -> Floats:
    """Return log(-log(survival)), with survival moved off 0 and 1 by 1e-12."""
    found: Floats = np.log(-np.log(np.clip(survival, _FLOOR, 1 - _FLOOR)))
    return found


def replicated_slope(
    time: Floats, event: Floats, score: Floats, rows: Floats, start: float = 1.0
) -> Floats:
    """Return the coefficient of a score in a Cox model (ties after Breslow), in each replicate, [B].

    NaN where the fit does not settle, as when the score separates the events.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        score: The only column of the model, [n].
        rows: How often each case counts in each replicate, [B, n].
        start: Where the fit begins.
    """
    order = np.argsort(-time, kind="stable")
    drawn, x = rows[:, order], score[order] - score.mean()
    ends = np.searchsorted(-time[order], -time[order], side="right") - 1
    died = drawn * event[order]
    beta = np.full(len(drawn), start)
    wrong = np.ones(len(drawn), dtype=bool)
    for _ in range(_STEPS):
        exponent = beta[:, None] * x
        weight = drawn * np.exp(exponent - exponent.max(axis=1, keepdims=True))
        total = weight.cumsum(axis=1)[:, ends]
        # Where nobody drawn is at risk there is no event to compare either.
        known = died > 0
        total = np.where(known, total, 1)
        mean = (weight * x).cumsum(axis=1)[:, ends] / total
        square = (weight * x * x).cumsum(axis=1)[:, ends] / total
        slope = np.where(known, died * (x - mean), 0).sum(axis=1)
        curve = np.where(known, died * (square - mean * mean), 0).sum(axis=1)
        step = np.clip(slope / np.where(curve > 0, curve, np.nan), -_LONGEST, _LONGEST)
        beta = beta + step
        wrong = ~(np.abs(step) < _SETTLED)
        if not wrong[np.isfinite(beta)].any():
            break
    return np.where(wrong, np.nan, beta)
