"""The contract of all tasks."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from medfusion.spec import Training
from medfusion.spec.target import TargetSpec


@dataclasses.dataclass(frozen=True)
class Task(ABC):
    """Width of the output, loss, and predictions from logits.

    What a task learns from the training rows are its fields: plain values, saved with the weights.

    Attributes:
        kind: Kind of the target.
        classes: Names of the classes in the order of the outputs; empty where there are none.
    """

    kind: ClassVar[str]
    classes: tuple[str, ...]

    @classmethod
    @abstractmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out the task from the targets of the training rows; see `fit_task`."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Width of the model's output."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns of `predictions`, as in predictions.csv."""

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over the rows.

        Args:
            logits: The model's output, [B, outputs].
            target: Targets, [B] or [B, C].
        """

    @abstractmethod
    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return float64 predictions [n, columns], or [n] of a single value."""

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits [n, outputs] of an ensemble from those of its members [n, k, outputs].

        What they predict is the mean of the members' predictions. Here that is the mean of the
        logits; tasks whose predictions are not linear in them say otherwise.
        """
        return outputs.mean(dim=1)

    def to_json(self) -> dict[str, Any]:
        """Return the task as plain values."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Make the task from what `to_json` gave."""
        fields = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: _frozen(document[name]) for name in fields})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
