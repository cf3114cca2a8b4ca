"""Losses of classes in order, as questions "is it above class k?" for each step but the last.

Each says how many outputs of the head it needs for K classes, what is put behind the head, what
the loss of logits is, and which probabilities of the classes follow from them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfusion import spec
from medfusion.registry import register
from medfusion.training import ensemble


class OrdinalLoss(ABC):
    """The contract."""

    @abstractmethod
    def outputs(self, classes: int) -> int:
        """Return the width of the head."""

    def extension(self, classes: int) -> nn.Module | None:
        """Return what is put behind the head; None, the rule, is nothing."""
        del classes
        return None

    @abstractmethod
    def of_ranks(self, logits: Tensor, rank: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss.

        Args:
            logits: [B, K - 1], or [B, K] where there is an output for each class.
            rank: Class index, int64 [B].
            weights: Weight of each row, [B].
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes, [B, K]."""

    @abstractmethod
    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits of an ensemble from those of its members, [B, k, ...]."""


@register(spec.CornLoss)
class Corn(OrdinalLoss):
    """The chance of being above class k among those that are in class k or above.

    Shi, Cao and Raschka, https://arxiv.org/abs/2111.08851: the binary cross-entropy of each step
    over the rows that reach it, all such cases weighing the same. The chance of being above class
    k is the product of the steps up to it and so falls with k, whatever the logits.

    Example:
        >>> loss = Corn(spec.CornLoss())
        >>> loss.probabilities(torch.tensor([[0.0, 0.0]]))
        tensor([[0.5000, 0.2500, 0.2500]])
    """

    def __init__(self, settings: spec.CornLoss) -> None:
        del settings

    def outputs(self, classes: int) -> int:
        """K - 1."""
        return classes - 1

    def of_ranks(self, logits: Tensor, rank: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss over all rows and steps that they reach."""
        step = torch.arange(logits.shape[1], device=logits.device)
        reached = (rank[:, None] >= step).to(logits.dtype) * weights[:, None]
        above = (rank[:, None] > step).to(logits.dtype)
        losses = functional.binary_cross_entropy_with_logits(logits, above, reduction="none")
        return (losses * reached).sum() / reached.sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes, [B, K]."""
        return from_exceedance(torch.cumprod(torch.sigmoid(logits), dim=1))

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the steps of the mean of the members' probabilities."""
        return ensemble.of_steps(outputs)


@register(spec.CoralLoss)
class Coral(OrdinalLoss):
    """One score for all steps and a bias for each.

    Cao, Mirjalili and Raschka, https://arxiv.org/abs/1901.07884: the sum over the steps of the
    binary cross-entropy, the mean over the rows. The biases fall at the optimum; until then a
    chance of being above a class that is larger than that of the class before counts as equal.

    Example:
        >>> loss = Coral(spec.CoralLoss())
        >>> loss.extension(3)(torch.tensor([[0.0]])).shape
        torch.Size([1, 2])
    """

    def __init__(self, settings: spec.CoralLoss) -> None:
        del settings

    def outputs(self, classes: int) -> int:
        """One score."""
        del classes
        return 1

    def extension(self, classes: int) -> nn.Module:
        """Return the biases, K - 1."""
        return StepBiases(classes - 1)

    def of_ranks(self, logits: Tensor, rank: Tensor, weights: Tensor) -> Tensor:
        """Return the mean over the rows of the sum over the steps."""
        step = torch.arange(logits.shape[1], device=logits.device)
        above = (rank[:, None] > step).to(logits.dtype)
        losses = functional.binary_cross_entropy_with_logits(logits, above, reduction="none")
        return (losses.sum(dim=1) * weights).sum() / weights.sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes, [B, K]."""
        return from_exceedance(torch.cummin(torch.sigmoid(logits), dim=1).values)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits of the mean of the members' chances of being above each class."""
        falling = torch.cummin(outputs, dim=2).values
        return ensemble.of_labels(falling)


class StepBiases(nn.Module):
    """A score and a bias for each step, float [B, 1] to [B, steps].

    The biases begin at the log-odds of classes of one size, and so in falling order.

    Args:
        steps: Number of classes less one.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        above = torch.arange(steps, 0, -1) / (steps + 1)
        self.bias = nn.Parameter(torch.logit(above))

    def forward(self, score: Tensor) -> Tensor:
        """Return the logits, [B, steps]."""
        logits: Tensor = score + self.bias
        return logits


def from_exceedance(above: Tensor) -> Tensor:
    """Return the probabilities of K classes from those of being above each but the last.

    Args:
        above: [B, K - 1], falling along a row.

    Example:
        >>> from_exceedance(torch.tensor([[0.75, 0.25]]))
        tensor([[0.2500, 0.5000, 0.2500]])
    """
    one = torch.ones_like(above[:, :1])
    return torch.cat([one, above], dim=1) - torch.cat([above, torch.zeros_like(one)], dim=1)
