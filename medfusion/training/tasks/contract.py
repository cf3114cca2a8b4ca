"""The contract of all tasks."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from medfusion.evaluation import FollowUp, epoch_metrics
from medfusion.evaluation.by_class import KINDS, class_metrics
from medfusion.spec import CrossEntropyLoss, Training
from medfusion.spec.base import Spec
from medfusion.spec.loss import Loss
from medfusion.spec.target import TargetSpec
from medfusion.training.losses import make_loss

TASK = "task"
"""Name of the task's own loss among the parts of the loss."""


class Judged(NamedTuple):
    """Rows that are judged by the metrics of one kind of target.

    Attributes:
        prefix: Begins the names of the metrics.
        task: The task.
        rows: Which rows these are, int64 [m], ascending.
        target: Their targets, as for a target of its own.
        predictions: What was predicted for them.
    """

    prefix: str
    task: Task
    rows: np.ndarray
    target: np.ndarray
    predictions: np.ndarray


@dataclasses.dataclass(frozen=True)
class Task(ABC):
    """Width of the output, loss, and predictions from logits.

    What a task learns from the training rows are its fields: plain values, saved with the weights.

    Attributes:
        kind: Kind of the target.
        classes: Names of the classes in the order of the outputs; empty where there are none.
        criterion: The loss that was asked for; None is the target's own.
    """

    kind: ClassVar[str]
    standard: ClassVar[Loss] = CrossEntropyLoss()
    """The target's own loss."""
    classes: tuple[str, ...]
    criterion: Loss | None = dataclasses.field(default=None, kw_only=True)

    @classmethod
    @abstractmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out the task from the targets of the training rows; see `fit_task`."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Width of the head's output."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns of `predictions`, as in predictions.csv."""

    @property
    def answers(self) -> list[str]:
        """Names of the columns that rows without a target are given; `columns` as a rule."""
        return self.columns

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over the rows.

        Args:
            logits: The model's output, [B, outputs], or what `extension` makes of it.
            target: Targets, [B] or [B, C].
        """

    def score(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return one number for each row whose activation map says where the model looks, [B].

        The logit of the event or of the true class; the sum of those of labels that hold; for
        numbers, grades and survival times what makes them larger, or the risk higher. Cells of the
        target that are not known have no part.

        Args:
            logits: The model's output, [B, outputs].
            target: Targets, [B] or [B, C].
        """
        del target
        return logits.sum(dim=1)

    def holding(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return which outputs stand for a class that holds in a row, bool [B, outputs].

        None, as a rule: numbers, grades and times have no class of their own.

        Args:
            logits: The model's output, [B, outputs].
            target: Targets, [B] or [B, C].
        """
        del target
        return torch.zeros_like(logits, dtype=torch.bool)

    def chances(self, logits: Tensor) -> Tensor:
        """Return the probability of each output's class, [B, outputs].

        Where outputs stand for no class: the outputs as they are.
        """
        return logits

    def keep(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return what judging needs of a batch's logits and targets, row first, on the CPU.

        Both whole, as a rule; where rows are large, what is worked out of them.
        """
        return logits.cpu(), target.cpu().clone()

    def loss_of(self, kept: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over the rows that `keep` kept."""
        return self.loss(kept, target)

    def parts(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the loss in named parts, whose sum it is."""
        return {TASK: self.loss(logits, target)}

    def extension(self) -> nn.Module | None:
        """Return what the model puts behind its head, with parameters that the task needs.

        It takes the head's output [B, outputs] and gives the logits of `loss` and `predictions`;
        None, the rule, leaves them as they are.
        """
        return None

    def metrics(self, target: np.ndarray, logits: Tensor) -> dict[str, float]:
        """Return what is followed epoch by epoch, on the rows that `keep` kept, without the loss."""
        return epoch_metrics(self.kind, target, self.predictions(logits))

    def class_metrics(self, target: np.ndarray, logits: Tensor) -> dict[str, dict[str, float]]:
        """Return what is followed of each class by itself: by metric, then by class."""
        if self.kind not in KINDS:
            return {}
        return class_metrics(self.kind, self.classes, target, self.predictions(logits))

    def judged(self, target: np.ndarray, predictions: np.ndarray) -> Iterator[Judged]:
        """Yield what is judged by itself: all rows at once, or each task of several.

        Args:
            target: Targets, [n] or [n, C].
            predictions: What was predicted for them.
        """
        yield Judged("", self, np.arange(len(target)), target, predictions)

    @property
    def ready(self) -> bool:
        """Whether all of `columns` can be predicted; where not, `after_training` sees to it."""
        return True

    def after_training(self, logits: Tensor, target: np.ndarray) -> Self:
        """Return the task with what it takes from the training rows under the best weights.

        Args:
            logits: What the trained model makes of the training rows, [n, outputs].
            target: Their targets, [n] or [n, C].
        """
        del logits, target
        return self

    def follow_up(self, target: np.ndarray) -> FollowUp | None:
        """Return what survival predictions are judged with; None for other targets.

        Args:
            target: Targets of the training rows.
        """
        del target
        return None

    @cached_property
    def function(self) -> Any:
        """What works the loss out; see `medfusion.training.losses`."""
        return make_loss(self.criterion or self.standard)

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
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"kind": self.kind, **{name: _plain(value) for name, value in found.items()}}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Make the task from what `to_json` gave."""
        fields = {field.name for field in dataclasses.fields(cls)} & document.keys()
        found = {name: _frozen(document[name]) for name in fields}
        if found.get("criterion") is not None:
            found["criterion"] = TypeAdapter(Loss).validate_python(document["criterion"])
        return cls(**found)


def _plain(value: Any) -> Any:
    if isinstance(value, Task):
        return value.to_json()
    if isinstance(value, Spec):
        return value.model_dump(mode="json")
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
