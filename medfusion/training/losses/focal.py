"""The focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.registry import register


@register(spec.FocalLoss)
class Focal:
    """(1 - p)^gamma times the cross-entropy, p the probability of what is true.

    Lin et al., https://arxiv.org/abs/1708.02002. The factor is worked out from the logarithm of
    1 - p, so that value and gradient are finite for any logit.

    Example:
        >>> loss = Focal(spec.FocalLoss(gamma=2.0))
        >>> round(float(loss.of_labels(torch.tensor([0.0]), torch.tensor([1.0]))), 4)
        0.1733
    """

    def __init__(self, settings: spec.FocalLoss) -> None:
        self.gamma, self.alpha = settings.gamma, settings.alpha

    def of_labels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each label, [...]; target is 0 or 1."""
        towards = logits * (2 * target - 1)
        loss = -functional.logsigmoid(towards) * torch.exp(
            self.gamma * functional.logsigmoid(-towards)
        )
        if self.alpha is None:
            return loss
        return loss * (self.alpha * target + (1 - self.alpha) * (1 - target))

    def of_classes(self, logits: Tensor, index: Tensor) -> Tensor:
        """Return the loss of each row, [B], of logits [B, K] and class indices [B]."""
        log = torch.log_softmax(logits, dim=1)
        own = functional.one_hot(index, logits.shape[1]).bool()
        others = torch.logsumexp(log.masked_fill(own, -torch.inf), dim=1)
        loss: Tensor = -log[own] * torch.exp(self.gamma * others)
        return loss
