"""Losses of numbers: how far a prediction is off."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.registry import register


@register(spec.SquaredLoss)
class Squared:
    """The squared error."""

    def __init__(self, settings: spec.SquaredLoss) -> None:
        del settings

    def of_numbers(self, output: Tensor, wanted: Tensor) -> Tensor:
        """Return the loss of each row, [B]."""
        return functional.mse_loss(output, wanted, reduction="none")


@register(spec.HuberLoss)
class Huber:
    """Half the squared error up to delta, beyond it delta times (the error - delta / 2).

    Huber, https://doi.org/10.1214/aoms/1177703732.

    Example:
        >>> import torch
        >>> Huber(spec.HuberLoss(delta=1.0)).of_numbers(torch.tensor([0.5, 3.0]), torch.zeros(2))
        tensor([0.1250, 2.5000])
    """

    def __init__(self, settings: spec.HuberLoss) -> None:
        self.delta = settings.delta

    def of_numbers(self, output: Tensor, wanted: Tensor) -> Tensor:
        """Return the loss of each row, [B]."""
        return functional.huber_loss(output, wanted, reduction="none", delta=self.delta)


@register(spec.AbsoluteLoss)
class Absolute:
    """The absolute error."""

    def __init__(self, settings: spec.AbsoluteLoss) -> None:
        del settings

    def of_numbers(self, output: Tensor, wanted: Tensor) -> Tensor:
        """Return the loss of each row, [B]."""
        return functional.l1_loss(output, wanted, reduction="none")
