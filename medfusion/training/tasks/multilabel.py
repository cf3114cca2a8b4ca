"""Several labels, each of which holds or does not."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from medfusion.errors import SpecError
from medfusion.spec import EffectiveNumber, Training
from medfusion.spec.target import TargetSpec
from medfusion.training import ensemble
from medfusion.training.tasks.class_weights import effective_weights
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class MultilabelTask(Task):
    """One output for each label, its logit; labels that are not known have no part in the loss.

    Attributes:
        label_weights: Weight of a label where it does not hold and where it does, for each label.
    """

    kind: ClassVar[str] = "multilabel"
    label_weights: tuple[tuple[float, float], ...] | None = None

    @classmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out the weights of the labels."""
        del spec
        return cls(classes, label_weights(training, classes, target), criterion=training.loss)

    @property
    def outputs(self) -> int:
        """One for each label."""
        return len(self.classes)

    @property
    def columns(self) -> list[str]:
        """The probability of each label."""
        return [f"prob_{name}" for name in self.classes]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over the known cells of `target` [B, L]; 0 where none is known."""
        known = ~torch.isnan(target)
        wanted = torch.where(known, target, torch.zeros_like(target)).to(logits.dtype)
        weights = known.to(logits.dtype)
        if self.label_weights is not None:
            pairs = logits.new_tensor(self.label_weights)
            weights = weights * torch.where(wanted > 0.5, pairs[:, 1], pairs[:, 0])
        losses: Tensor = self.function.of_labels(logits, wanted)
        return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)

    def score(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the logits of the labels that hold."""
        return torch.where(self.holding(logits, target), logits, 0.0).sum(dim=1)

    def holding(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the labels that are known to hold."""
        del logits
        return target > 0.5

    def chances(self, logits: Tensor) -> Tensor:
        """Return the probability of each label."""
        return torch.sigmoid(logits)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits of the mean of the members' probabilities."""
        return ensemble.of_labels(outputs)

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the probability of each label, [n, labels]."""
        return self.chances(logits.detach().to("cpu", torch.float64)).numpy()


def label_weights(
    training: Training, labels: tuple[str, ...], target: np.ndarray
) -> tuple[tuple[float, float], ...] | None:
    """Return the weights (does not hold, holds) of each label; None where all are alike.

    By rule the two of a label have mean 1 over its known training cells; numbers that are given
    are the weights of cells where a label holds, against 1.

    Args:
        training: Asks for them.
        labels: Names of the labels.
        target: 1, 0 or NaN of the training rows, [n, L].

    Raises:
        SpecError: There is not one weight per label.
    """
    asked = training.class_weights
    if asked == "none":
        return None
    if isinstance(asked, tuple):
        if len(asked) != len(labels):
            msg = (
                f"training.class_weights has {len(asked)} values for {len(labels)} "
                f"labels ({', '.join(labels)})"
            )
            raise SpecError(msg)
        return tuple((1.0, float(weight)) for weight in asked)
    pairs = []
    for column in target.T:
        counts = np.array([(column == 0).sum(), (column == 1).sum()], dtype=float)
        if not counts.all():  # of one value there is nothing to balance
            pairs.append((1.0, 1.0))
            continue
        beta = asked.beta if isinstance(asked, EffectiveNumber) else None
        weights = 1 / counts if beta is None else effective_weights(counts, beta)
        weights = weights * counts.sum() / (weights * counts).sum()
        pairs.append((float(weights[0]), float(weights[1])))
    return tuple(pairs)
