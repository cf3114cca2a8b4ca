"""Several classes without order."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medfusion.spec import Training
from medfusion.spec.target import TargetSpec
from medfusion.training import ensemble
from medfusion.training.tasks.class_weights import class_weights, weighted_mean
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class MulticlassTask(Task):
    """One output for each class.

    Attributes:
        class_weights: Weight of each class in the loss, mean 1 over the training rows.
    """

    kind: ClassVar[str] = "multiclass"
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
        """One for each class."""
        return len(self.classes)

    @property
    def columns(self) -> list[str]:
        """The probability of each class."""
        return [f"prob_{name}" for name in self.classes]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss, by default the cross-entropy; `target` is the class index [B]."""
        weights = None
        if self.class_weights is not None:
            weights = torch.tensor(self.class_weights, dtype=logits.dtype, device=logits.device)
        if self.criterion is None:
            return functional.cross_entropy(logits, target, weight=weights)
        losses: Tensor = self.function.of_classes(logits, target)
        return losses.mean() if weights is None else weighted_mean(losses, weights[target])

    def score(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the logit of the true class."""
        return logits.gather(1, target[:, None])[:, 0]

    def holding(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the true class."""
        return functional.one_hot(target, logits.shape[1]).bool()

    def chances(self, logits: Tensor) -> Tensor:
        """Return the probability of each class."""
        return torch.softmax(logits, dim=1)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logarithm of the mean of the members' probabilities, up to a constant."""
        return ensemble.of_classes(outputs)

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the probabilities of the classes, [n, classes]."""
        return self.chances(logits.detach().to("cpu", torch.float64)).numpy()
