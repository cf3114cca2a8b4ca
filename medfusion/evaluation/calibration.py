"""Whether probabilities mean what they say: Brier, log loss, slope, intercept, ECE, curves.

A target is 0 or 1 per case [n]; a probability [n] is that of class 1. Probabilities of exactly 0
and 1 have no finite logit: they are moved to 1e-12 and 1 - 1e-12 wherever a logarithm is taken.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from medfusion import _rust
from medfusion.evaluation import logistic
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.operating_point import wilson
from medfusion.evaluation.sample import Floats, Ints

FLOOR = 1e-12
Bins = Literal["width", "quantile"]


class CalibrationFit(NamedTuple):
    """Observed against predicted on the logit scale; NaN where not estimable.

    Attributes:
        slope: 1 is perfect, below 1 the probabilities are too extreme.
        slope_error: Its standard error.
        intercept: Calibration in the large (slope held at 1): 0 is perfect, below 0 the
            probabilities are too high.
        intercept_error: Its standard error.
    """

    slope: float
    slope_error: float
    intercept: float
    intercept_error: float


class CalibrationBins(NamedTuple):
    """Cases in bins of their probability; empty bins are left out.

    Attributes:
        predicted: Mean probability, [m].
        observed: Share of class 1, [m].
        low: Lower end of Wilson's interval of the share, [m].
        high: Upper end, [m].
        cases: How many, int [m].
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    cases: Ints


class CalibrationCurve(NamedTuple):
    """A smooth calibration curve.

    Attributes:
        predicted: Probability, rising, [m].
        observed: Smoothed share of class 1, within 0 .. 1, [m].
    """

    predicted: Floats
    observed: Floats


def brier(target: npt.ArrayLike, prob: npt.ArrayLike) -> float:
    """Return the mean squared error of the probabilities.

    Example:
        >>> round(brier([0, 1], [0.2, 0.6]), 3)
        0.1
    """
    return float(np.mean(squared_errors(_floats(target), _floats(prob))))


def log_loss(target: npt.ArrayLike, prob: npt.ArrayLike) -> float:
    """Return the mean negative log likelihood, in nats.

    Example:
        >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
        0.6931
    """
    return float(np.mean(log_losses(_floats(target), _floats(prob))))


def squared_errors(target: Floats, prob: Floats) -> Floats:
    """Return the squared error of each case, [n]."""
    return (target - prob) ** 2


def log_losses(target: Floats, prob: Floats) -> Floats:
    """Return the negative log likelihood of each case, [n]."""
    p = np.clip(prob, FLOOR, 1 - FLOOR)
    return -np.log(np.where(target > 0, p, 1 - p))


def logit(prob: Floats) -> Floats:
    """Return the log odds of probabilities."""
    p = np.clip(prob, FLOOR, 1 - FLOOR)
    return np.log(p) - np.log1p(-p)


def calibration_fit(target: npt.ArrayLike, prob: npt.ArrayLike) -> CalibrationFit:
    """Fit the calibration slope, and the intercept with the slope held at 1.

    Cox, https://doi.org/10.1093/biomet/45.3-4.562; Van Calster et al.,
    https://doi.org/10.1186/s12916-019-1466-7.

    Example:
        >>> fitted = calibration_fit([0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.4, 0.6, 0.7, 0.9])
        >>> round(fitted.slope, 3), round(fitted.intercept, 3)
        (1.505, 0.0)
    """
    truth, x = _floats(target), logit(_floats(prob))
    once = Weights.once(len(truth)).rows()
    level, slope = logistic.fit(x, truth, once)[0]
    intercept = logistic.fit_intercept(x, truth, once)[0]
    return CalibrationFit(
        float(slope),
        logistic.standard_errors(x, level, slope)[1],
        float(intercept),
        logistic.intercept_error(x, intercept),
    )


def expected_calibration_error(
    target: npt.ArrayLike, prob: npt.ArrayLike, bins: int = 10, by: Bins = "width"
) -> float:
    """Return the mean gap between probability and share of class 1 over bins (ECE, L1).

    With `by="width"` bin k holds k / bins <= prob < (k + 1) / bins, the last also 1; but for that
    closed end the definition of torchmetrics. With "quantile" the bins hold equally many cases.
    Naeini et al., https://doi.org/10.1609/aaai.v29i1.9602.

    Example:
        >>> round(expected_calibration_error([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9]), 3)
        0.175
    """
    weights = Weights.once(len(_floats(target)))
    return float(replicated_ece(_floats(target), _floats(prob), weights, bins, by)[0])


def replicated_ece(
    target: Floats, prob: Floats, weights: Weights, bins: int = 10, by: Bins = "width"
) -> Floats:
    """Return the ECE in each replicate, [B]; the bins are those of all cases."""
    index, *_ = _binned(target, prob, bins, by)
    columns = np.zeros((len(prob), bins + 1))
    columns[np.arange(len(prob)), index] = target - prob
    columns[:, bins] = 1
    sums = weights.sums(columns)
    gaps: Floats = np.abs(sums[:, :bins]).sum(axis=1) / sums[:, bins]
    return gaps


def calibration_bins(
    target: npt.ArrayLike,
    prob: npt.ArrayLike,
    bins: int = 10,
    by: Bins = "quantile",
    confidence: float = 0.95,
) -> CalibrationBins:
    """Return the points of a calibration plot.

    Example:
        >>> calibration_bins([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], bins=2).observed
        array([0., 1.])
    """
    _, count, positive, total = _binned(_floats(target), _floats(prob), bins, by)
    full = count > 0
    count, positive, total = count[full], positive[full], total[full]
    ends = [wilson(int(k), int(n), confidence) for k, n in zip(positive, count, strict=True)]
    low, high = np.array(ends).reshape(-1, 2).T
    return CalibrationBins(total / count, positive / count, low, high, count)


def calibration_curve(
    target: npt.ArrayLike, prob: npt.ArrayLike, points: int = 50, span: float = 0.75
) -> CalibrationCurve:
    """Return a smooth calibration curve: lowess, locally linear with tricube weights, cut to 0 .. 1.

    Cleveland, https://doi.org/10.1080/01621459.1979.10481038 (without the robust iterations,
    which are not for 0 and 1).

    Args:
        target: 0 or 1 per case, [n].
        prob: Probability of class 1, [n].
        points: Where the curve is worked out: evenly between the smallest and largest probability.
        span: Share of the cases that each point rests on.

    Example:
        >>> curve = calibration_curve([0, 1, 0, 1, 1], [0.1, 0.4, 0.5, 0.7, 0.9], points=3)
        >>> curve.predicted
        array([0.1, 0.5, 0.9])
    """
    truth, p = _floats(target), _floats(prob)
    if len(p) < 2 or p.min() == p.max():
        return CalibrationCurve(np.empty(0), np.empty(0))
    at = np.linspace(p.min(), p.max(), points)
    nearest = min(len(p), max(2, int(span * len(p) + 1e-10)))
    observed = np.array([_local(x, p, truth, nearest) for x in at])
    return CalibrationCurve(at, np.clip(observed, 0, 1))


def _local(x: float, p: Floats, truth: Floats, nearest: int) -> float:
    distance = np.abs(p - x)
    radius = np.partition(distance, nearest - 1)[nearest - 1]
    if radius <= 0:
        return float(truth[distance <= 0].mean())
    weight = np.clip(1 - (distance / radius) ** 3, 0, None) ** 3
    weight /= weight.sum()
    mean = weight @ p
    spread = weight @ (p - mean) ** 2
    # Neighbours at (nearly) one place carry a level, but no slope.
    tilt = (x - mean) * (p - mean) / spread if spread > 1e-12 else 0.0
    return float((weight * (1 + tilt)) @ truth)


def _binned(target: Floats, prob: Floats, bins: int, by: Bins) -> tuple[Ints, Ints, Ints, Floats]:
    """Return the bin of each case, and of each bin cases, positives and summed probability."""
    truth = target.astype(np.uint8)
    return _rust.calibration_bins(truth, np.ascontiguousarray(prob), bins, by == "quantile")


def _floats(values: npt.ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
