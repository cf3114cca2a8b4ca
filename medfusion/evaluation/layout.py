"""How targets and predictions of each kind stand in predictions.csv."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.evaluation.follow_up import PREFIX, FollowUp, time_of
from medfusion.spec.target import MultitaskTarget, TargetSpec, of_task

Floats = NDArray[np.float64]


class Layout(ABC):
    """The columns of one kind of target."""

    @abstractmethod
    def classes(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return the classes that a header names; empty where the kind has none."""

    @abstractmethod
    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the columns of a header that hold the prediction, in their order."""

    @abstractmethod
    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return the columns that hold the target."""

    @abstractmethod
    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return the cells of each column of `targets`, [n]."""

    @abstractmethod
    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> NDArray[Any]:
        """Return the target of rows, as `write` got it.

        Raises:
            KeyError: A column or a class is unknown.
            ValueError: A cell is no number where one is needed.
        """

    def sound(self, target: NDArray[Any]) -> bool:
        """Return whether what `read` gave is a target."""
        return bool(np.isfinite(target).all())

    def predictions(self, rows: Sequence[Mapping[str, str]], header: Sequence[str]) -> Floats:
        """Return the predictions of rows, float64 [n, columns].

        Raises:
            KeyError: A column is missing.
            ValueError: A cell is no number.
        """
        names = self.columns(header)
        cells = [[self.number(row[name]) for name in names] for row in rows]
        return np.array(cells, dtype=np.float64).reshape(len(rows), len(names))

    def number(self, cell: str) -> float:
        """Return the number in a cell of a prediction.

        Raises:
            ValueError: It holds none.
        """
        return float(cell)

    def whole(self, row: Mapping[str, str], header: Sequence[str]) -> bool:
        """Return whether a row's predictions are finite where they must be."""
        return bool(np.isfinite(self.predictions([row], header)).all())


class ClassLayout(Layout):
    """`target` is a class, `prob_<class>` the probability of each."""

    def classes(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return the classes that have a probability."""
        return tuple(name.removeprefix("prob_") for name in self.columns(header))

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the probabilities."""
        return [name for name in header if name.startswith("prob_")]

    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return the one column."""
        del classes
        return ["target"]

    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return the names of the classes."""
        return {"target": [classes[index] for index in target]}

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> NDArray[Any]:
        """Return class indices, int64 [n]."""
        index = {name: number for number, name in enumerate(classes)}
        return np.array([index[row["target"]] for row in rows], dtype=np.int64)


class NumberLayout(Layout):
    """`target` is a number, `value` its prediction."""

    def classes(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return nothing."""
        del header
        return ()

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the one column."""
        del header
        return ["value"]

    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return the one column."""
        del classes
        return ["target"]

    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return the numbers with all their digits."""
        del classes
        return {"target": [repr(float(value)) for value in target]}

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> Floats:
        """Return the numbers, float64 [n]."""
        del classes
        return np.array([float(row["target"]) for row in rows], dtype=np.float64)


class TimeLayout(Layout):
    """`time` and `event` are the target, `risk` and `survival_<time>` its prediction."""

    def classes(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return nothing."""
        del header
        return ()

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the risk and the survival at each time."""
        return ["risk", *(name for name in header if name.startswith(PREFIX))]

    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return both columns."""
        del classes
        return ["time", "event"]

    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return times with all their digits, and events as 1 or 0."""
        del classes
        times = [repr(float(time)) for time in target[:, 0]]
        return {"time": times, "event": [str(int(event)) for event in target[:, 1]]}

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> Floats:
        """Return time and event, float64 [n, 2]."""
        del classes
        cells = [[float(row["time"]), float(row["event"])] for row in rows]
        return np.array(cells, dtype=np.float64).reshape(len(rows), 2)


def follow_up(
    target: NDArray[Any], header: Sequence[str], horizons: Sequence[float] | None = None
) -> FollowUp:
    """Return what the survival predictions of a run are judged with.

    Args:
        target: Time and event of the training rows, [m, 2].
        header: Columns of the predictions.
        horizons: As the experiment gives them.
    """
    known = FollowUp.of_training(target[:, 0], target[:, 1], horizons)
    times = tuple(time_of(name) for name in header if name.startswith(PREFIX))
    return FollowUp(times, tuple(at for at in known.horizons if at in times), *target.T)


class LabelLayout(ClassLayout):
    """`target_<label>` is 1 or 0, empty where unknown; `prob_<label>` is the probability of 1."""

    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return one column for each label."""
        return [f"target_{name}" for name in classes]

    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return the labels."""
        cells = {1.0: "1", 0.0: "0"}
        return {
            name: [cells.get(value, "") for value in column]
            for name, column in zip(self.targets(classes), target.T.tolist(), strict=True)
        }

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> Floats:
        """Return the labels, float64 [n, L], NaN where unknown."""
        values = {"1": 1.0, "0": 0.0, "": np.nan}
        cells = [[values[row[name]] for name in self.targets(classes)] for row in rows]
        return np.array(cells, dtype=np.float64).reshape(len(rows), len(classes))

    def sound(self, target: NDArray[Any]) -> bool:
        """Return whether a target is one: unknown labels are."""
        return not np.isinf(target).any()


class TaskLayout(Layout):
    """The columns of every task, each behind "<task>/"; empty targets where a row has none.

    Args:
        tasks: Layout and number of target columns of each task.
    """

    def __init__(self, tasks: Mapping[str, tuple[Layout, int]]) -> None:
        self.tasks = dict(tasks)

    def classes(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return the classes of all tasks, each behind "<task>/"."""
        return tuple(
            f"{task}/{name}"
            for task, (form, _) in self.tasks.items()
            for name in form.classes(of_task(header, task))
        )

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the predictions of all tasks, each behind "<task>/"."""
        return [
            f"{task}/{name}"
            for task, (form, _) in self.tasks.items()
            for name in form.columns(of_task(header, task))
        ]

    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return the targets of all tasks, each behind "<task>/"."""
        return [
            f"{task}/{name}"
            for task, (form, _) in self.tasks.items()
            for name in form.targets(of_task(classes, task))
        ]

    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return the cells of every task, empty where its target is missing."""
        found: dict[str, list[str]] = {}
        start = 0
        for task, (form, width) in self.tasks.items():
            own, values = of_task(classes, task), target[:, start : start + width]
            start += width
            rows = known_rows(form, values)
            cells = form.write(_narrow(form, values[rows]), own)
            for name in form.targets(own):
                column = [""] * len(target)
                for row, cell in zip(rows.tolist(), cells[name], strict=True):
                    column[row] = cell
                found[f"{task}/{name}"] = column
        return found

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> Floats:
        """Return the targets of all tasks side by side, float64 [n, C], NaN where missing."""
        parts = []
        for task, (_, width) in self.tasks.items():
            values = np.full((len(rows), width), np.nan)
            known, target = self.read_task(task, rows, classes)
            values[known] = target.reshape(len(known), width)
            parts.append(values)
        return np.hstack(parts)

    def read_task(
        self, task: str, rows: Sequence[Mapping[str, str]], classes: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return which rows have the target of a task, and their targets.

        Raises:
            KeyError: As `read`.
            ValueError: As `read`.
        """
        form, own = self.tasks[task][0], of_task(classes, task)
        start = f"{task}/"
        cells = [
            {name.removeprefix(start): c for name, c in row.items() if name.startswith(start)}
            for row in rows
        ]
        names = form.targets(own)
        known = [place for place, row in enumerate(cells) if any(row[name] for name in names)]
        return np.array(known, dtype=np.int64), form.read([cells[row] for row in known], own)

    def part(
        self, task: str, target: NDArray[Any], prediction: Floats, header: Sequence[str]
    ) -> tuple[NDArray[Any], Floats, list[str]]:
        """Return target, prediction and its columns of one task, of the rows that have its target.

        Args:
            task: Its name.
            target: As `read` gave it, [n, C].
            prediction: As `predictions` gave it, [n, columns].
            header: Names of these columns.
        """
        start = sum(width for _, width in list(self.tasks.values())[: list(self.tasks).index(task)])
        form, width = self.tasks[task]
        values = target[:, start : start + width]
        rows = known_rows(form, values)
        chosen = [place for place, name in enumerate(header) if name.startswith(f"{task}/")]
        names = list(of_task(header, task))
        return _narrow(form, values[rows]), prediction[rows][:, chosen], names

    def sound(self, target: NDArray[Any]) -> bool:
        """Return whether a target is one: missing ones are."""
        return not np.isinf(target).any()


def known_rows(form: Layout, values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the rows that have the target of a task, [m]; of labels one suffices.

    Args:
        form: The task's layout.
        values: The task's columns of the target, [n, C], NaN where missing.
    """
    there = ~np.isnan(values)
    rows = there.any(axis=1) if isinstance(form, LabelLayout) else there.all(axis=1)
    return np.flatnonzero(rows)


def _narrow(form: Layout, values: NDArray[Any]) -> NDArray[Any]:
    if isinstance(form, LabelLayout) or values.shape[1] > 1:
        return values
    return values[:, 0].astype(np.int64) if isinstance(form, ClassLayout) else values[:, 0]


class PixelLayout(Layout):
    """`target` is the pixels of the regions of the reference, `target_<class>` those of each class.

    A prediction has, for each class but the background, the pixels `area_<class>`, how many of them
    `overlap_<class>` the reference, the distance `hd95_<class>`, empty where there is none, and for
    readers, who may also work it out, `dice_<class>`.
    """

    def classes(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return the classes that have pixels in the reference."""
        return tuple(name.removeprefix("target_") for name in header if name.startswith("target_"))

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return area, overlap and distance of each class but the first."""
        return [name for name in header if name.startswith(("area_", "overlap_", "hd95_"))]

    def targets(self, classes: Sequence[str]) -> list[str]:
        """Return the column of all regions and those of the classes."""
        return ["target", *(f"target_{name}" for name in classes)]

    def write(self, target: NDArray[Any], classes: Sequence[str]) -> dict[str, list[str]]:
        """Return the pixels of each class, of [n, K]."""
        columns = {"target": [str(count) for count in target[:, 1:].sum(axis=1)]}
        return columns | {
            f"target_{name}": [str(count) for count in target[:, place]]
            for place, name in enumerate(classes)
        }

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the pixels of each class, int64 [n, K]."""
        cells = [[int(row[f"target_{name}"]) for name in classes] for row in rows]
        return np.array(cells, dtype=np.int64).reshape(len(rows), len(classes))

    def number(self, cell: str) -> float:
        """Return the number; NaN of an empty cell, a distance that there is not."""
        return float(cell) if cell else float("nan")

    def whole(self, row: Mapping[str, str], header: Sequence[str]) -> bool:
        """Return whether all but the distances are finite."""
        found = self.predictions([row], header)
        return bool(np.isfinite(np.delete(found, slice(2, None, 3), axis=1)).all())


_LAYOUTS: dict[str, Layout] = {
    "binary": ClassLayout(),
    "multiclass": ClassLayout(),
    "multilabel": LabelLayout(),
    "ordinal": ClassLayout(),
    "regression": NumberLayout(),
    "segmentation": PixelLayout(),
    "survival": TimeLayout(),
}


def layout(kind: str) -> Layout:
    """Return the layout of a kind of target.

    >>> layout("multiclass").classes(["id", "split", "target", "prob_a", "prob_b"])
    ('a', 'b')
    """
    return _LAYOUTS[kind]


def layout_of(target: TargetSpec) -> Layout:
    """Return the layout of a target.

    >>> from medfusion.spec import BinaryTarget, MultitaskTarget
    >>> tasks = {"death": BinaryTarget(column="died")}
    >>> layout_of(MultitaskTarget(tasks=tasks)).classes(["id", "death/prob_no", "death/prob_yes"])
    ('death/no', 'death/yes')
    """
    if isinstance(target, MultitaskTarget):
        tasks = target.tasks.items()
        return TaskLayout({name: (layout_of(own), len(own.columns)) for name, own in tasks})
    return layout(target.kind)
