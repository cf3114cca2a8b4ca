"""Several labels as target; any of them may be unknown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import are_numbers, to_numbers
from medfusion.data.table import Table
from medfusion.data.targets.contract import Target
from medfusion.data.wording import SHOWN, in_order
from medfusion.errors import SplitError, TableError
from medfusion.spec.target import MultilabelTarget


@dataclasses.dataclass(frozen=True, eq=False)
class LabelTarget(Target):
    """L labels for each row, float64 [n, L]: 1 holds, 0 does not, NaN unknown."""

    spec: MultilabelTarget
    labels: NDArray[np.float64]

    def strata(self) -> NDArray[np.int64]:
        """Return who has each label and who is known not to, 0 and 1, int64 [n, 2 L]."""
        return np.hstack([self.labels == 1, self.labels == 0]).astype(np.int64)

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the labels' names.

        Raises:
            SplitError: No label has both values in the training split.
        """
        rows = self.labels[train]
        if not ((rows == 1).any(axis=0) & (rows == 0).any(axis=0)).any():
            msg = (
                "no label has both values in the training split "
                f"({', '.join(self.spec.columns)}); nothing can be learnt. Choose another split"
            )
            raise SplitError(msg)
        return self.spec.columns

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[np.float64]:
        """Return the labels, float64 [n, L], NaN where unknown."""
        del classes, ids
        return self.labels


def read(table: Table, spec: MultilabelTarget, ids: Sequence[str]) -> LabelTarget:
    """Read the columns.

    Where nothing says what means yes, the values of all columns together decide if they are two
    (0 and 1): a label that never holds in this table is read right. Else each column must have
    two values of its own.

    Raises:
        TableError: A column with more than two values, or one value whose meaning is not known;
            a `positive` that no column holds.
    """
    del ids
    columns = {name: [_canonical(cell) for cell in table.text(name)] for name in spec.columns}
    found = {name: {cell for cell in cells if cell is not None} for name, cells in columns.items()}
    for name, values in found.items():
        if len(values) > 2:
            msg = (
                f"{table.path}: the label {name!r} has {len(values)} values "
                f"({_shown(values)}); a label holds or does not: correct the cells"
            )
            raise TableError(msg)
    every = set().union(*found.values())
    positive = None if spec.positive is None else _canonical(spec.positive)
    if positive is not None and positive not in every:
        msg = (
            f"{table.path}: data.target.positive is {spec.positive!r} but the labels hold "
            f"{_shown(every)}"
        )
        raise TableError(msg)
    labels = np.full((len(table), len(columns)), np.nan)
    for place, (name, cells) in enumerate(columns.items()):
        holds = positive if positive is not None else _positive(table, name, found[name], every)
        known = [row for row, cell in enumerate(cells) if cell is not None]
        labels[known, place] = [float(cells[row] == holds) for row in known]
    return LabelTarget(spec, labels)


def _positive(table: Table, name: str, values: set[str], every: set[str]) -> str:
    pair = values if len(values) == 2 else every
    if len(pair) == 2:
        return in_order(pair)[1]
    if not values:
        return ""  # nothing is known of this label, nothing need be decided
    if pair in ({"0"}, {"1"}):
        return "1"
    msg = (
        f"{table.path}: the label {name!r} holds {_shown(values)} only; say which value means "
        "that a label holds: data.target.positive"
    )
    raise TableError(msg)


def _shown(values: set[str]) -> str:
    return ", ".join(repr(value) for value in in_order(values)[:SHOWN])


def _canonical(cell: str | None) -> str | None:
    """Return what two spellings of one number have in common: "1" of "1.0"."""
    if cell is None or not are_numbers([cell]):
        return cell
    return f"{to_numbers([cell])[0]:g}"
