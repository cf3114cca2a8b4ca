"""The contract of all targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.table import Table
from medfusion.data.wording import listed
from medfusion.errors import TableError


class Target(ABC):
    """The target as it stands in the table, of n rows."""

    @abstractmethod
    def strata(self) -> NDArray[np.int64]:
        """Return what a stratified split keeps alike over the splits.

        Either int64 [n], rows of one number are alike; or 0 and 1, int64 [n, S], where a row may
        belong to several strata or to none, as with labels.
        """

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the classes in order; empty where the target has none.

        Args:
            train: bool [n], the rows of the training split.

        Raises:
            SplitError: The training split does not hold what training needs.
        """
        del train
        return ()

    @abstractmethod
    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[Any]:
        """Return what a model is trained on: [n], or [n, C] where a row has several numbers.

        Args:
            classes: As `classes` gave them for the training split.
            ids: One per row, for messages.

        Raises:
            TableError: Values that training did not see, with their ids.
        """


def complete(table: Table, column: str, ids: Sequence[str]) -> list[str]:
    """Return the cells of a column that may have no gaps.

    Raises:
        TableError: Missing values, with their ids.
    """
    cells = table.text(column)
    lost = [ids[row] for row, cell in enumerate(cells) if cell is None]
    if lost:
        msg = (
            f"{table.path}: the target {column!r} is missing in {len(lost)} of {len(cells)} "
            f"rows; ids: {listed(lost)}. Fill it in, or take these rows out of the table: "
            "which cases are left out is for you to decide"
        )
        raise TableError(msg)
    return [str(cell) for cell in cells]
