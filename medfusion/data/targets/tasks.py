"""Several targets of one model; a row may lack any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.table import Table
from medfusion.data.targets.contract import Target
from medfusion.errors import SplitError, TableError
from medfusion.spec.target import MultilabelTarget, MultitaskTarget, TargetSpec, of_task


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """The target of one task, of those rows that have it.

    Attributes:
        spec: What is to be predicted.
        target: The target of these rows.
        rows: Which rows of all they are, int64, ascending.
    """

    spec: TargetSpec
    target: Target
    rows: NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class TaskTarget(Target):
    """The targets of all tasks, of n rows."""

    parts: Mapping[str, Part]
    n: int

    def strata(self) -> NDArray[np.int64]:
        """Return the strata of every task side by side, 0 and 1, int64 [n, S]."""
        return np.hstack([self._spread(part) for part in self.parts.values()])

    def _spread(self, part: Part) -> NDArray[np.int64]:
        own = part.target.strata()
        if own.ndim == 1:
            own = (own[:, None] == np.unique(own)).astype(np.int64)
        strata = np.zeros((self.n, own.shape[1]), dtype=np.int64)
        strata[part.rows] = own
        return strata

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the classes of all tasks, each as "<task>/<class>".

        Raises:
            SplitError: The training split does not hold what a task needs.
        """
        found = []
        for name, part in self.parts.items():
            if not train[part.rows].any():
                msg = f"task {name!r}: its target is missing in the whole training split"
                raise SplitError(msg)
            try:
                own = part.target.classes(train[part.rows])
            except SplitError as error:
                msg = f"task {name!r}: {error}"
                raise SplitError(msg) from None
            found += [f"{name}/{label}" for label in own]
        return tuple(found)

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[np.float64]:
        """Return the columns of all tasks side by side, float64 [n, C], NaN where missing."""
        columns = []
        for name, part in self.parts.items():
            chosen = [ids[row] for row in part.rows.tolist()]
            own = part.target.encode(of_task(classes, name), chosen)
            spread = np.full((self.n, len(part.spec.columns)), np.nan)
            spread[part.rows] = own.reshape(len(own), -1)
            columns.append(spread)
        return np.hstack(columns)


def read(
    table: Table,
    spec: MultitaskTarget,
    ids: Sequence[str],
    read_one: Callable[[Table, TargetSpec, Sequence[str]], Target],
) -> TaskTarget:
    """Read the target of every task from the rows that have all of its cells.

    Of a multilabel task one known label suffices.

    Args:
        table: The table.
        spec: The tasks.
        ids: One per row, for messages.
        read_one: Reads the target of one task.

    Raises:
        TableError: As the reader of a task, or a task without any row.
    """
    parts = {}
    for name, own in spec.tasks.items():
        known = np.array([[cell is not None for cell in table.text(c)] for c in own.columns])
        there = known.any(axis=0) if isinstance(own, MultilabelTarget) else known.all(axis=0)
        rows = np.flatnonzero(there)
        if not len(rows):
            msg = (
                f"{table.path}: task {name!r}: no row has its target ({', '.join(own.columns)}); "
                "fill it in or take the task out"
            )
            raise TableError(msg)
        try:
            target = read_one(table.take(rows), own, [ids[row] for row in rows.tolist()])
        except TableError as error:
            msg = f"task {name!r}: {error}"
            raise TableError(msg) from None
        parts[name] = Part(own, target, rows)
    return TaskTarget(parts, len(table))
