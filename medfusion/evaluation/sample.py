"""The cases of one split with what was predicted for them, checked before anything is counted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medfusion.errors import InputError, unknown

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
        target: Class index int64 [n], or value float64 [n]; of a segmentation the pixels of each
            class int64 [n, K].
        prediction: Probability of the second class [n], of each class [n, K], or value [n]; of a
            segmentation the scores of each class, see `medfusion.evaluation.pixels`.
        classes: Names in the order of the probabilities; empty for regression.
        group: Number of each case's group, 0 .. groups - 1, int64 [n].
        groups: How many groups there are.
    """

    kind: str
    target: npt.NDArray[np.int64 | np.float64]
    prediction: Floats
    classes: tuple[str, ...]
    group: Ints
    groups: int

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
) -> Sample:
    """Return the cases as arrays, or say what is wrong with them.

    Args:
        kind: A kind of target.
        target: Class index [n] or value [n].
        prediction: Probabilities [n, 2] (or of the second class, [n]), [n, K], or values [n].
        classes: Class names in the order of the probabilities.
        groups: The group of each case, [n]; by default each case is its own.

    Raises:
        InputError: Missing or infinite values, lengths that differ, a class index or a
            probability out of range.

    Example:
        >>> check("binary", [0, 1], [[0.9, 0.1], [0.2, 0.8]]).prediction
        array([0.1, 0.8])
    """
    if kind not in _CHECKS:
        raise InputError(unknown("target kind", kind, _CHECKS))
    truth = _numbers(target, "target")
    if kind == "segmentation":
        return _pixels(truth, prediction, tuple(classes), groups)
    predicted = _numbers(prediction, "prediction")
    if truth.ndim != 1:
        msg = f"target: one value per case is needed, got an array of shape {truth.shape}"
        raise InputError(msg)
    if len(predicted) != len(truth):
        msg = f"prediction: {len(predicted)} cases, but target has {len(truth)}"
        raise InputError(msg)
    checked, predicted, names = _CHECKS[kind](kind, truth, predicted, tuple(classes))
    group, count = group_index(groups, len(truth))
    return Sample(kind, checked, predicted, names, group, count)


_Checked = tuple[npt.NDArray[Any], Floats, tuple[str, ...]]


def _value(kind: str, truth: Floats, predicted: Floats, classes: tuple[str, ...]) -> _Checked:
    del kind, classes
    predicted = predicted[:, 0] if predicted.shape[1:] == (1,) else predicted
    _shape(predicted, (len(truth),))
    return truth, predicted, ()


def _class(kind: str, truth: Floats, predicted: Floats, classes: tuple[str, ...]) -> _Checked:
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


_CHECKS = {"binary": _class, "multiclass": _class, "regression": _value, "segmentation": _value}
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


def _numbers(values: npt.ArrayLike, what: str) -> Floats:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        msg = f"{what}: numbers are needed"
        raise InputError(msg) from None
    if numbers.ndim == 0:
        msg = f"{what}: one value per case is needed, got a single number"
        raise InputError(msg)
    bad = ~np.isfinite(numbers)
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
    outside = np.flatnonzero(((values < 0) | (values > 1)).reshape(n, -1).any(axis=1))
    if len(outside):
        msg = f"prediction: case {outside[0]} has a probability outside 0 .. 1"
        raise InputError(msg)
    if kind == "binary" and values.ndim == 2:
        values = values[:, 1]
    return np.ascontiguousarray(values), names
