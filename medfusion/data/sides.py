"""Which split each row will be in, worked out from the table alone, before anything is loaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medfusion.data import split
from medfusion.data.table import Table
from medfusion.data.targets import READERS
from medfusion.spec.data import ColumnSplit, Data


def sides(table: Table, data: Data) -> NDArray[np.str_]:
    """Return the split of each row, str [n] of "train", "val" and "test".

    A run leaves rows out whose images cannot be read, where that is wanted; a drawn split may then
    differ in a few rows.

    Args:
        table: The table.
        data: What its columns are.

    Raises:
        TableError: A column is missing, or the target's values do not fit its kind.
        SplitError: Unknown words in the split's column, or fewer groups than splits.
    """
    if isinstance(data.split, ColumnSplit):
        return split.read_column(data.split, table.text(data.split.column), table.where)
    ids = [str(cell) for cell in table.text(data.id)]
    groups = ids if data.group is None else [str(cell) for cell in table.text(data.group)]
    reader = READERS.get(data.target.kind)
    strata = None if reader is None else reader(table, data.target, ids).strata()
    return split.draw(data.split, groups, strata)
