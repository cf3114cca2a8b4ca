"""The cases that a model is most wrong about."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

COUNT = 24
"""Cases that are worth a look at once."""


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A case and how wrong the model is about it.

    Attributes:
        id: Its id.
        split: "train", "val" or "test".
        truth: What holds: a class or a number.
        said: What the model says.
        wrong: For classes 1 minus the probability of what holds, for numbers the distance.
        task: Of several tasks the one, else "".
    """

    id: str
    split: str
    truth: str
    said: str
    wrong: float
    task: str = ""


def wrongness(
    kind: str, target: NDArray[Any], predictions: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return how wrong each prediction is, [n]; None where the kind of target has no such number.

    Of labels, the one that is most wrong counts.

    Args:
        kind: Kind of the target.
        target: Targets, [n], or labels [n, L] with NaN where unknown.
        predictions: Probabilities [n, K] or values [n] or [n, 1].

    Example:
        >>> wrongness("binary", np.array([0, 1]), np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
        [0.25, 0.5]
    """
    if kind in ("binary", "multiclass", "ordinal"):
        return np.asarray(1.0 - predictions[np.arange(len(target)), target.astype(np.int64)])
    if kind == "regression":
        return np.asarray(np.abs(predictions.reshape(len(target)) - target))
    if kind == "multilabel":
        return np.asarray(np.where(np.isnan(target), 0.0, np.abs(predictions - target)).max(axis=1))
    return None


def most_wrong(
    kind: str,
    classes: Sequence[str],
    ids: Sequence[str],
    splits: Sequence[str],
    target: NDArray[Any],
    predictions: NDArray[np.float64],
    *,
    count: int = COUNT,
    task: str = "",
) -> list[Mistake]:
    """Return the cases that the predictions are most wrong about, the worst first.

    Args:
        kind: Kind of the target.
        classes: Names of the classes or labels; empty for numbers.
        ids: Of the cases, [n].
        splits: Of the cases, [n].
        target: As `wrongness` takes it.
        predictions: Likewise.
        count: How many at most.
        task: Of several tasks the one.

    Example:
        >>> found = most_wrong(
        ...     "binary", ["no", "yes"], ["a", "b"], ["val"] * 2,
        ...     np.array([0, 1]), np.array([[0.75, 0.25], [0.9, 0.1]]),
        ... )
        >>> [(one.id, one.truth, one.said, one.wrong) for one in found]
        [('b', 'yes', 'no', 0.9), ('a', 'no', 'no', 0.25)]
    """
    wrong = wrongness(kind, target, predictions)
    if wrong is None or len(wrong) == 0:
        return []
    worst = np.argsort(-wrong, kind="stable")[:count]
    return [
        Mistake(
            str(ids[row]),
            str(splits[row]),
            *_in_words(kind, classes, target[row], predictions[row]),
            wrong=round(float(wrong[row]), 6),
            task=task,
        )
        for row in worst.tolist()
        if np.isfinite(wrong[row])
    ]


def _in_words(kind: str, classes: Sequence[str], target: Any, prediction: Any) -> tuple[str, str]:
    if kind == "regression":
        return f"{float(target):.6g}", f"{float(np.ravel(prediction)[0]):.6g}"
    if kind == "multilabel":
        away = np.where(np.isnan(target), 0.0, np.abs(prediction - target))
        label = int(away.argmax())
        said = bool(prediction[label] >= 0.5)
        no, yes = f"not {classes[label]}", classes[label]
        return (yes if target[label] else no), (yes if said else no)
    return classes[int(target)], classes[int(prediction.argmax())]
