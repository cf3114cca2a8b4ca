"""Metrics of each class by itself, followed epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.evaluation.discrimination import auc

KINDS = frozenset({"binary", "multiclass", "ordinal", "multilabel"})
MOST = 32
"""More classes than this are not followed one by one."""


def class_metrics(
    kind: str, classes: Sequence[str], target: NDArray[Any], prediction: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Return metrics by name and class; what is not estimable is left out.

    Of classes: the sensitivity, where the most probable class is called, and of three or more, or
    of labels, the area under the ROC curve of each against the rest. A label is called from 0.5 on.

    Args:
        kind: Kind of the target; others than classes and labels have none of these metrics.
        classes: Names of the classes or labels.
        target: Class index [n], or labels [n, L] with NaN where unknown.
        prediction: Probabilities, [n, K].

    Example:
        >>> class_metrics("binary", ["no", "yes"], np.array([0, 1]), np.array([[0.6, 0.4]] * 2))
        {'sensitivity': {'no': 1.0, 'yes': 0.0}}
    """
    if kind not in KINDS or len(classes) > MOST:
        return {}
    labels = kind == "multilabel"
    called = prediction >= 0.5 if labels else _one_hot(prediction.argmax(axis=1), len(classes))
    holds = target if labels else _one_hot(target.astype(np.int64), len(classes)).astype(float)
    found: dict[str, dict[str, float]] = {"auc": {}, "sensitivity": {}}
    for place, name in enumerate(classes):
        rows = ~np.isnan(holds[:, place])
        truth = holds[rows, place] == 1
        if truth.any():
            found["sensitivity"][name] = float(called[rows, place][truth].mean())
        if kind != "binary" and truth.any() and not truth.all():
            found["auc"][name] = float(auc(truth, prediction[rows, place]))
    return {metric: values for metric, values in found.items() if values}


def _one_hot(index: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    return np.asarray(index[:, None] == np.arange(classes))
