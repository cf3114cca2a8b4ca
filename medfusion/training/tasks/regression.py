"""A number."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from medfusion.spec import SquaredLoss, Training
from medfusion.spec.loss import Loss
from medfusion.spec.target import TargetSpec
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class RegressionTask(Task):
    """One output, the target in standard deviations from its mean.

    Attributes:
        mean: Mean of the target in training, in its own unit.
        sd: Its standard deviation.
    """

    kind: ClassVar[str] = "regression"
    standard: ClassVar[Loss] = SquaredLoss()
    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out mean and standard deviation."""
        del spec
        sd = float(target.std())
        mean = float(target.mean())
        return cls(classes, mean=mean, sd=sd if sd > 0 else 1.0, criterion=training.loss)

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    @property
    def columns(self) -> list[str]:
        """The value."""
        return ["value"]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss, by default the squared error; `target` [B] is in its own unit."""
        wanted = (target.to(logits.dtype) - self.mean) / self.sd
        losses: Tensor = self.function.of_numbers(logits[:, 0], wanted)
        return losses.mean()

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the values [n] in the target's own unit."""
        return (logits.detach().to("cpu", torch.float64)[:, 0] * self.sd + self.mean).numpy()
