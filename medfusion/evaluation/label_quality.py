"""Which labels a model contradicts with confidence: confident learning.

Northcutt, Jiang and Chuang 2021, https://arxiv.org/abs/1911.00068. Probabilities should come from a
model that did not learn from the rows it judges.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class LabelQuality:
    """What a model says about the labels of n rows and K classes.

    Attributes:
        confidence: Self-confidence, the probability of the given label, [n].
        margin: Normalised margin, that probability less the largest of another class, -1 to 1, [n].
        suggested: The class that the model would give instead, int64 [n].
        suspect: Whether the row is counted off the diagonal of the confident joint, bool [n].
        thresholds: Mean probability of a class over the rows labelled with it, [K]; infinite where
            no row is.
        joint: Rows by given label and confident class, int64 [K, K].
        noise: Estimated share of wrong labels: what is off the diagonal of the joint, each row of
            it scaled to the number of rows with its label; NaN without rows.
    """

    confidence: Floats
    margin: Floats
    suggested: NDArray[np.int64]
    suspect: NDArray[np.bool_]
    thresholds: Floats
    joint: NDArray[np.int64]
    noise: float


def label_quality(labels: NDArray[np.int64], probabilities: Floats) -> LabelQuality:
    """Judge labels by probabilities.

    A row is confidently of class j where p_j reaches the mean p_j of the rows labelled j; of
    several such classes it is of the one with the largest probability.

    Args:
        labels: Index of the given class, int64 [n].
        probabilities: Of each class, [n, K].

    Example:
        >>> labels = np.array([0, 0, 0, 1, 1])
        >>> p = np.array([0.1, 0.2, 0.9, 0.8, 0.9])
        >>> found = label_quality(labels, np.column_stack([1 - p, p]))
        >>> found.suspect.tolist(), found.margin.round(1).tolist()
        ([False, False, True, False, False], [0.8, 0.6, -0.8, 0.6, 0.8])
    """
    n, classes = probabilities.shape
    rows = np.arange(n)
    sizes = np.bincount(labels, minlength=classes)
    given = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    rival = others.argmax(axis=1) if n else np.zeros(0, dtype=np.int64)
    thresholds = np.full(classes, np.inf)
    there = sizes > 0
    thresholds[there] = np.bincount(labels, weights=given, minlength=classes)[there] / sizes[there]
    # A mean may lie a rounding above values that are all the same.
    reached = probabilities >= thresholds - 1e-12
    sure = reached.any(axis=1)
    best = np.where(reached, probabilities, -np.inf)
    # Where a rival is just as probable the given label has the benefit of the doubt.
    best[rows, labels] = np.nextafter(best[rows, labels], np.inf)
    confident = best.argmax(axis=1) if n else np.zeros(0, dtype=np.int64)
    suspect = sure & (confident != labels)
    joint = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(joint, (labels[sure], confident[sure]), 1)
    return LabelQuality(
        confidence=given,
        margin=given - probabilities[rows, rival],
        suggested=np.where(suspect, confident, rival).astype(np.int64),
        suspect=suspect,
        thresholds=thresholds,
        joint=joint,
        noise=_noise(joint, sizes),
    )


def _noise(joint: NDArray[np.int64], sizes: NDArray[np.int64]) -> float:
    counted = joint.sum(axis=1)
    diagonal = np.diag(joint).astype(np.float64)
    right = np.divide(diagonal, counted, out=np.ones(len(diagonal)), where=counted > 0)
    return float(((1 - right) * sizes).sum() / sizes.sum()) if sizes.sum() else float("nan")


@dataclasses.dataclass(frozen=True, eq=False)
class Residuals:
    """How far numbers lie from their predictions, of n rows.

    Attributes:
        distance: Residual in robust standard deviations, [n]; positive where the given number is
            the larger one.
        suspect: Whether it lies beyond `LIMIT` on either side, bool [n].
        spread: The robust standard deviation of the residuals, in units of the target.
    """

    distance: Floats
    suspect: NDArray[np.bool_]
    spread: float


LIMIT = 3.5
"""Robust standard deviations from which a residual stands out (Iglewicz and Hoaglin 1993)."""


def residuals(given: Floats, predicted: Floats) -> Residuals:
    """Judge given numbers by predictions: the median of the residuals is where most lie.

    The spread is the median absolute deviation times 1.4826, the standard deviation of a normal
    distribution that a few wild values do not move.

    Args:
        given: The numbers in the table, [n].
        predicted: Their predictions, [n].

    Example:
        >>> residuals(np.array([1.0, 2.0, 3.0, 40.0]), np.array([1.1, 1.9, 3.2, 4.0])).suspect.tolist()
        [False, False, False, True]
    """
    off = given - predicted
    centre = float(np.median(off)) if len(off) else 0.0
    spread = 1.4826 * float(np.median(np.abs(off - centre))) if len(off) else 0.0
    if spread == 0:
        return Residuals(np.zeros(len(off)), np.zeros(len(off), dtype=bool), 0.0)
    distance = (off - centre) / spread
    return Residuals(distance, np.abs(distance) > LIMIT, spread)
