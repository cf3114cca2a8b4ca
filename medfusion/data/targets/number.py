"""A number as target."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.table import Table
from medfusion.data.targets.contract import Target, complete
from medfusion.spec.target import RegressionTarget

_STRATA = 5


@dataclasses.dataclass(frozen=True, eq=False)
class NumberTarget(Target):
    """A number for each row, float64 [n]."""

    numbers: NDArray[np.float64]

    def strata(self) -> NDArray[np.int64]:
        """Return the fifth of its range by rank."""
        return fifths(self.numbers)

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[np.float64]:
        """Return the numbers, float64 [n]."""
        del classes, ids
        return self.numbers


def read(table: Table, spec: RegressionTarget, ids: Sequence[str]) -> NumberTarget:
    """Read the column.

    Raises:
        TableError: Missing values, or text where a number is needed.
    """
    complete(table, spec.column, ids)
    return NumberTarget(table.numbers(spec.column))


def fifths(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each number in which fifth of all it lies, 0 to 4."""
    cuts = np.quantile(numbers, np.linspace(0, 1, _STRATA + 1)[1:-1])
    return np.searchsorted(cuts, numbers).astype(np.int64)
