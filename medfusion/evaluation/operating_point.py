"""One threshold: the four counts, the proportions that follow with intervals, other prevalences.

A case is positive when its score is at or above the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

from medfusion.evaluation.metric import Metric
from medfusion.evaluation.sample import Floats

Rate = TypeVar("Rate", float, Floats)


@dataclass(frozen=True)
class Confusion:
    """Counts of a binary decision.

    Attributes:
        true_positive: Positive cases called positive.
        false_positive: Negative cases called positive.
        true_negative: Negative cases called negative.
        false_negative: Positive cases called negative.

    Example:
        >>> counts = Confusion.at([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], threshold=0.5)
        >>> counts.proportions()["sensitivity"]
        (1, 2)
    """

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @classmethod
    def at(cls, target: npt.ArrayLike, score: npt.ArrayLike, threshold: float) -> Self:
        """Count the decisions of a threshold on targets [n] (0 or 1) and scores [n]."""
        truth, called = np.asarray(target).astype(bool), np.asarray(score) >= threshold
        return cls(
            int((truth & called).sum()),
            int((~truth & called).sum()),
            int((~truth & ~called).sum()),
            int((truth & ~called).sum()),
        )

    def proportions(self) -> dict[str, tuple[int, int]]:
        """Return how many of how many, for each proportion of independent cases."""
        tp, fp = self.true_positive, self.false_positive
        tn, fn = self.true_negative, self.false_negative
        return {
            "accuracy": (tp + tn, tp + fp + tn + fn),
            "sensitivity": (tp, tp + fn),
            "specificity": (tn, tn + fp),
            "ppv": (tp, tp + fp),
            "npv": (tn, tn + fn),
        }


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (https://doi.org/10.2307/2276774).

    Raises:
        ValueError: `n` is 0.

    Example:
        >>> low, high = wilson(26, 41)
        >>> round(low, 4), round(high, 4)
        (0.4812, 0.7641)
    """
    _some(n)
    z = float(ndtri((1 + confidence) / 2))
    share = count / n
    centre = share + z**2 / (2 * n)
    half = z * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    scale = 1 + z**2 / n
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if count == 0 else (centre - half) / scale
    high = 1.0 if count == n else (centre + half) / scale
    return low, high


def clopper_pearson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion (https://doi.org/10.1093/biomet/26.4.404).

    Raises:
        ValueError: `n` is 0.

    Example:
        >>> low, high = clopper_pearson(26, 41)
        >>> round(low, 4), round(high, 4)
        (0.4694, 0.7788)
    """
    _some(n)
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return low, high


def proportion(
    count: int,
    n: int,
    confidence: float = 0.95,
    interval: Literal["wilson", "clopper-pearson"] = "wilson",
) -> Metric:
    """Return a proportion with its interval; not estimable where `n` is 0.

    Example:
        >>> print(proportion(26, 41))
        0.634 (0.481 to 0.764)
    """
    if n == 0:
        return Metric.not_estimable("no case to count")
    ends, name = (
        (wilson, "Wilson") if interval == "wilson" else (clopper_pearson, "Clopper-Pearson")
    )
    return Metric(count / n, ends(count, n, confidence), f"{name}, {100 * confidence:g} %", n)


def ppv_at(sensitivity: Rate, specificity: Rate, prevalence: float) -> Rate:
    """Return the positive predictive value at another prevalence; NaN where none is positive.

    Example:
        >>> print(round(ppv_at(26 / 41, 58 / 72, 0.05), 5))
        0.1465
    """
    true = sensitivity * prevalence
    return _share(true, true + (1 - specificity) * (1 - prevalence))


def npv_at(sensitivity: Rate, specificity: Rate, prevalence: float) -> Rate:
    """Return the negative predictive value at another prevalence; NaN where none is negative.

    Example:
        >>> print(round(npv_at(26 / 41, 58 / 72, 0.05), 5))
        0.97665
    """
    true = specificity * (1 - prevalence)
    return _share(true, true + (1 - sensitivity) * prevalence)


def _share(part: Rate, whole: Rate) -> Rate:
    with np.errstate(invalid="ignore"):
        share: Rate = np.divide(part, whole)
    return share


def _some(n: int) -> None:
    if n <= 0:
        msg = "a proportion of no cases has no interval"
        raise ValueError(msg)
