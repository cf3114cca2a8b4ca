"""Columns that name a row rather than describe it: identifiers, running numbers, dates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from medfusion.data.numbers import are_numbers, to_numbers

_FEWEST_ROWS = 20
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
    r"|(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
)


def are_dates(cells: Sequence[str | None]) -> bool:
    """Return whether nearly all values of a column are dates.

    >>> are_dates(["2024-02-29", None]), are_dates(["29.5"])
    (True, False)
    """
    counts = Counter(cell for cell in cells if cell is not None)
    dates = sum(count for cell, count in counts.items() if _DATE.fullmatch(cell) is not None)
    return dates > 0.9 * counts.total()


def is_identifier(cells: Sequence[str | None]) -> bool:
    """Return whether nearly every row of a column has a word or a running number of its own.

    >>> is_identifier([f"P{n}" for n in range(30)]), is_identifier(["a", "b"] * 15)
    (True, False)
    """
    known = [cell for cell in cells if cell is not None]
    if len(known) < _FEWEST_ROWS or len(set(known)) < 0.9 * len(known):
        return False
    if not are_numbers(known):
        return True
    values = to_numbers(known)
    if not (values == np.floor(values)).all():
        return False
    steps = np.diff(values)
    running = bool((steps > 0).all() or (steps < 0).all())
    # Whole numbers all different: a numbering where they fill their range or are in order.
    return running or bool(values.max() - values.min() < 1.5 * len(values))
