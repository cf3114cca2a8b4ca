"""The losses of auxiliary heads: each modality on its own has to know the target too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from medfusion.data.batch import Batch
from medfusion.models import ModelOutput
from medfusion.spec import AuxiliaryHeads
from medfusion.training.objective import Moment, Term, target_of
from medfusion.training.tasks import Task


class AuxiliaryTerm(Term):
    """The task's loss of one modality's own outputs, on the rows that showed it.

    A fused loss alone lets the faster modality take over, while the encoder of the other hardly
    learns (Wang et al. 2020, https://arxiv.org/abs/1905.12681). A batch in which no row showed the
    modality adds nothing.

    Args:
        task: The task.
        modality: The modality, such as "image"; the term is called "auxiliary/image".
        weight: Weight of the loss.

    Example:
        >>> import torch
        >>> from medfusion.training.tasks.binary import BinaryTask
        >>> AuxiliaryTerm(BinaryTask(("no", "yes")), "image", 0.3).name
        'auxiliary/image'
    """

    def __init__(self, task: Task, modality: str, weight: float) -> None:
        self.task, self.modality, self.weight = task, modality, weight
        self.name = f"auxiliary/{modality}"

    def __call__(self, model: Any, batch: Batch, output: ModelOutput, moment: Moment) -> Tensor:
        """Return the weighted loss; see `Term`."""
        del model, moment
        logits = output.auxiliary[self.modality].float()
        shown = output.shown[self.modality]
        if not shown.any():
            return logits.new_zeros(())
        return self.weight * self.task.loss(logits[shown], target_of(batch)[shown])


def auxiliary_terms(
    settings: AuxiliaryHeads | None, modalities: Sequence[str], task: Task
) -> list[AuxiliaryTerm]:
    """Return the terms of all auxiliary heads; none where there are no heads.

    Args:
        settings: Asks for them.
        modalities: Those of the model.
        task: The task.
    """
    if settings is None:
        return []
    return [AuxiliaryTerm(task, name, settings.weight) for name in modalities]
