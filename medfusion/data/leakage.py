"""Single columns that give the target away: far too good to be known beforehand.

Two signs are looked for on the training rows: a column that alone ranks the target nearly
perfectly, and a value of a column that occurs with one class only although, by chance, it never
would (in HAM10000, "follow-up" as the way of diagnosis exists for benign lesions alone).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import are_numbers, to_numbers

RANKING = 0.98
"""AUC (or rank correlation with a number) from which one column is too good."""

CHANCE = 1e-6
"""Probability, after Bonferroni, below which a value's purity is no coincidence."""

LEVEL_ROWS = 20
_POOLED_BELOW = 10
_CODED_VALUES = 5
_ABSENT = "(missing)"


@dataclasses.dataclass(frozen=True)
class Leak:
    """What gives the target away.

    Attributes:
        column: The column.
        finding: What was found, in words.
        rows: int positions among the rows that were given.
    """

    column: str
    finding: str
    rows: list[int]


def find(
    column: str, cells: Sequence[str | None], target: NDArray[Any], classes: Sequence[str]
) -> Leak | None:
    """Return how a column gives the target away, or None.

    Args:
        column: Its name.
        cells: Its text on the training rows, None where missing.
        target: Class index int64 [n], or float64 [n] of a regression, on the same rows.
        classes: Names of the classes; empty for a regression.

    Example:
        >>> cells = ["discharged" if y == 0 else "died" for y in [0, 1] * 20]
        >>> find("outcome", cells, np.array([0, 1] * 20), ["well", "ill"]).finding
        'ranks the target with AUC 1.000'
    """
    numeric = are_numbers(cells)
    ranking = _ranking(cells, target, classes, numeric=numeric)
    if ranking is not None:
        return Leak(column, ranking, list(range(len(cells))))
    return _pure_level(column, cells, target, classes, numeric=numeric) if classes else None


def _ranking(
    cells: Sequence[str | None], target: NDArray[Any], classes: Sequence[str], *, numeric: bool
) -> str | None:
    known = np.array([cell is not None for cell in cells])
    if numeric:
        scores = to_numbers(cells)[known]
        target = target[known]
    else:
        known = np.ones(len(cells), dtype=bool)
        scores = np.empty(0)
    if not classes:
        if not numeric:
            scores = _level_means(cells, target)
        correlation = abs(rank_correlation(scores, target))
        if correlation > RANKING and unlikely_correlation(correlation, len(target)):
            return f"ranks the target with correlation {correlation:.3f}"
        return None
    best = 0.0
    for code in range(1 if len(classes) == 2 else 0, len(classes)):
        event = target == code
        cases, others = int(event.sum()), int((~event).sum())
        # Ten against ten: even a perfect ranking of fewer may be chance.
        if min(cases, others) == 0 or _log_choose(cases + others, cases) < -math.log(CHANCE):
            continue
        score = scores if numeric else _level_means(cells, event.astype(float))
        area = _auc(event, score)
        best = max(best, area, 1 - area)
    return f"ranks the target with AUC {best:.3f}" if best > RANKING else None


def _pure_level(
    column: str,
    cells: Sequence[str | None],
    target: NDArray[Any],
    classes: Sequence[str],
    *,
    numeric: bool,
) -> Leak | None:
    levels = np.array([_ABSENT if cell is None else f"={cell}" for cell in cells], dtype=object)
    names, level_of, sizes = np.unique(levels, return_inverse=True, return_counts=True)
    # Of numbers, only codes (0/1, 1..5) and missingness are values; an age of 40 is not.
    coded = not numeric or len(names) <= _CODED_VALUES
    shares = np.bincount(target, minlength=len(classes)) / len(target)
    tested = [
        level
        for level, size in enumerate(sizes)
        if size >= LEVEL_ROWS and (coded or names[level] == _ABSENT)
    ]
    for level in sorted(tested, key=lambda index: -sizes[index]):
        rows = np.flatnonzero(level_of == level)
        code = int(target[rows[0]])
        if shares[code] < 1 and (target[rows] == code).all():
            chance = float(shares[code]) ** len(rows) * len(tested)
            if chance < CHANCE:
                name = names[level] if names[level] == _ABSENT else repr(names[level][1:])
                finding = (
                    f"{name} ({len(rows)} training rows) occurs with {classes[code]!r} only, "
                    f"which is {shares[code]:.0%} of all"
                )
                return Leak(column, finding, rows.tolist())
    return None


def _level_means(cells: Sequence[str | None], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each row the mean of its level; rare levels are one, as they fit anything."""
    levels = np.array([_ABSENT if cell is None else f"={cell}" for cell in cells], dtype=object)
    _, level_of, sizes = np.unique(levels, return_inverse=True, return_counts=True)
    rare = sizes < _POOLED_BELOW
    pooled = np.where(rare[level_of], len(sizes), level_of)
    sums = np.bincount(pooled, weights=values, minlength=len(sizes) + 1)
    counts = np.bincount(pooled, minlength=len(sizes) + 1)
    return (sums / np.maximum(counts, 1))[pooled]


def _auc(event: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    from medfusion import _rust

    return _rust.auc(event.astype(np.uint8), np.ascontiguousarray(score, dtype=np.float64))


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Spearman's correlation of two columns, 0 where one of them is constant."""
    a, b = _midranks(first), _midranks(second)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def _midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def unlikely_correlation(correlation: float, n: int) -> bool:
    """Return whether n unrelated pairs would hardly ever correlate like this."""
    # Fisher's z: how far the correlation lies from none, in standard errors.
    return n > 10 and math.atanh(min(correlation, 1 - 1e-12)) * math.sqrt(n - 3) > 5


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
