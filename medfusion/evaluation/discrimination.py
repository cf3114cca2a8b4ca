"""How well a score tells two classes apart: ROC, DeLong, partial AUC, precision and recall.

A target is 0 or 1 per case [n]; a score [n] is any number that is larger for class 1.
Where a class is absent the figure is NaN and a curve is empty; `evaluate` puts that in words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from medfusion import _rust
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.sample import Floats, Ints


class RocCurve(NamedTuple):
    """Points of the ROC curve from (0, 0) to (1, 1).

    Attributes:
        false_positive_rate: 1 - specificity, [m].
        true_positive_rate: Sensitivity, [m].
        threshold: A case is positive when its score reaches it, [m]; from inf down to -inf.
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    threshold: Floats


class PrecisionRecallCurve(NamedTuple):
    """Points of the precision-recall curve from recall 0 (precision 1 by convention) to 1.

    Attributes:
        recall: Sensitivity, [m].
        precision: Positive predictive value, [m].
        threshold: A case is positive when its score reaches it, [m]; from inf downwards.
    """

    recall: Floats
    precision: Floats
    threshold: Floats


class PairedTest(NamedTuple):
    """Two AUCs on the same cases; figures that are not estimable are NaN.

    Attributes:
        difference: First AUC minus second.
        ci: Interval of the difference.
        z: Difference over its standard error.
        p: Two-sided p value of no difference.
    """

    difference: float
    ci: tuple[float, float]
    z: float
    p: float


def two_classes(target: npt.NDArray[np.generic]) -> bool:
    """Return whether both classes occur."""
    return bool(len(target) and (target == target.flat[0]).sum() < len(target))


def auc(target: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the area under the ROC curve; ties count one half.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    truth = np.ascontiguousarray(target, dtype=np.uint8)
    if not two_classes(truth):
        return float("nan")
    return float(_rust.auc(truth, np.ascontiguousarray(score, dtype=np.float64)))


def delong(target: npt.ArrayLike, *scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the AUC of each score and the covariance matrix of these AUCs.

    The fast algorithm of Sun and Xu (https://doi.org/10.1109/LSP.2014.2337313) for the variance
    of DeLong, DeLong and Clarke-Pearson (https://doi.org/10.2307/2531595).

    Args:
        target: 0 or 1 per case, [n].
        scores: Scores on the same cases, each [n].

    Returns:
        AUC [k] and covariance [k, k]; NaN where a class is absent, the covariance also where a
        class has a single case.

    Example:
        >>> areas, covariance = delong([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> areas, covariance
        (array([0.75]), array([[0.125]]))
    """
    truth = np.ascontiguousarray(target, dtype=np.uint8)
    return _rust.delong(truth, [np.ascontiguousarray(score, dtype=np.float64) for score in scores])


def delong_interval(
    target: npt.ArrayLike, score: npt.ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Return DeLong's interval of the AUC, cut to 0 .. 1; NaN where it is not estimable.

    Example:
        >>> low, high = delong_interval([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6])
        >>> round(low, 3), round(high, 3)
        (0.581, 1.0)
    """
    areas, covariance = delong(target, score)
    half = float(ndtri((1 + confidence) / 2)) * float(np.sqrt(covariance[0, 0]))
    low, high = np.clip([areas[0] - half, areas[0] + half], 0, 1)
    return float(low), float(high)


def delong_test(
    target: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    confidence: float = 0.95,
) -> PairedTest:
    """Compare two scores on the same cases by DeLong's paired test.

    Example:
        >>> test = delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6])
        >>> round(test.difference, 3), round(test.p, 3)
        (0.111, 0.48)
    """
    areas, covariance = delong(target, first, second)
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # What rounding leaves of a variance of nought must not become a z of millions.
    if not variance > 1e-16:
        nan = float("nan")
        return PairedTest(difference, (nan, nan), nan, nan)
    error = float(np.sqrt(variance))
    half = float(ndtri((1 + confidence) / 2)) * error
    z = difference / error
    p = 2 * float(ndtr(-abs(z)))
    return PairedTest(difference, (difference - half, difference + half), z, p)


def permutation_test(
    target: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    group: Ints | None = None,
    *,
    permutations: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Compare two scores on the same cases by swapping them in a random half of the cases.

    Bandos, Rockette and Gur, https://doi.org/10.1002/sim.2149. Both scores must be on one scale
    (probabilities of the same class are), else there is no sense in swapping them.

    Args:
        target: 0 or 1 per case, [n].
        first: Score per case, [n].
        second: Another score, [n].
        group: Number of each case's group, [n]: the cases of a group are swapped together.
        permutations: How many.
        seed: The same seed swaps the same cases.

    Returns:
        First AUC minus second, and the two-sided p value of no difference; NaN where a class is
        absent. The data themselves count as one more permutation: p is never 0.

    Example:
        >>> target, first, second = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6]
        >>> difference, p = permutation_test(target, first, second)
        >>> round(difference, 3), round(p, 1)
        (0.111, 0.5)
    """
    truth = np.ascontiguousarray(target, dtype=np.uint8)
    pair = [np.ascontiguousarray(score, dtype=np.float64) for score in (first, second)]
    difference, extreme = _rust.permute_auc(truth, pair[0], pair[1], group, permutations, seed)
    if not np.isfinite(difference):
        return difference, float("nan")
    return difference, (extreme + 1) / (permutations + 1)


def partial_auc(
    target: npt.ArrayLike,
    score: npt.ArrayLike,
    specificity: tuple[float, float] = (0.9, 1.0),
    *,
    corrected: bool = False,
) -> float:
    """Return the area under the part of the ROC curve within a range of specificity.

    Args:
        target: 0 or 1 per case, [n].
        score: Score per case, [n].
        specificity: Lower and upper end of the range.
        corrected: Rescale so that chance is 0.5 and the best is 1
            (McClish, https://doi.org/10.1177/0272989X8900900307).

    Example:
        >>> round(partial_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], (0.5, 1.0)), 3)
        0.25
    """
    curve = roc_curve(target, score)
    if not len(curve.threshold):
        return float("nan")
    low, high = 1 - specificity[1], 1 - specificity[0]
    x, y = curve.false_positive_rate, curve.true_positive_rate
    # On a vertical piece the range begins at the upper and ends at the lower end.
    first = int(np.searchsorted(x, low, side="right")) - 1
    last = int(np.searchsorted(x, high, side="left"))
    inner = slice(first + 1, last)
    x = np.concatenate([[low], x[inner], [high]])
    y = np.concatenate([[_height(curve, first, low)], y[inner], [_height(curve, last - 1, high)]])
    area = float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())
    if not corrected:
        return area
    least, most = (high**2 - low**2) / 2, high - low
    return (1 + (area - least) / (most - least)) / 2


def average_precision(target: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the average precision, the step-wise area under the precision-recall curve.

    Example:
        >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    truth = np.asarray(target, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return float(replicated_average_precision(truth, score, Weights.once(len(truth)))[0])


def roc_curve(target: npt.ArrayLike, score: npt.ArrayLike) -> RocCurve:
    """Return the ROC curve, one point per distinct score and the beginning.

    Thresholds lie midway between neighbouring scores, so that no case sits on one; they equal
    those of R's pROC. The curve is empty where a class is absent.

    Example:
        >>> roc_curve([0, 0, 1], [0.1, 0.4, 0.8]).threshold
        array([ inf, 0.6 , 0.25, -inf])
    """
    truth = np.asarray(target).astype(bool)
    if not two_classes(truth):
        return RocCurve(*(np.empty(0) for _ in range(3)))
    true, false, distinct = _cumulative(truth, np.asarray(score, dtype=np.float64))
    thresholds = np.concatenate([[np.inf], midway(distinct), [-np.inf]])
    return RocCurve(false / false[-1], true / true[-1], thresholds)


def precision_recall_curve(target: npt.ArrayLike, score: npt.ArrayLike) -> PrecisionRecallCurve:
    """Return the precision-recall curve; empty where a class is absent.

    Example:
        >>> precision_recall_curve([0, 0, 1], [0.1, 0.4, 0.8]).precision
        array([1.        , 1.        , 0.5       , 0.33333333])
    """
    truth = np.asarray(target).astype(bool)
    if not two_classes(truth):
        return PrecisionRecallCurve(*(np.empty(0) for _ in range(3)))
    true, false, distinct = _cumulative(truth, np.asarray(score, dtype=np.float64))
    precision = np.concatenate([[1.0], true[1:] / (true[1:] + false[1:])])
    thresholds = np.concatenate([[np.inf], midway(distinct), [-np.inf]])
    return PrecisionRecallCurve(true / true[-1], precision, thresholds)


def midway(descending: Floats) -> Floats:
    """Return thresholds between neighbours, [m - 1]; `score >= threshold` parts them.

    Example:
        >>> midway(np.array([3.0, 2.0, 1.0]))
        array([2.5, 1.5])
    """
    upper, lower = descending[:-1], descending[1:]
    middle = lower / 2 + upper / 2
    # Between two neighbouring floats there is no middle: the upper one parts them.
    threshold: Floats = np.where(middle > lower, middle, upper)
    return threshold


def replicated_auc(
    target: Floats, score: npt.ArrayLike, weights: Weights, case: Ints | None = None
) -> Floats:
    """Return the AUC in each replicate, [B]; NaN for a replicate with one class.

    Args:
        target: 0 or 1, [m].
        score: Score, [m].
        weights: The replicates.
        case: The case that each entry stems from, [m], where entries are not the cases.
    """
    order, starts, truth = _descending(target, score)
    rows = weights.rows(order if case is None else case[order])
    positive = _tied(rows * truth, starts)
    negative = _tied(rows * (1 - truth), starts)
    positives, negatives = positive.sum(axis=1), negative.sum(axis=1)
    beaten = negatives[:, None] - np.cumsum(negative, axis=1) + negative / 2
    pairs = positives * negatives
    area = np.full(len(pairs), np.nan)
    np.divide((positive * beaten).sum(axis=1), pairs, out=area, where=pairs > 0)
    return area


def replicated_average_precision(
    target: Floats, score: npt.ArrayLike, weights: Weights, case: Ints | None = None
) -> Floats:
    """Return the average precision in each replicate, [B]; NaN without positive cases.

    Arguments as for `replicated_auc`.
    """
    order, starts, truth = _descending(target, score)
    rows = weights.rows(order if case is None else case[order])
    positive = _tied(rows * truth, starts)
    called = np.cumsum(_tied(rows, starts), axis=1)
    true = np.cumsum(positive, axis=1)
    precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
    area: Floats = (positive * precision).sum(axis=1) / true[:, -1]
    return area


def _descending(target: Floats, score: npt.ArrayLike) -> tuple[Ints, Ints, Floats]:
    """Return the order by falling score, where each distinct score starts, the ordered target."""
    scores = np.asarray(score, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return order, starts, target[order]


def _tied(values: Floats, starts: Ints) -> Floats:
    """Sum neighbouring columns of equal score."""
    return values if len(starts) == values.shape[1] else np.add.reduceat(values, starts, axis=1)


def _cumulative(truth: npt.NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats, Floats]:
    order, starts, ordered = _descending(truth.astype(np.float64), score)
    ends = np.concatenate([starts[1:], [len(order)]])
    true = np.concatenate([[0.0], np.cumsum(ordered)[ends - 1]])
    return true, np.concatenate([[0], ends]) - true, score[order][starts]


def _height(curve: RocCurve, point: int, at: float) -> float:
    """Return the sensitivity where 1 - specificity is `at`, between this point and the next."""
    x, y = curve.false_positive_rate, curve.true_positive_rate
    following = min(point + 1, len(x) - 1)
    run = x[following] - x[point]
    share = (at - x[point]) / run if run > 0 else 0.0
    return float(y[point] + share * (y[following] - y[point]))
