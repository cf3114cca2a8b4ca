"""The Brier score of predicted survival, under censoring, at a time and over a span of times.

Graf et al. 1999, https://doi.org/10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medfusion.evaluation.survival.censoring import Censoring

Floats = npt.NDArray[np.float64]


def squared_errors_at(
    time: Floats, event: Floats, survival: Floats, at: float, censoring: Censoring
) -> Floats:
    """Return each case's weighted squared error at a time, [n]; their mean is the Brier score.

    NaN throughout where the chance of not being censored up to that time is nought.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        survival: Predicted survival at the time, [n].
        at: The time.
        censoring: Where the weights come from.
    """
    followed = float(censoring.at([at])[0])
    if followed <= 0:
        return np.full(len(time), np.nan)
    died = (time <= at) * censoring.weights(time, event)
    alive = (time > at) / followed
    errors: Floats = survival**2 * died + (1 - survival) ** 2 * alive
    return errors


def brier_at(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    survival: npt.ArrayLike,
    at: float,
    censoring: Censoring | None = None,
) -> float:
    """Return the Brier score at a time, NaN where it is not estimable.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        survival: Predicted survival at the time, [n].
        at: The time.
        censoring: Where the weights come from; by default these very cases.

    Example:
        >>> round(brier_at([1, 2, 3, 4], [1, 1, 0, 1], [0.1, 0.4, 0.7, 0.9], at=2.5), 4)
        0.0675
    """
    times, events = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    known = censoring or Censoring(times, events)
    errors = squared_errors_at(times, events, np.asarray(survival, dtype=np.float64), at, known)
    return float(errors.mean())


def integrated_errors(
    time: Floats,
    event: Floats,
    survival: Floats,
    times: Sequence[float],
    censoring: Censoring,
) -> Floats:
    """Return each case's squared error averaged over a span of times, [n], by the trapezoid rule.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        survival: Predicted survival at each of the times, [n, k].
        times: At least two, rising; the span is from the first to the last.
        censoring: Where the weights come from.
    """
    columns = [
        squared_errors_at(time, event, column, at, censoring)
        for column, at in zip(survival.T, times, strict=True)
    ]
    integral: Floats = np.trapezoid(np.stack(columns, axis=1), np.asarray(times), axis=1)
    return integral / (times[-1] - times[0])
