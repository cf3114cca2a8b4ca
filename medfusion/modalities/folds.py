"""The cases of a comparison and their folds, and tables for what does not learn from all rows."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data import Cohort, split
from medfusion.data.targets import read_target
from medfusion.data.wording import in_order
from medfusion.errors import SplitError
from medfusion.runs import atomic
from medfusion.spec import Experiment
from medfusion.spec.data import ColumnSplit, GroupedKFoldSplit

_COLUMN = "medfusion_split"


@dataclasses.dataclass(frozen=True, eq=False)
class Folds:
    """The cases of a comparison and who learns, validates and tests in each fold.

    Attributes:
        experiment: The experiment, its classes fixed so that all folds have the same.
        cohort: All its cases with both modalities, as fold 0 sees them.
        specs: Split of each fold, as an experiment says it.
        sides: "train", "val" or "test" of each case in each fold, str [folds][n].
    """

    experiment: Experiment
    cohort: Cohort
    specs: Sequence[Mapping[str, Any]]
    sides: Sequence[NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.specs)

    def rows(self, fold: int, side: str) -> NDArray[np.int64]:
        """Return the cases of one side of a fold."""
        return np.flatnonzero(self.sides[fold] == side)

    @property
    def parts(self) -> list[str]:
        """Names of what a case may lack: each view, then the table."""
        return [*self.cohort.spec.images, "table"]

    @property
    def present(self) -> NDArray[np.bool_]:
        """What each case has, bool [n, parts]."""
        return np.column_stack([self.cohort.image_present, self.cohort.table_present])

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether a case has every view and the table, bool [n]."""
        return np.asarray(self.present.all(axis=1))


def draw_folds(experiment: Experiment, specs: Sequence[Mapping[str, Any]]) -> Folds:
    """Read the data once and draw the folds.

    Args:
        experiment: Its paths are absolute.
        specs: Split of each fold.

    Raises:
        InputError: The data cannot be read, or cannot be split so.
    """
    experiment = _with_classes(experiment)
    document = experiment.model_dump(mode="json")
    document["data"]["split"] = dict(specs[0])
    first = Experiment.from_mapping(document, folder=experiment.folder)
    cohort = Cohort.load(first)
    sides = [cohort.split]
    if cohort.corrected is not None and len(specs) > 1:
        sides += [_side_without_corrections(first, spec, cohort) for spec in specs[1:]]
        return Folds(experiment, cohort, specs, sides)
    target = read_target(cohort.table, cohort.spec.target, cohort.ids)
    for spec in specs[1:]:
        side = split.draw(GroupedKFoldSplit(**spec), cohort.groups, target.strata())
        split.verify(side, cohort.groups)
        sides.append(side)
    return Folds(experiment, cohort, specs, sides)


def _side_without_corrections(
    first: Experiment, spec: Mapping[str, Any], cohort: Cohort
) -> NDArray[np.str_]:
    """Return a fold's sides, drawn like every split as if nothing had been corrected."""
    if not first.data.correct_test:
        msg = (
            "data.correct_test: false leaves other labels in every fold, which cannot be pooled; "
            "compare with --own-split, or correct the test labels too"
        )
        raise SplitError(msg)
    document = first.model_dump(mode="json")
    document["data"]["split"] = dict(spec)
    experiment = Experiment.from_mapping(document, folder=first.folder)
    return Cohort.load(experiment, preprocessing=cohort.preprocessing).split


def write_table(folds: Folds, fold: int, rows: NDArray[np.int64], path: Path) -> dict[str, Any]:
    """Write some of the cases as a table with their side, and return the change of the data part.

    Args:
        folds: The folds.
        fold: Which fold's sides.
        rows: Which cases.
        path: The table.

    Raises:
        SplitError: A side would be empty.
        StorageError: It cannot be written.
    """
    side = folds.sides[fold][rows]
    for name in split.SPLITS:
        if not (side == name).any():
            msg = f"fold {fold + 1}: no complete row is in the {name} split"
            raise SplitError(msg)
    table = folds.cohort.table.take(rows)
    column = _COLUMN
    while column in table.columns:
        column += "_"
    names = list(table.columns)
    cells = [table.text(name) for name in names]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, column])
    writer.writerows(
        ["" if cell is None else cell for cell in row] for row in zip(*cells, side, strict=True)
    )
    atomic.write_text(path, text.getvalue())
    return {
        "table": str(path),
        "split": ColumnSplit(column=column).model_dump(mode="json"),
        "corrections": None,  # its labels are corrected already
        "correct_test": True,
    }


def _with_classes(experiment: Experiment) -> Experiment:
    """Return the experiment with the classes of all rows, where each fold might see others."""
    target = experiment.data.target
    if not hasattr(target, "classes") or target.classes is not None or len(target.columns) != 1:
        return experiment
    from medfusion.data import read_table

    cells = read_table(experiment.folder / experiment.data.table).text(target.columns[0])
    names = in_order({cell for cell in cells if cell is not None})
    if len(names) < 2:
        return experiment  # reading the target says what is wrong
    document = experiment.model_dump(mode="json")
    document["data"]["target"]["classes"] = names
    return Experiment.from_mapping(document, folder=experiment.folder)
