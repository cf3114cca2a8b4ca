"""Two classes."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from medfusion.spec import Training
from medfusion.spec.target import TargetSpec
from medfusion.training import ensemble
from medfusion.training.tasks.class_weights import class_weights, weighted_mean
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class BinaryTask(Task):
    """One output, the logit of the second class.

    Attributes:
        class_weights: Weight of each class in the loss, mean 1 over the training rows.
    """

    kind: ClassVar[str] = "binary"
    class_weights: tuple[float, ...] | None = None

    @classmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out the weights of the classes."""
        del spec
        return cls(classes, class_weights(training, classes, target), criterion=training.loss)

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    @property
    def columns(self) -> list[str]:
        """The probability of each class."""
        return [f"prob_{name}" for name in self.classes]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss, by default the cross-entropy; `target` is the class index [B]."""
        losses: Tensor = self.function.of_labels(logits[:, 0], target.to(logits.dtype))
        if self.class_weights is None:
            return losses.mean()
        weights = torch.tensor(self.class_weights, dtype=logits.dtype, device=logits.device)
        return weighted_mean(losses, weights[target])

    def holding(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return whether a row has the event."""
        del logits
        return target[:, None] == 1

    def chances(self, logits: Tensor) -> Tensor:
        """Return the probability of the event."""
        return torch.sigmoid(logits)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logit of the mean of the members' probabilities."""
        return ensemble.of_labels(outputs)

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the probabilities of both classes, [n, 2]."""
        positive = self.chances(logits.detach().to("cpu", torch.float64))[:, 0]
        return torch.stack([1 - positive, positive], dim=1).numpy()
