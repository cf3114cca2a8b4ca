"""Labels of a table as corrected by a journal; the table's file is never touched."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medfusion.data.journal import Action, Decision, Decisions, read_journal
from medfusion.data.numbers import are_numbers, to_numbers
from medfusion.data.table import Table
from medfusion.data.wording import listed
from medfusion.errors import CorrectionsError

SHOWN = 5

LEFT_OUT = "left out by label review"
"""Why rows are not there that a decision excludes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Corrections:
    """Decisions that correct the target of an experiment.

    Attributes:
        decisions: The journal's decisions as they stand.
        names: Columns of the target.
    """

    decisions: Decisions
    names: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The journal."""
        return self.decisions.path

    @property
    def chosen(self) -> list[Decision]:
        """The decisions about the target."""
        return [one for one in self.decisions.standing.values() if one.column in self.names]

    def check(self, table: Table, id_column: str, ids: Sequence[str]) -> None:
        """Check that the journal was made for a table.

        Args:
            table: The table as it is in its file.
            id_column: Column of the ids.
            ids: One per row.

        Raises:
            CorrectionsError: The ids are in another column, rows are unknown, labels are not those
                that were corrected, or no decision is about the target.
        """
        head = self.decisions.head
        if head is not None and head.id != id_column:
            msg = (
                f"{self.path}: names rows by the column {head.id!r}, but data.id is "
                f"{id_column!r}; give a journal of this table, or leave data.corrections out"
            )
            raise CorrectionsError(msg)
        chosen, standing = self.chosen, self.decisions.standing
        if standing and not chosen:
            about = ", ".join(sorted({repr(column) for _, column in standing}))
            target = ", ".join(map(repr, self.names))
            msg = (
                f"{self.path}: corrects {about}, but the target is {target}; "
                "leave data.corrections out, or give the journal of this target"
            )
            raise CorrectionsError(msg)
        row_of = {name: row for row, name in enumerate(ids)}
        lost = [one.id for one in chosen if one.id not in row_of]
        if lost:
            msg = (
                f"{self.path}: speaks of {len(lost)} row(s) that {table.path} does not have: "
                f"{listed(lost)}. Is it the journal of another table? Else take these decisions "
                "back: medfusion review RUN --undo ID"
            )
            raise CorrectionsError(msg)
        cells = {name: table.text(name) for name in self.names}
        other = [
            f"{one.id} ({table.where(row_of[one.id])}): {one.column!r} was {one.given!r} and is "
            f"{cells[one.column][row_of[one.id]]!r}"
            for one in chosen
            if not same_cell(cells[one.column][row_of[one.id]], one.given)
        ]
        if other:
            more = f"\n  and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
            shown = "\n  ".join(other[:SHOWN])
            msg = (
                f"{self.path}: was made for other labels than {table.path} has now:\n  {shown}"
                f"{more}\n  Put the table back, or take these decisions back: "
                "medfusion review RUN --undo ID"
            )
            raise CorrectionsError(msg)

    @property
    def excluded(self) -> set[str]:
        """Ids of rows that are left out."""
        return {one.id for one in self.chosen if one.action == "exclude"}

    def apply(
        self, table: Table, ids: Sequence[str], side: NDArray[np.str_], *, test: bool
    ) -> Applied:
        """Return the table with corrected labels, and which rows are kept.

        Args:
            table: The table, as `check` saw it, maybe with fewer rows.
            ids: One per row.
            side: Split of each row, str [n]; "" where a row has none.
            test: Whether decisions about test rows are applied.
        """
        row_of = {name: row for row, name in enumerate(ids)}
        cells = {name: table.text(name) for name in self.names}
        known = {name: set(own) for name, own in cells.items()}
        gone: set[int] = set()
        counts: dict[str, Counter[str]] = {}
        changes: Counter[tuple[str, str, str | None, str | None]] = Counter()
        changed: set[str] = set()
        left = 0
        for one in self.chosen:
            row = row_of.get(one.id)
            if row is None:  # left out before, as its image cannot be read
                continue
            where = str(side[row])
            moved = not same_cell(one.given, one.to)
            if where == "test" and not test:
                left += one.action == "exclude" or moved
                continue
            if row not in gone:  # by another label of the row
                counts.setdefault(where, Counter())[_counted(one.action, moved=moved)] += 1
            if one.action == "exclude":
                gone.add(row)
            elif moved:
                cells[one.column][row] = _as_written(one.to, known[one.column])
                changed.add(one.column)
                changes[where, one.column, one.given, one.to] += 1
        frame = table.frame.copy() if changed else table.frame
        for name in changed:
            frame[name] = pd.Series(cells[name], dtype=object)
        return Applied(
            table=dataclasses.replace(table, frame=frame),
            kept=np.array([row for row in range(len(ids)) if row not in gone], dtype=np.int64),
            gone=[ids[row] for row in sorted(gone)],
            facts={
                "file": self.path.name,
                "sha256": self.decisions.sha256,
                "splits": {where: dict(found) for where, found in sorted(counts.items())},
                "changes": [
                    {"split": where, "column": name, "from": old, "to": new, "count": count}
                    for (where, name, old, new), count in sorted(
                        changes.items(), key=lambda item: tuple(map(str, item[0]))
                    )
                ],
                "test_left": left,
            },
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Applied:
    """What came of applying a journal.

    Attributes:
        table: The table with corrected labels; all of its rows.
        kept: Rows that are not left out, int64, ascending.
        gone: Ids of the others.
        facts: Counts by split and action, and of each change, for cohort.json; no ids.
    """

    table: Table
    kept: NDArray[np.int64]
    gone: list[str]
    facts: dict[str, Any]


def read_corrections(path: str | Path, names: Sequence[str]) -> Corrections:
    """Read a journal that has to be there.

    Args:
        path: The journal.
        names: Columns of the target.

    Raises:
        CorrectionsError: It is not there, cannot be read, or is damaged.
    """
    if not Path(path).is_file():
        msg = (
            f"{path}: there is no such journal of corrections; `medfusion review RUN` begins one, "
            "or leave data.corrections out"
        )
        raise CorrectionsError(msg)
    return Corrections(read_journal(path), tuple(names))


def _counted(action: Action, *, moved: bool) -> str:
    """Return what a decision counts as: whether a kept label was corrected is what matters."""
    if action in ("relabel", "keep"):
        return "relabel" if moved else "keep"
    return action


def _as_written(label: str | None, cells: set[str | None]) -> str | None:
    """Return a label as the column writes it, should the table write 1.0 for 1 by now."""
    if label in cells:
        return label
    return next((cell for cell in cells if same_cell(cell, label)), label)


def same_cell(one: str | None, other: str | None) -> bool:
    """Whether two cells say the same: 1 and 1.0 do."""
    if one == other:
        return True
    if one is None or other is None or not are_numbers([one, other]):
        return False
    first, second = to_numbers([one, other]).tolist()
    return bool(first == second)
