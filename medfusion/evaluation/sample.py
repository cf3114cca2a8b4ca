"""The cases of one split with what was predicted for them, checked before anything is counted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medfusion.errors import InputError, unknown
from medfusion.evaluation.follow_up import FollowUp

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_CASES = 10
"""Below this many cases nothing is estimated."""

_ROUNDING = 1e-2  # probabilities may come from bfloat16


@dataclass(frozen=True)
class Sample:
    """Targets and predictions of one split.

    Attributes:
        kind: Kind of the target.
        target: Class index int64 [n], value float64 [n], time and event float64 [n, 2], labels
            0 and 1 with NaN where unknown float64 [n, L], or the pixels of each class int64 [n, K].
        prediction: Probability of the second class [n], of each class or label [n, K], value [n],
            risk and survival at each time [n, 1 + T], or the scores of each class of pixels, see
            `medfusion.evaluation.pixels`.
        classes: Names in the order of the probabilities; empty for regression.
        group: Number of each case's group, 0 .. groups - 1, int64 [n].
        groups: How many groups there are.
        follow_up: What survival predictions are judged with.
    """

    kind: str
    target: npt.NDArray[np.int64 | np.float64]
    prediction: Floats
    classes: tuple[str, ...]
    group: Ints
    groups: int
    follow_up: FollowUp | None = None

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.target)

    @property
    def repeated(self) -> bool:
        """Whether a group has several cases."""
        return self.groups < self.n

    @property
    def too_few(self) -> str:
        """Why nothing is estimable on so few cases; empty where they suffice."""
        if self.n == 0:
            return "no cases"
        if self.n < FEWEST_CASES:
            cases = "case" if self.n == 1 else "cases"
            return f"only {self.n} {cases}, at least {FEWEST_CASES} are needed"
        return ""


def check(
    kind: str,
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    classes: Sequence[str] = (),
    groups: Iterable[Hashable] | None = None,
    follow_up: FollowUp | None = None,
) -> Sample:
    """Return the cases as arrays, or say what is wrong with them.

    Args:
        kind: A kind of target.
        target: Class index [n], value [n], time and event [n, 2], or labels [n, L].
        prediction: Probabilities [n, 2] (or of the second class, [n]), [n, K], values [n], or
            risks [n], with the survival at each time of `follow_up` [n, 1 + T].
        classes: Class names in the order of the probabilities.
        groups: The group of each case, [n]; by default each case is its own.
        follow_up: For survival; without it only the risk is judged.

    Raises:
        InputError: Missing or infinite values, lengths that differ, a class index or a
            probability out of range.

    Example:
        >>> check("binary", [0, 1], [[0.9, 0.1], [0.2, 0.8]]).prediction
        array([0.1, 0.8])
    """
    if kind not in _CHECKS:
        raise InputError(unknown("target kind", kind, _CHECKS))
    truth = _numbers(target, "target", gaps=kind == "multilabel")
    if kind == "segmentation":
        return _pixels(truth, prediction, tuple(classes), groups)
    predicted = _numbers(prediction, "prediction")
    if len(predicted) != len(truth):
        msg = f"prediction: {len(predicted)} cases, but target has {len(truth)}"
        raise InputError(msg)
    checked, predicted, names = _CHECKS[kind](kind, truth, predicted, tuple(classes))
    group, count = group_index(groups, len(truth))
    sample = Sample(kind, checked, predicted, names, group, count, follow_up)
    if kind == "survival":
        _check_times(sample)
    return sample


_Checked = tuple[npt.NDArray[Any], Floats, tuple[str, ...]]


def _value(kind: str, truth: Floats, predicted: Floats, classes: tuple[str, ...]) -> _Checked:
    del kind, classes
    _one_each(truth)
    predicted = predicted[:, 0] if predicted.shape[1:] == (1,) else predicted
    _shape(predicted, (len(truth),))
    return truth, predicted, ()


def _class(kind: str, truth: Floats, predicted: Floats, classes: tuple[str, ...]) -> _Checked:
    _one_each(truth)
    predicted, names = _probabilities(kind, predicted, classes)
    index = truth.astype(np.int64)
    wrong = np.flatnonzero((index != truth) | (index < 0) | (index >= len(names)))
    if len(wrong):
        msg = (
            f"target: case {wrong[0]} is {truth[wrong[0]]:g}, "
            f"not a class index of 0 .. {len(names) - 1}"
        )
        raise InputError(msg)
    return index, predicted, names


def _pixels(
    truth: Floats,
    prediction: npt.ArrayLike,
    classes: tuple[str, ...],
    groups: Iterable[Hashable] | None,
) -> Sample:
    # A distance is NaN where there is none; everything else is a number of pixels.
    predicted = np.asarray(prediction, dtype=np.float64)
    count = truth.shape[1] if truth.ndim == 2 else 0
    names = classes or tuple(str(k) for k in range(count))
    if count < 2 or len(names) != count:
        msg = f"target: the pixels of each of two or more classes are needed, got {truth.shape}"
        raise InputError(msg)
    _shape(predicted, (len(truth), 3 * (count - 1)))
    counts = np.delete(predicted, slice(2, None, 3), axis=1)
    if (counts < 0).any() or not np.isfinite(counts).all() or (truth < 0).any():
        msg = "prediction and target: numbers of pixels of 0 or more are needed"
        raise InputError(msg)
    overlap = predicted[:, 1::3]
    if (overlap > np.minimum(predicted[:, ::3], truth[:, 1:])).any():
        msg = (
            "prediction: an overlap is larger than a region; were both counted on the same images?"
        )
        raise InputError(msg)
    group, number = group_index(groups, len(truth))
    return Sample("segmentation", truth.astype(np.int64), predicted, names, group, number)


def _time(kind: str, truth: Floats, predicted: Floats, classes: tuple[str, ...]) -> _Checked:
    del kind, classes
    if truth.shape != (len(truth), 2):
        msg = f"target: time and event of each case are needed, got shape {list(truth.shape)}"
        raise InputError(msg)
    wrong = np.flatnonzero((truth[:, 1] != 0) & (truth[:, 1] != 1))
    if len(wrong):
        msg = f"target: the event of case {wrong[0]} is {truth[wrong[0], 1]:g}, not 0 or 1"
        raise InputError(msg)
    early = np.flatnonzero(truth[:, 0] < 0)
    if len(early):
        msg = f"target: the time of case {early[0]} is negative"
        raise InputError(msg)
    return truth, predicted.reshape(len(truth), -1), ()


def _check_times(sample: Sample) -> None:
    survival = sample.prediction[:, 1:]
    known = sample.follow_up
    if known is not None and sample.n and survival.shape[1] not in (0, len(known.times)):
        msg = (
            f"prediction: risk and survival at {len(known.times)} times are needed, "
            f"got {sample.prediction.shape[1]} columns"
        )
        raise InputError(msg)
    outside = np.flatnonzero(((survival < 0) | (survival > 1)).any(axis=1))
    if len(outside):
        msg = f"prediction: case {outside[0]} has a survival outside 0 .. 1"
        raise InputError(msg)
    rising = np.flatnonzero((np.diff(survival, axis=1) > _ROUNDING).any(axis=1))
    if len(rising):
        msg = f"prediction: the survival of case {rising[0]} rises with time"
        raise InputError(msg)


def _label(kind: str, truth: Floats, predicted: Floats, classes: tuple[str, ...]) -> _Checked:
    del kind
    names = classes or tuple(str(k) for k in range(truth.shape[1] if truth.ndim == 2 else 0))
    if truth.shape != (len(truth), len(names)):
        msg = f"target: shape {[len(truth), len(names)]} is needed, got {list(truth.shape)}"
        raise InputError(msg)
    wrong = np.flatnonzero(((truth != 0) & (truth != 1) & ~np.isnan(truth)).any(axis=1))
    if len(wrong):
        msg = f"target: case {wrong[0]} has a label that is neither 0 nor 1 nor missing (NaN)"
        raise InputError(msg)
    _shape(predicted, truth.shape)
    _within(predicted)
    return truth, np.ascontiguousarray(predicted), names


def _one_each(truth: Floats) -> None:
    if truth.ndim != 1:
        msg = f"target: one value per case is needed, got an array of shape {truth.shape}"
        raise InputError(msg)


_CHECKS = {
    "binary": _class,
    "multiclass": _class,
    "multilabel": _label,
    "ordinal": _class,
    "regression": _value,
    "segmentation": _value,
    "survival": _time,
}
"""What targets and predictions of each kind must be."""


def group_index(groups: Iterable[Hashable] | None, n: int) -> tuple[Ints, int]:
    """Return each case's group as a number, in order of first appearance, and how many there are.

    Raises:
        InputError: Not one group per case.

    Example:
        >>> group_index(["b", "a", "b"], 3)
        (array([0, 1, 0]), 2)
    """
    if groups is None:
        return np.arange(n, dtype=np.int64), n
    seen: dict[Hashable, int] = {}
    index = np.array([seen.setdefault(group, len(seen)) for group in groups], dtype=np.int64)
    if len(index) != n:
        msg = f"groups: {len(index)} cases, but target has {n}"
        raise InputError(msg)
    return index, len(seen)


def _numbers(values: npt.ArrayLike, what: str, *, gaps: bool = False) -> Floats:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        msg = f"{what}: numbers are needed"
        raise InputError(msg) from None
    if numbers.ndim == 0:
        msg = f"{what}: one value per case is needed, got a single number"
        raise InputError(msg)
    bad = np.isinf(numbers) if gaps else ~np.isfinite(numbers)
    if bad.any():
        cases = np.flatnonzero(bad.reshape(len(numbers), -1).any(axis=1))
        msg = (
            f"{what}: {len(cases)} of {len(numbers)} cases are missing (NaN) or infinite, "
            f"the first is case {cases[0]}; leave such cases out or correct them"
        )
        raise InputError(msg)
    return numbers


def _shape(values: Floats, wanted: tuple[int, ...]) -> None:
    if values.shape != wanted:
        msg = f"prediction: shape {list(wanted)} is needed, got {list(values.shape)}"
        raise InputError(msg)


def _probabilities(
    kind: str, values: Floats, names: tuple[str, ...]
) -> tuple[Floats, tuple[str, ...]]:
    if kind == "binary":
        names = names or ("0", "1")
        if len(names) != 2:
            msg = f"classes: a binary target has two, got {len(names)}"
            raise InputError(msg)
    elif not names:
        names = tuple(str(k) for k in range(values.shape[1] if values.ndim == 2 else 0))
    n = len(values)
    if n == 0:
        return np.zeros((0,) if kind == "binary" else (0, len(names))), names
    if not (kind == "binary" and values.ndim == 1):
        _shape(values, (n, len(names)))
        total = values.sum(axis=1)
        wrong = np.flatnonzero(np.abs(total - 1) > _ROUNDING)
        if len(wrong):
            msg = f"prediction: case {wrong[0]} has probabilities that sum to {total[wrong[0]]:g}"
            raise InputError(msg)
    _within(values)
    if kind == "binary" and values.ndim == 2:
        values = values[:, 1]
    return np.ascontiguousarray(values), names


def _within(values: Floats) -> None:
    outside = np.argwhere((values < 0) | (values > 1))
    if len(outside):
        msg = f"prediction: case {outside[0, 0]} has a probability outside 0 .. 1"
        raise InputError(msg)
