"""Members of an ensemble that is part of a model: their outputs, and the heads that give them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.registry import create


class Members(NamedTuple):
    """What each member of an ensemble says, for a loss of its own.

    Attributes:
        outputs: float [B, k, outputs].
        present: Which rows have what the members look at, bool [B].
        weight: Weight of the mean of their losses beside the task's loss; None where the members
            are the whole model and that mean is the task's loss.
    """

    outputs: Tensor
    present: Tensor
    weight: float | None


class MemberHeads(nn.Module):
    """One head for each of k members, float [B, k, d] to [B, k, outputs].

    Args:
        settings: The spec of one head.
        members: k.
        width: d, width of a member's features.
        outputs: Number of outputs.

    Example:
        >>> heads = MemberHeads(spec.LinearHead(), members=4, width=8, outputs=2)
        >>> heads(torch.zeros(3, 4, 8)).shape
        torch.Size([3, 4, 2])
    """

    def __init__(self, settings: spec.Spec, *, members: int, width: int, outputs: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            create(settings, width=width, outputs=outputs) for _ in range(members)
        )

    def forward(self, members: Tensor) -> Tensor:
        """Return the members' outputs, [B, k, outputs]."""
        outputs = [head(members[:, index]) for index, head in enumerate(self.heads)]
        return torch.stack(outputs, dim=1)


def mean_of_members(outputs: Tensor) -> Tensor:
    """Return the mean of the members' outputs [B, k, ...]: [B, ...].

    Example:
        >>> mean_of_members(torch.tensor([[[1.0], [3.0]]]))
        tensor([[2.]])
    """
    return outputs.mean(dim=1)
