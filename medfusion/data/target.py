"""The column that is to be predicted: labels or numbers, complete, with their classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import are_numbers
from medfusion.data.table import Table
from medfusion.errors import SplitError, TableError, nearest
from medfusion.spec.data import BinaryTarget, MulticlassTarget, RegressionTarget

SHOWN = 20
_STRATA = 5

TargetSpec = BinaryTarget | MulticlassTarget | RegressionTarget


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """The target column as it stands in the table, without gaps.

    Attributes:
        spec: What was asked for.
        labels: Text of each row for classes, empty for a regression.
        numbers: float64 [n] for a regression, empty for classes.
    """

    spec: TargetSpec
    labels: list[str]
    numbers: NDArray[np.float64]

    def strata(self) -> NDArray[np.int64]:
        """Return int64 [n]: the class, or for a regression the fifth of its range by rank."""
        if isinstance(self.spec, RegressionTarget):
            cuts = np.quantile(self.numbers, np.linspace(0, 1, _STRATA + 1)[1:-1])
            return np.searchsorted(cuts, self.numbers).astype(np.int64)
        return np.unique(np.array(self.labels, dtype=object), return_inverse=True)[1].astype(
            np.int64
        )

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the classes in order; empty for a regression.

        Args:
            train: bool [n], the rows of the training split.

        Raises:
            SplitError: The training split holds one class only.
        """
        if isinstance(self.spec, RegressionTarget):
            return ()
        seen = {label for label, chosen in zip(self.labels, train, strict=True) if chosen}
        if len(seen) < 2:
            msg = (
                f"the training split holds one class only of column {self.spec.column!r}: "
                f"{', '.join(map(repr, seen))}; nothing can be learnt from it. Choose another split"
            )
            raise SplitError(msg)
        if isinstance(self.spec, MulticlassTarget):
            return self.spec.classes or tuple(in_order(seen))
        names = in_order(set(self.labels))
        if self.spec.positive is None:
            return tuple(names)
        return (*(name for name in names if name != self.spec.positive), self.spec.positive)

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[Any]:
        """Return int64 class indices [n], or the float64 numbers [n] of a regression.

        Raises:
            TableError: Labels that are none of the classes, with their ids.
        """
        if isinstance(self.spec, RegressionTarget):
            return self.numbers
        index = {name: code for code, name in enumerate(classes)}
        strange = [row for row, label in enumerate(self.labels) if label not in index]
        if strange:
            names = ", ".join(repr(name) for name in in_order({self.labels[i] for i in strange}))
            msg = (
                f"column {self.spec.column!r} holds {names}, which is no class of the training "
                f"split ({', '.join(classes)}); ids: {listed([ids[i] for i in strange])}. "
                "Correct the cells, or give data.target.classes"
            )
            raise TableError(msg)
        return np.array([index[label] for label in self.labels], dtype=np.int64)


def read_target(table: Table, spec: TargetSpec, ids: Sequence[str]) -> Target:
    """Read the target column and check it.

    Raises:
        TableError: Missing values (with their ids), text where a number is needed, one class
            only, more than two classes for a binary target, an unknown `positive` or class.
    """
    cells = table.text(spec.column)
    lost = [ids[row] for row, cell in enumerate(cells) if cell is None]
    if lost:
        msg = (
            f"{table.path}: the target {spec.column!r} is missing in {len(lost)} of {len(cells)} "
            f"rows; ids: {listed(lost)}. Fill it in, or take these rows out of the table: "
            "which cases are left out is for you to decide"
        )
        raise TableError(msg)
    if isinstance(spec, RegressionTarget):
        return Target(spec, [], table.numbers(spec.column))
    labels = [str(cell) for cell in cells]
    _check_labels(table, spec, set(labels))
    return Target(spec, labels, np.empty(0))


def in_order(values: set[str]) -> list[str]:
    """Return values sorted, as numbers where all are numbers.

    >>> in_order({"10", "9"}), in_order({"b", "a"})
    (['9', '10'], ['a', 'b'])
    """
    names = sorted(values)
    if are_numbers(names):
        names.sort(key=lambda name: float(name.replace(",", ".").replace("\N{MINUS SIGN}", "-")))
    return names


def listed(ids: Sequence[str]) -> str:
    """Return the first ids in words.

    >>> listed(["a", "b"])
    'a, b'
    """
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more


def _check_labels(table: Table, spec: BinaryTarget | MulticlassTarget, found: set[str]) -> None:
    names = in_order(found)
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    if len(names) < 2:
        msg = (
            f"{table.path}: the target {spec.column!r} has one value only ({shown}); "
            "there is nothing to tell apart"
        )
        raise TableError(msg)
    if isinstance(spec, BinaryTarget):
        if len(names) > 2:
            msg = (
                f"{table.path}: the target {spec.column!r} is binary but has {len(names)} values "
                f"({shown}); use kind: multiclass, or correct the cells"
            )
            raise TableError(msg)
        wanted = () if spec.positive is None else (spec.positive,)
    else:
        wanted = ()
        known = spec.classes or tuple(names)
        strange = [name for name in names if name not in known]
        if strange:
            msg = (
                f"{table.path}: the target {spec.column!r} holds {', '.join(map(repr, strange))}, "
                f"which data.target.classes does not name ({', '.join(known)})"
            )
            raise TableError(msg)
    for name in wanted:
        if name not in found:
            near = nearest(name, names)
            hint = f"; did you mean {near!r}?" if near else ""
            msg = (
                f"{table.path}: data.target.positive is {name!r} but the target {spec.column!r} "
                f"holds {shown}{hint}"
            )
            raise TableError(msg)
