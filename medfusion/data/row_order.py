"""The rows of a table in an order, with a filter, one page at a time: also of very long tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import numbers_or_none
from medfusion.data.table import Table

PAGE_ROWS = 500
"""Rows that a page has at most."""
CELL_CHARACTERS = 300
"""Characters of a cell that are shown; the row of its own has all."""


@dataclasses.dataclass(frozen=True)
class Order:
    """Which rows, and in which order.

    Attributes:
        by: Column to sort by; None keeps the table's order.
        down: The largest first. Missing values come last in either direction.
        find: Text that a row must hold somewhere, upper or lower case.
        column: Column that must hold exactly `value`; None takes all rows.
        value: That value; None where it must be missing.
    """

    by: str | None = None
    down: bool = False
    find: str = ""
    column: str | None = None
    value: str | None = None


class RowOrder:
    """Sorts and filters the rows of a table; what was worked out is kept for the next page.

    Args:
        table: The table.

    Example:
        >>> RowOrder(read_table("cohort.csv")).rows(Order(by="age"))[:3]  # doctest: +SKIP
        array([17, 4, 242])
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._keys: dict[str, NDArray[np.float64]] = {}
        self._words: list[str] | None = None
        self._last: tuple[Order, NDArray[np.int64]] | None = None

    def rows(self, order: Order) -> NDArray[np.int64]:
        """Return the numbers of the rows, int64 [n].

        Raises:
            TableError: There is no such column.
        """
        if self._last is None or self._last[0] != order:
            self._last = order, self._found(order)
        return self._last[1]

    def page(self, order: Order, start: int, count: int) -> dict[str, Any]:
        """Return `total`, and the `rows` and `cells` from a place on."""
        rows = self.rows(order)
        start = max(0, start)
        wanted = rows[start : start + max(0, min(count, PAGE_ROWS))]
        frame = self._table.frame.iloc[wanted]
        cells = [[_shown(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
        return {"total": len(rows), "start": start, "rows": wanted.tolist(), "cells": cells}

    def _found(self, order: Order) -> NDArray[np.int64]:
        rows = np.arange(len(self._table))
        if order.column is not None:
            cells = np.array([*self._table.text(order.column), None], dtype=object)[:-1]
            rows = rows[cells == order.value]
        if order.find:
            words = self._searched()
            wanted = order.find.casefold()
            rows = rows[[wanted in words[row] for row in rows]]
        if order.by is not None:
            key = self._key(order.by)[rows]
            known = ~np.isnan(key)
            place = np.argsort(-key[known] if order.down else key[known], kind="stable")
            rows = np.concatenate([rows[known][place], rows[~known]])
        return rows

    def _key(self, column: str) -> NDArray[np.float64]:
        """Return numbers that sort as the column's cells do, NaN where missing."""
        if column not in self._keys:
            cells = self._table.text(column)
            key = numbers_or_none(cells)
            if key is None:
                levels = sorted({cell for cell in cells if cell is not None}, key=_sorted_as)
                place = {level: float(number) for number, level in enumerate(levels)}
                key = np.array([np.nan if cell is None else place[cell] for cell in cells])
            self._keys[column] = key
        return self._keys[column]

    def _searched(self) -> list[str]:
        if self._words is None:
            columns = [self._table.text(name) for name in self._table.columns]
            self._words = [
                "\n".join(cell for cell in row if cell is not None).casefold()
                for row in zip(*columns, strict=True)
            ]
        return self._words


def _shown(cell: str | None) -> str | None:
    return cell if cell is None or len(cell) <= CELL_CHARACTERS else cell[:CELL_CHARACTERS] + "…"


def _sorted_as(word: str) -> tuple[str, str]:
    return word.casefold(), word
