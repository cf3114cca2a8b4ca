"""The asymmetric loss of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.registry import register


@register(spec.AsymmetricLoss)
class Asymmetric:
    """Focal loss in which the many negative labels have a focus and a margin of their own.

    Ridnik et al., https://arxiv.org/abs/2009.14119: a positive label costs
    -(1 - p)^gamma_positive log p, a negative one -q^gamma_negative log(1 - q) with
    q = max(p - clip, 0).

    Example:
        >>> loss = Asymmetric(spec.AsymmetricLoss())
        >>> loss.of_labels(torch.tensor([-4.0, 0.0]), torch.tensor([0.0, 1.0])).numpy().round(4)
        array([0.    , 0.6931], dtype=float32)
    """

    def __init__(self, settings: spec.AsymmetricLoss) -> None:
        self.positive, self.negative = settings.gamma_positive, settings.gamma_negative
        self.clip = settings.clip

    def of_labels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each label, [...]; target is 0 or 1."""
        without = functional.logsigmoid(-logits)  # log(1 - p)
        positive = -functional.logsigmoid(logits) * torch.exp(self.positive * without)
        return torch.where(target > 0.5, positive, self._negative(logits, without))

    def _negative(self, logits: Tensor, without: Tensor) -> Tensor:
        if not self.clip:
            return -without * torch.exp(self.negative * functional.logsigmoid(logits))
        shifted = torch.sigmoid(logits) - self.clip
        counts = shifted > 0
        # What does not count must not reach the power, whose slope at 0 may be infinite.
        q = torch.where(counts, shifted, torch.full_like(shifted, 0.5))
        return torch.where(counts, -torch.log1p(-q) * q**self.negative, torch.zeros_like(q))
