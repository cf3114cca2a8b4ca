"""The metrics of a regression target, and the agreement of prediction and target.

Errors are prediction minus target, in the target's unit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from medfusion.evaluation.binary import mean_of
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.sample import Floats, Sample
from medfusion.evaluation.scorecard import Entry, impossible


class Agreement(NamedTuple):
    """Limits of agreement (Bland and Altman, https://doi.org/10.1016/S0140-6736(86)90837-8).

    Attributes:
        mean: Mean of prediction and target of each case, [n].
        difference: Prediction minus target of each case, [n].
        bias: Mean difference.
        lower: Lower limit of agreement: bias - z * standard deviation of the differences.
        upper: Upper limit of agreement.
    """

    mean: Floats
    difference: Floats
    bias: float
    lower: float
    upper: float


def bland_altman(
    target: npt.ArrayLike, prediction: npt.ArrayLike, confidence: float = 0.95
) -> Agreement:
    """Return the points and limits of a Bland-Altman plot; two cases are needed.

    Example:
        >>> agreement = bland_altman([1.0, 2.0, 3.0], [2.0, 2.0, 5.0])
        >>> agreement.bias, round(agreement.upper, 2)
        (1.0, 2.96)
    """
    truth = np.asarray(target, dtype=np.float64)
    predicted = np.asarray(prediction, dtype=np.float64)
    if len(truth) < 2:
        msg = f"limits of agreement need two cases, got {len(truth)}"
        raise ValueError(msg)
    difference = predicted - truth
    bias = float(difference.mean())
    half = float(ndtri((1 + confidence) / 2)) * float(difference.std(ddof=1))
    return Agreement((truth + predicted) / 2, difference, bias, bias - half, bias + half)


def rmse(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return the root mean squared error.

    Example:
        >>> rmse([1.0, 2.0], [1.0, 4.0]) ** 2
        2.0000000000000004
    """
    return float(np.sqrt(np.mean((np.asarray(prediction) - np.asarray(target)) ** 2)))


def mae(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return the mean absolute error.

    Example:
        >>> mae([1.0, 2.0], [1.0, 4.0])
        1.0
    """
    return float(np.mean(np.abs(np.asarray(prediction) - np.asarray(target))))


def r2(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return the share of the target's variance that the prediction explains; it may be negative.

    NaN where the target does not vary.

    Example:
        >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
        0.5
    """
    truth = np.asarray(target, dtype=np.float64)
    error = np.asarray(prediction, dtype=np.float64) - truth
    total = ((truth - truth.mean()) ** 2).sum()
    return float(1 - (error**2).sum() / total) if total > 0 else float("nan")


def entries(sample: Sample) -> dict[str, Entry]:
    """Return the metrics of a regression sample."""
    n, target = sample.n, sample.target.astype(np.float64)
    with np.errstate(all="ignore"):
        error = sample.prediction - target
        # Centred sums: no digits are lost where the mean is large against the spread.
        y, x = _centred(target), _centred(sample.prediction)
        columns = np.stack([np.ones(n), y, x, y * y, x * x, x * y, error**2], axis=1)
        squares = mean_of(error**2)

    def explained(weights: Weights) -> Floats:
        count, sy, _, syy, _, _, see = weights.sums(columns).T
        share: Floats = 1 - see / _positive(syy - sy * sy / count, syy)
        return share

    def correlation(weights: Weights) -> Floats:
        count, sy, sx, syy, sxx, sxy, _ = weights.sums(columns).T
        vy, vx = _positive(syy - sy * sy / count, syy), _positive(sxx - sx * sx / count, sxx)
        r: Floats = np.clip((sxy - sx * sy / count) / np.sqrt(vx) / np.sqrt(vy), -1, 1)
        return r

    def root(weights: Weights) -> Floats:
        error: Floats = np.sqrt(squares(weights))
        return error

    constant_target = "all targets are equal" if _constant(target) else ""
    constant = "all predictions are equal" if _constant(sample.prediction) else ""
    found = {
        "rmse": Entry(root, n, failing=_TOO_LARGE),
        "mae": Entry(mean_of(np.abs(error)), n, failing=_TOO_LARGE),
        "r2": Entry(explained, n, constant_target, failing=_TOO_LARGE),
        "bias": Entry(mean_of(error), n, failing=_TOO_LARGE),
        "pearson": Entry(correlation, n, constant_target or constant, failing=_TOO_LARGE),
    }
    return impossible(found, sample.too_few)


_TOO_LARGE = "the values are too large to square or vary too little"


def _centred(values: Floats) -> Floats:
    return values - values.mean() if len(values) else values


def _constant(values: Floats) -> bool:
    return bool(len(values)) and bool((values == values[0]).all())


def _positive(variation: Floats, square: Floats) -> Floats:
    # What rounding leaves of a sum of squares that is nought on paper is no variation.
    return np.where(variation > 1e-12 * square, variation, np.nan)
