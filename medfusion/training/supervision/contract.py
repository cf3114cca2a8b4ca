"""The contract of all supervision of attention: when it counts, and whose maps it is given."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from medfusion.data.batch import Batch
from medfusion.models import ModelOutput
from medfusion.models.activation import Evidence
from medfusion.spec.supervision import Supervision
from medfusion.training.objective import Moment, Term, target_of
from medfusion.training.tasks import Task


class SupervisionTerm(Term):
    """Base of losses on where a model looks.

    The model hands out what maps are made of (`MultimodalModel.keep_evidence`). Images that are
    missing, or hidden by modality dropout, do not count; a batch without any that counts adds 0.

    Args:
        settings: Its spec.
        task: Says which score's map is meant; see `Task.score`.
        views: Names of the views that are looked at.
        name: Name of the term.
    """

    def __init__(
        self, settings: Any, *, task: Task, views: tuple[str, ...], name: str = "supervision"
    ) -> None:
        self.settings, self.task, self.views, self.name = settings, task, views, name

    def __call__(self, model: Any, batch: Batch, output: ModelOutput, moment: Moment) -> Tensor:
        """Return the weighted loss; see `Term`. Where the weight is 0 nothing is computed."""
        weight = weight_at(self.settings, moment)
        if weight == 0:
            return output.logits.new_zeros((), dtype=torch.float32)
        return weight * self.measure(model, batch, output)

    @abstractmethod
    def measure(self, model: Any, batch: Batch, output: ModelOutput) -> Tensor:
        """Return the loss without its weight, a scalar; arguments as those of `Term`."""

    def maps(self, evidence: Evidence, batch: Batch) -> dict[str, Tensor]:
        """Return where the model looks by view, float32 [B, h, w], to be learnt from.

        Signed where it is a class-activation map; zero where a row does not show the view.
        """
        if getattr(self.settings, "map", "cam") == "attention":
            found = evidence.attended()
        else:
            scores = self.task.score(evidence.logits.float(), target_of(batch))
            found = evidence.activation(scores, create_graph=True)
        return {name: found[name] for name in self.views}


def weight_at(settings: Supervision, moment: Moment) -> float:
    """Return the weight of a supervision at a moment of training.

    Example:
        >>> from medfusion.spec import MaskSupervision
        >>> rising = MaskSupervision(weight=2.0, start=1.0, ramp=4.0)
        >>> [weight_at(rising, Moment(epoch, 10)) for epoch in (0.5, 1.0, 2.0, 5.0, 9.0)]
        [0.0, 0.0, 0.5, 2.0, 2.0]
    """
    since = moment.epoch - settings.start
    if since < 0:
        return 0.0
    if since >= settings.ramp:
        return settings.weight
    share = since / settings.ramp
    if settings.rise == "cosine":
        share = (1 - math.cos(math.pi * share)) / 2
    return settings.weight * share


def evidence_of(output: ModelOutput) -> Evidence:
    """Return what maps are made of.

    Raises:
        ValueError: The model was not asked to hand it out.
    """
    if output.evidence is None:
        msg = "call model.keep_evidence() first"
        raise ValueError(msg)
    return output.evidence


def mean_over(losses: Tensor, counts: Tensor) -> Tensor:
    """Return the mean of the losses that count, 0 where none does; both [n].

    Example:
        >>> mean_over(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))
        tensor(1.)
    """
    return torch.where(counts, losses, 0.0).sum() / counts.sum().clamp(min=1)
