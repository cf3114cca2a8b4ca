"""Numbers from a column of text, with the decimal mark that the column itself shows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRIED = 100
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")


class NotNumbersError(Exception):
    """Cells of a column that are no numbers: their positions and the reason."""

    def __init__(self, positions: list[int], reason: str) -> None:
        super().__init__(reason)
        self.positions = positions
        self.reason = reason


def to_numbers(
    cells: Sequence[str | None], *, comma_separated: bool = False
) -> NDArray[np.float64]:
    """Return a column's numbers, with NaN where a cell is missing.

    The decimal mark is a dot or a comma, the same throughout a column. Marks between thousands,
    units, percent signs, "<0.5", infinities and hexadecimal are no numbers.

    Args:
        cells: Text of each cell, None where missing.
        comma_separated: The file separates cells by commas, so that a quoted "1,234" more
            likely means a thousand than a decimal; it is refused as ambiguous.

    Returns:
        float64 [n].

    Raises:
        NotNumbersError: With the positions of the cells at fault.

    Example:
        >>> to_numbers(["1,5", None, "2"]).tolist()
        [1.5, nan, 2.0]
    """
    values = np.full(len(cells), np.nan)
    bad: list[int] = []
    marks: dict[str, int] = {}
    thousands = 0
    for position, cell in enumerate(cells):
        if cell is None:
            continue
        written = cell.replace("\N{MINUS SIGN}", "-")
        if _NUMBER.fullmatch(written) is None:
            bad.append(position)
            continue
        mark = "," if "," in written else "." if "." in written else ""
        if mark:
            marks.setdefault(mark, position)
        if mark == ",":
            thousands += _THOUSANDS.fullmatch(written) is not None
        number = float(written.replace(",", "."))
        if np.isinf(number):
            bad.append(position)
        values[position] = number
    if bad:
        reason = "is no number"
        raise NotNumbersError(bad, reason)
    if len(marks) > 1:
        reason = "mixes decimal commas and decimal dots"
        raise NotNumbersError(sorted(marks.values()), reason)
    commas = sum("," in cell for cell in cells if cell is not None)
    if comma_separated and commas and thousands == commas:
        reason = "could be thousands or decimals; write numbers without marks between thousands"
        raise NotNumbersError([marks[","]], reason)
    return values


def numbers_or_none(cells: Sequence[str | None]) -> NDArray[np.float64] | None:
    """Return a column's numbers, NaN where missing; None where a cell is none. Quick on long columns.

    >>> numbers_or_none(["1", None, "1"]).tolist(), numbers_or_none(["1", "I"])
    ([1.0, nan, 1.0], None)
    """
    distinct = list({cell for cell in cells if cell is not None})
    try:
        to_numbers(distinct[:_TRIED])  # words show at once
        value: dict[str | None, float] = dict(
            zip(distinct, to_numbers(distinct).tolist(), strict=True)
        )
    except NotNumbersError:
        return None
    value[None] = np.nan
    return np.array([value[cell] for cell in cells], dtype=np.float64)


def are_numbers(cells: Sequence[str | None]) -> bool:
    """Return whether a column has values and all of them are numbers.

    >>> are_numbers(["1", None]), are_numbers(["1", "I"]), are_numbers([None])
    (True, False, False)
    """
    try:
        values = to_numbers(cells)
    except NotNumbersError:
        return False
    return bool(np.isfinite(values).any())
