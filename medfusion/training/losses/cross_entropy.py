"""Cross-entropy, with label smoothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.registry import register
from medfusion.training import ensemble
from medfusion.training.losses.ordinal import OrdinalLoss


@register(spec.CrossEntropyLoss)
class CrossEntropy(OrdinalLoss):
    """Minus the logarithm of the probability of what is true.

    With label smoothing e (https://arxiv.org/abs/1512.00567) the target is 1 - e of what it was
    and e spread evenly over the K classes (of a label: over yes and no).

    Example:
        >>> loss = CrossEntropy(spec.CrossEntropyLoss())
        >>> round(float(loss.of_labels(torch.tensor([0.0]), torch.tensor([1.0]))), 4)
        0.6931
    """

    def __init__(self, settings: spec.CrossEntropyLoss) -> None:
        self.smoothing = settings.label_smoothing

    def of_labels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each label, [...]; target is 0 or 1."""
        if self.smoothing:
            target = target * (1 - self.smoothing) + self.smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, target, reduction="none")

    def outputs(self, classes: int) -> int:
        """One for each class."""
        return classes

    def of_ranks(self, logits: Tensor, rank: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss of logits [B, K]; the order of the classes has no part in it."""
        return (self.of_classes(logits, rank) * weights).sum() / weights.sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes, [B, K]."""
        return torch.softmax(logits, dim=1)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits of the mean of the members' probabilities."""
        return ensemble.of_classes(outputs)

    def of_classes(self, logits: Tensor, index: Tensor) -> Tensor:
        """Return the loss of each row, [B], of logits [B, K] and class indices [B]."""
        return functional.cross_entropy(
            logits, index, reduction="none", label_smoothing=self.smoothing
        )
