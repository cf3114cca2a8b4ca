"""How the operating point is chosen: on validation, never on test.

A case is positive when its score is at or above the threshold. A chosen threshold lies midway
between two neighbouring scores, as in R's pROC; where every case is to be positive, at the lowest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medfusion import registry, spec
from medfusion.evaluation.discrimination import roc_curve
from medfusion.evaluation.metric import NOT_ESTIMABLE
from medfusion.evaluation.sample import Floats, Sample, check
from medfusion.spec.evaluation import Threshold

Choice = tuple[float | None, str]
"""The threshold and how it was chosen; None and the reason where there is none."""

_ROUNDING = 1e-12  # sums of fractions that are equal on paper differ by this much


def choose_threshold(
    target: npt.ArrayLike, prediction: npt.ArrayLike, threshold: Threshold
) -> Choice:
    """Choose an operating point on the validation split.

    Args:
        target: Class index 0 or 1 per case of the validation split, [n].
        prediction: Probabilities [n, 2], or of the second class [n].
        threshold: How to choose.

    Returns:
        The threshold and how it was chosen; None and "not estimable: ..." where the cases are
        too few, of one class, or have all the same probability.

    Raises:
        InputError: As `medfusion.evaluation.sample.check`.

    Example:
        >>> target, prob = [0] * 5 + [1] * 5, [0.1, 0.2, 0.2, 0.3, 0.6, 0.4, 0.7, 0.7, 0.8, 0.9]
        >>> choose_threshold(target, prob, spec.YoudenThreshold())
        (0.35, 'Youden index')
        >>> choose_threshold(target, prob, spec.FixedThreshold(value=0.5))
        (0.5, 'fixed beforehand')
    """
    value, how = registry.create(threshold, sample=check("binary", target, prediction))
    return value, how


def youden_threshold(target: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the threshold with the largest sensitivity + specificity.

    Of several that are equally good, the one with the highest sensitivity. Youden,
    https://doi.org/10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3

    Args:
        target: 0 or 1 per case, both occur, [n].
        score: Any number per case, [n].

    Example:
        >>> youden_threshold([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0])
        2.5
    """
    sensitivity, specificity, thresholds = _candidates(target, score)
    index = sensitivity + specificity
    return float(thresholds[np.flatnonzero(index >= index.max() - _ROUNDING)[-1]])


def sensitivity_threshold(target: npt.ArrayLike, score: npt.ArrayLike, at_least: float) -> float:
    """Return the highest threshold that reaches a sensitivity.

    Args:
        target: 0 or 1 per case, both occur, [n].
        score: Any number per case, [n].
        at_least: The wanted sensitivity.

    Example:
        >>> sensitivity_threshold([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], at_least=0.5)
        3.5
    """
    sensitivity, _, thresholds = _candidates(target, score)
    return float(thresholds[np.flatnonzero(sensitivity >= at_least - _ROUNDING)[0]])


def inseparable(sample: Sample) -> str:
    """Return why the classes of a binary sample cannot be told apart; empty where they might."""
    if sample.too_few:
        return sample.too_few
    if (sample.target == sample.target[0]).all():
        return f"all cases are of class {sample.classes[int(sample.target[0])]!r}"
    if (sample.prediction == sample.prediction[0]).all():
        return "all cases have the same score"
    return ""


@registry.register(spec.FixedThreshold)
def _fixed(threshold: spec.FixedThreshold, **_context: Any) -> Choice:
    return threshold.value, "fixed beforehand"


@registry.register(spec.YoudenThreshold)
def _youden(_threshold: spec.YoudenThreshold, *, sample: Sample) -> Choice:
    if reason := inseparable(sample):
        return None, f"{NOT_ESTIMABLE}: {reason}"
    return youden_threshold(sample.target, sample.prediction), "Youden index"


@registry.register(spec.SensitivityThreshold)
def _sensitivity(threshold: spec.SensitivityThreshold, *, sample: Sample) -> Choice:
    if reason := inseparable(sample):
        return None, f"{NOT_ESTIMABLE}: {reason}"
    value = sensitivity_threshold(sample.target, sample.prediction, threshold.at_least)
    return value, f"sensitivity of at least {threshold.at_least:g}"


def _candidates(target: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return sensitivity, specificity and threshold of each finite cut, the threshold falling."""
    curve = roc_curve(target, score)
    thresholds = np.append(curve.threshold[1:-1], np.min(np.asarray(score, dtype=np.float64)))
    return curve.true_positive_rate[1:], 1 - curve.false_positive_rate[1:], thresholds
