"""What training makes small: the task's loss and whatever else was asked for, part by part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from medfusion.data.batch import Batch
from medfusion.errors import TrainingError
from medfusion.models import ModelOutput
from medfusion.training.tasks import Task
from medfusion.training.tasks.contract import TASK

MEMBERS = "members"
"""Name of the mean of the losses of an ensemble's members, where they are not the whole model."""


class Moment(NamedTuple):
    """Where training stands.

    Attributes:
        epoch: Epochs done, with the part of the current one: 2.5 is the middle of the third.
        epochs: How many there will be at most.
    """

    epoch: float
    epochs: int


class Term(ABC):
    """A loss besides the task's, such as the supervision of attention."""

    name: str

    @abstractmethod
    def __call__(self, model: Any, batch: Batch, output: ModelOutput, moment: Moment) -> Tensor:
        """Return the weighted loss, a scalar.

        Args:
            model: The model, to be called again where that is needed.
            batch: The rows.
            output: What the model made of them.
            moment: For weights that change while training.
        """


class Objective:
    """The sum of the task's loss, of the model's own losses and of further terms.

    Args:
        task: The task.
        terms: Losses besides; their names differ.
    """

    def __init__(self, task: Task, terms: Sequence[Term] = ()) -> None:
        self.task, self.terms = task, tuple(terms)

    def __call__(self, model: Any, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """Return the parts by name, those of the task first; the loss is their sum."""
        output = forward(model, batch)
        parts = self._task_parts(output, target_of(batch))
        parts |= output.losses
        for term in self.terms:
            parts[term.name] = term(model, batch, output, moment)
        return parts

    def _task_parts(self, output: ModelOutput, target: Tensor) -> dict[str, Tensor]:
        members = output.members
        if members is None:
            return self.task.parts(output.logits.float(), target)
        if members.weight is None:
            return members_parts(self.task, members.outputs, target)
        rows = members.present
        own = members_parts(self.task, members.outputs[rows], target[rows])
        parts = self.task.parts(output.logits.float(), target)
        return parts | {MEMBERS: members.weight * torch.stack(list(own.values())).sum()}


def members_parts(task: Task, outputs: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return the task's parts of the loss, each the mean over an ensemble's members.

    Each member has a loss of its own, not their mean prediction one: members that are trained
    together agree, and an ensemble of such gains little (https://arxiv.org/abs/2410.24210).

    Args:
        task: The task.
        outputs: The members' outputs, [B, k, outputs]; without rows the loss is 0.
        target: Targets, [B] or [B, C].
    """
    if len(outputs) == 0:
        return {TASK: outputs.float().sum()}
    each = [task.parts(outputs[:, index].float(), target) for index in range(outputs.shape[1])]
    return {name: torch.stack([parts[name] for parts in each]).mean() for name in each[0]}


def forward(model: Any, batch: Batch) -> ModelOutput:
    """Return what a model makes of a batch."""
    output: ModelOutput = model(
        images=batch.images,
        image_present=batch.image_present,
        numeric=batch.numeric,
        numeric_present=batch.numeric_present,
        categorical=batch.categorical,
        **({"instance_present": batch.instance_present} if batch.instance_present else {}),
    )
    return output


def target_of(batch: Batch) -> Tensor:
    """Return the targets of a batch.

    Raises:
        TrainingError: It has none.
    """
    if batch.target is None:
        msg = "training needs rows with a target"
        raise TrainingError(msg)
    return batch.target
