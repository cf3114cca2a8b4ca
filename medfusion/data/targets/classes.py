"""Classes as target: two, several without order, or several in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import are_numbers, to_numbers
from medfusion.data.table import Table
from medfusion.data.targets.contract import Target, complete
from medfusion.data.wording import SHOWN, in_order, listed
from medfusion.errors import SplitError, TableError, nearest
from medfusion.spec.target import BinaryTarget, MulticlassTarget, OrdinalTarget

ClassSpec = BinaryTarget | MulticlassTarget | OrdinalTarget


@dataclasses.dataclass(frozen=True, eq=False)
class ClassTarget(Target):
    """One label for each row."""

    spec: ClassSpec
    labels: list[str]

    def strata(self) -> NDArray[np.int64]:
        """Return the class."""
        labels = np.array(self.labels, dtype=object)
        return np.unique(labels, return_inverse=True)[1].astype(np.int64)

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the classes in order; of two the event is the second.

        Classes in order are those of all rows, as their order must not depend on the split.

        Raises:
            SplitError: The training split holds one class only.
        """
        seen = {label for label, chosen in zip(self.labels, train, strict=True) if chosen}
        if len(seen) < 2:
            msg = (
                f"the training split holds one class only of column {self.spec.column!r}: "
                f"{', '.join(map(repr, seen))}; nothing can be learnt from it. Choose another split"
            )
            raise SplitError(msg)
        if isinstance(self.spec, MulticlassTarget):
            return self.spec.classes or tuple(in_order(seen))
        if isinstance(self.spec, OrdinalTarget):
            return self.spec.classes or tuple(in_order(set(self.labels)))
        names = in_order(set(self.labels))
        if self.spec.positive is None:
            return tuple(names)
        return (*(name for name in names if name != self.spec.positive), self.spec.positive)

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
        """Return class indices, int64 [n].

        Raises:
            TableError: Labels that are none of the classes, with their ids.
        """
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


def read(table: Table, spec: ClassSpec, ids: Sequence[str]) -> ClassTarget:
    """Read the column.

    Raises:
        TableError: Missing values (with their ids), one class only, more than two classes for a
            binary target, an unknown `positive` or class.
    """
    labels = complete(table, spec.column, ids)
    if isinstance(spec, OrdinalTarget):
        labels = _one_spelling(table, spec, labels)
    _check_labels(table, spec, set(labels))
    return ClassTarget(spec, labels)


def _one_spelling(table: Table, spec: OrdinalTarget, labels: list[str]) -> list[str]:
    """Return labels in which 2 and 2.0 are one class, spelled as `classes` does."""
    found = in_order(set(labels))
    if not are_numbers(found):
        if spec.classes is None:
            shown = ", ".join(repr(name) for name in found[:SHOWN])
            msg = (
                f"{table.path}: the order of the classes of {spec.column!r} ({shown}) cannot be "
                "known as they are no numbers; name them from the lowest to the highest under "
                "data.target.classes"
            )
            raise TableError(msg)
        return labels
    values = dict(zip(found, to_numbers(found).tolist(), strict=True))
    spelled = {value: f"{value:g}" for value in values.values()}
    for name in spec.classes or ():
        if are_numbers([name]):
            spelled[float(to_numbers([name])[0])] = name
    return [spelled[values[label]] for label in labels]


def _check_labels(table: Table, spec: ClassSpec, found: set[str]) -> None:
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
