"""What survival predictions are judged with besides the cases themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from medfusion.errors import InputError

Floats = npt.NDArray[np.float64]

PREFIX = "survival_"
"""Begins the name of a column that holds the predicted survival at a time."""

_HORIZONS = (0.25, 0.5, 0.75)
_GRID = 19


@dataclass(frozen=True, eq=False)
class FollowUp:
    """Times of the predicted survival, and the follow-up of the training rows.

    Censoring is estimated on the training rows, as in scikit-survival.

    Attributes:
        times: Times of the survival columns, rising.
        horizons: Those of them that figures are given for.
        time: Time of the event or of censoring of each training row, [m].
        event: 1 where it is the event, 0 where the row is censored, [m].
    """

    times: tuple[float, ...]
    horizons: tuple[float, ...]
    time: Floats
    event: Floats

    @classmethod
    def of_training(
        cls, time: npt.ArrayLike, event: npt.ArrayLike, horizons: Sequence[float] | None = None
    ) -> Self:
        """Choose the times: 19 quantiles of the event times, and the horizons.

        Args:
            time: Time of the event or of censoring of each training row, [m].
            event: 1 where it is the event, [m].
            horizons: Times that figures are given for; by default quartiles of the event times.

        Raises:
            InputError: There is no event after time 0.

        Example:
            >>> FollowUp.of_training([1, 2, 3, 4, 9], [1, 1, 1, 1, 0]).horizons
            (1.0, 2.0, 3.0)
        """
        times, events = (np.asarray(values, dtype=np.float64) for values in (time, event))
        seen = times[(events == 1) & (times > 0)]
        if not len(seen):
            msg = "survival: the training rows hold no event after time 0"
            raise InputError(msg)
        # Observed times, not values between them: a horizon of 365 days stays one.
        grid = np.quantile(seen, np.arange(1, _GRID + 1) / (_GRID + 1), method="inverted_cdf")
        if horizons is None:
            horizons = np.unique(np.quantile(seen, _HORIZONS, method="inverted_cdf")).tolist()
        chosen = tuple(float(at) for at in horizons)
        return cls(tuple(sorted({*grid.tolist(), *chosen})), chosen, times, events)

    @property
    def columns(self) -> list[str]:
        """Names of the survival columns."""
        return [f"{PREFIX}{written(at)}" for at in self.times]


def written(at: float) -> str:
    """Return a time as it stands in the name of a column or metric.

    >>> written(365.0), written(0.25)
    ('365', '0.25')
    """
    return repr(float(at)).removesuffix(".0")


def time_of(column: str) -> float:
    """Return the time of a survival column.

    >>> time_of("survival_365")
    365.0
    """
    return float(column.removeprefix(PREFIX))
