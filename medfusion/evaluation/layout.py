"""How targets and predictions of each kind stand in predictions.csv."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.evaluation.follow_up import PREFIX, FollowUp, time_of

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

    def predictions(self, rows: Sequence[Mapping[str, str]], header: Sequence[str]) -> Floats:
        """Return the predictions of rows, float64 [n, columns].

        Raises:
            KeyError: A column is missing.
            ValueError: A cell is no number.
        """
        names = self.columns(header)
        cells = [[float(row[name]) for name in names] for row in rows]
        return np.array(cells, dtype=np.float64).reshape(len(rows), len(names))


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

    def read(self, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> NDArray[np.int64]:
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


_LAYOUTS: dict[str, Layout] = {
    "binary": ClassLayout(),
    "multiclass": ClassLayout(),
    "regression": NumberLayout(),
    "survival": TimeLayout(),
}


def layout(kind: str) -> Layout:
    """Return the layout of a kind of target.

    >>> layout("multiclass").classes(["id", "split", "target", "prob_a", "prob_b"])
    ('a', 'b')
    """
    return _LAYOUTS[kind]
