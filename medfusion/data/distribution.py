"""How the values of a column are spread, in all and by split or class, and where they are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import numbers_or_none
from medfusion.data.split import SPLITS
from medfusion.data.table import Table
from medfusion.data.wording import in_order

BINS = 30
LEVELS = 20
"""Levels of a column that are shown by themselves; the others are counted together."""
SERIES = 8
BLOCKS = 160
_COUNTED = 5_000
_RASTER = 60


def spread(
    cells: Sequence[str | None], by: Sequence[str | None] | None = None
) -> tuple[dict[str, Any], NDArray[np.int32]]:
    """Return how a column is spread, one series for each value of another column.

    Args:
        cells: The column.
        by: Split or class of each row; None makes one series.

    Returns:
        Plain values, `kind` "numeric" with `edges` of the bins or "categorical" with `levels`,
        `series` and the `missing` and `n` of each; and counts int32 [series, bins or levels].

    Example:
        >>> facts, counts = spread(["m", "f", "m"], ["train", "train", "test"])
        >>> facts["levels"], facts["series"], counts.tolist()
        (['f', 'm'], ['train', 'test'], [[1, 1], [0, 1]])
    """
    names = [""] if by is None else _series(by)
    place: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    of = np.array([0] * len(cells) if by is None else [place.get(name, -1) for name in by])
    known = np.array([cell is not None for cell in cells], dtype=bool)
    facts: dict[str, Any] = {
        "series": names,
        "missing": [int(((of == number) & ~known).sum()) for number in range(len(names))],
        "n": [int(((of == number) & known).sum()) for number in range(len(names))],
    }
    numbers = _numbers(cells)
    if numbers is not None:
        values = numbers[known]
        edges = np.histogram_bin_edges(values, bins=_bins(values))
        counts = [np.histogram(numbers[known & (of == n)], edges)[0] for n in range(len(names))]
        return facts | {"kind": "numeric", "edges": edges.tolist()}, np.array(counts, np.int32)
    often = Counter(cell for cell in cells if cell is not None)
    levels = in_order({level for level, _ in often.most_common(LEVELS)})
    others = len(often) - len(levels)
    code: dict[str | None, int] = {level: number for number, level in enumerate(levels)}
    code[None] = -1
    codes = np.array([code.get(cell, len(levels)) for cell in cells])
    width = len(levels) + (others > 0)
    counts = [
        np.bincount(codes[(of == n) & (codes >= 0)], minlength=width) for n in range(len(names))
    ]
    found = np.array(counts, np.int32).reshape(len(names), width)
    return facts | {"kind": "categorical", "levels": levels, "others": others}, found


def small_bars(cells: Sequence[str | None], bars: int = 16) -> list[int]:
    """Return the counts of a few bins or of the most frequent levels, for a small picture.

    Of a long column only some rows are counted.
    """
    cells = cells[:: max(1, len(cells) // _COUNTED)]
    numbers = _numbers(cells)
    if numbers is not None:
        values = numbers[~np.isnan(numbers)]
        counts: list[int] = np.histogram(values, bins=bars)[0].tolist()
        return counts
    often = Counter(cell for cell in cells if cell is not None)
    return [count for _, count in often.most_common(bars)]


def missing_map(table: Table, order: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return how much is missing, uint8 [columns, blocks of rows]: 0 nothing, 255 all.

    Args:
        table: The table.
        order: Its rows, in the order in which they are shown.
    """
    columns = table.columns
    count = min(BLOCKS, len(order))
    if not count:
        return np.zeros((len(columns), 0), np.uint8)
    starts = np.linspace(0, len(order), count + 1).astype(int)[:-1]
    sizes = np.diff([*starts.tolist(), len(order)])
    found = np.empty((len(columns), count), np.uint8)
    for number, name in enumerate(columns):
        missing = table.frame[name].isna().to_numpy()[order].astype(np.int64)
        share = np.add.reduceat(missing, starts) / sizes
        # What is missing at all must be seen, however rare it is.
        found[number] = np.where(share > 0, np.maximum(np.rint(share * 255), 90), 0)
    return found


def _numbers(cells: Sequence[str | None]) -> NDArray[np.float64] | None:
    numbers = numbers_or_none(cells)
    several = numbers is not None and len(np.unique(numbers[~np.isnan(numbers)])) > 2
    return numbers if several else None


def _bins(values: NDArray[np.float64]) -> int | NDArray[np.float64]:
    """Return edges that put each value into the middle of a bar where values lie on a raster."""
    distinct = np.unique(values)
    step = float(np.diff(distinct).min())
    places = (distinct - distinct[0]) / step
    if places[-1] < _RASTER and np.allclose(places, np.rint(places), atol=1e-6):
        middle = np.arange(round(float(places[-1])) + 2) - 0.5
        return np.asarray(distinct[0] + step * middle, dtype=np.float64)
    return BINS


def _series(by: Sequence[str | None]) -> list[str]:
    often = Counter(name for name in by if name is not None)
    if set(often) <= set(SPLITS):
        return [name for name in SPLITS if name in often]
    return in_order({name for name, _ in often.most_common(SERIES)})
