"""The contract of all attention blocks."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

OPENNESS = 3.0
"""Logit at which gates with a bias start: sigmoid(3) = 0.95, near enough to an open gate."""


class Attended(NamedTuple):
    """What every attention block returns.

    Attributes:
        map: The map after its gates, float [n, C, h, w] as the input.
        gates: The gates in 0..1 by what they are for: "channel" [n, C], "spatial" [n, h, w].
    """

    map: Tensor
    gates: dict[str, Tensor]


class AttentionBlock(nn.Module):
    """Base of all attention blocks: a map goes in, the same map times gates comes out.

    Blocks have no batch norm: what comes out for an image does not depend on its batch.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Attended:
        """Weigh a map.

        Args:
            x: Feature map, float [n, C, h, w].

        Returns:
            The weighed map [n, C, h, w] and the gates.
        """
