"""The contract of all view aggregators."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class Aggregated(NamedTuple):
    """What every aggregator returns.

    Attributes:
        vector: One vector per subject, float [B, d]; zeros where no view is present.
        aux: What panels plot, such as weights per view, by name; batch first.
    """

    vector: Tensor
    aux: dict[str, Tensor]


class Aggregator(nn.Module):
    """Base of all aggregators: V views with a mask become one vector of the same width."""

    @abstractmethod
    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate.

        Args:
            vectors: One vector per view, float [B, V, d]; those of absent views are not read.
            present: Which view a subject has, bool [B, V].
        """
