"""What training makes small: the task's loss and whatever else was asked for, part by part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from medfusion.data.batch import Batch
from medfusion.errors import TrainingError
from medfusion.models import ModelOutput
from medfusion.training.tasks import Task


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
        parts = self.task.parts(output.logits.float(), target_of(batch))
        parts |= output.losses
        for term in self.terms:
            parts[term.name] = term(model, batch, output, moment)
        return parts


def forward(model: Any, batch: Batch) -> ModelOutput:
    """Return what a model makes of a batch."""
    output: ModelOutput = model(
        images=batch.images,
        image_present=batch.image_present,
        numeric=batch.numeric,
        numeric_present=batch.numeric_present,
        categorical=batch.categorical,
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
