"""Several classes in order."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from medfusion.spec import CornLoss, Training
from medfusion.spec.loss import Loss
from medfusion.spec.target import TargetSpec
from medfusion.training.tasks.class_weights import class_weights
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class OrdinalTask(Task):
    """The outputs that its loss needs; see `medfusion.training.losses.OrdinalLoss`.

    Attributes:
        class_weights: Weight of each class in the loss, mean 1 over the training rows.
    """

    kind: ClassVar[str] = "ordinal"
    standard: ClassVar[Loss] = CornLoss()
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
        """As many as its loss needs."""
        return int(self.function.outputs(len(self.classes)))

    @property
    def columns(self) -> list[str]:
        """The probability of each class."""
        return [f"prob_{name}" for name in self.classes]

    def extension(self) -> nn.Module | None:
        """Return what the loss puts behind the head."""
        extension: nn.Module | None = self.function.extension(len(self.classes))
        return extension

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss, by default that of CORN; `target` is the class index [B]."""
        weights = torch.ones_like(logits[:, 0])
        if self.class_weights is not None:
            weights = weights.new_tensor(self.class_weights)[target]
        loss: Tensor = self.function.of_ranks(logits, target, weights)
        return loss

    def score(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return what raises the grade; with an output for each class the logit of the true one."""
        if logits.shape[1] == len(self.classes):
            return logits.gather(1, target[:, None])[:, 0]
        return logits.sum(dim=1)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits of the mean of the members' probabilities."""
        logits: Tensor = self.function.combine(outputs)
        return logits

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the probabilities of the classes, [n, classes]."""
        probabilities: Tensor = self.function.probabilities(
            logits.detach().to("cpu", torch.float64)
        )
        return probabilities.numpy()
