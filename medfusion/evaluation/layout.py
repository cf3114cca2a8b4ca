"""How targets and predictions of each kind stand in predictions.csv."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        cells = [[self.number(row[name]) for name in names] for row in rows]
        return np.array(cells, dtype=np.float64).reshape(len(rows), len(names))

    def number(self, cell: str) -> float:
        """Return the number in a cell of a prediction.

        Raises:
            ValueError: It holds none.
        """
        return float(cell)

    def sound(self, row: Mapping[str, str], header: Sequence[str]) -> bool:
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

    def sound(self, row: Mapping[str, str], header: Sequence[str]) -> bool:
        """Return whether all but the distances are finite."""
        found = self.predictions([row], header)
        return bool(np.isfinite(np.delete(found, slice(2, None, 3), axis=1)).all())


_LAYOUTS: dict[str, Layout] = {
    "binary": ClassLayout(),
    "multiclass": ClassLayout(),
    "regression": NumberLayout(),
    "segmentation": PixelLayout(),
}


def layout(kind: str) -> Layout:
    """Return the layout of a kind of target.

    >>> layout("multiclass").classes(["id", "split", "target", "prob_a", "prob_b"])
    ('a', 'b')
    """
    return _LAYOUTS[kind]
