"""The contract of all view aggregators."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

WEIGHTS = "weights"
"""Name in `aux` of the weights of views, [B, V]."""


class Aggregated(NamedTuple):
    """What every aggregator returns.

    Attributes:
        vector: One vector per subject, float [B, d]; zeros where no view is present.
        aux: What panels plot, by name; batch first. "weights", where there are any, float32
            [B, V]: what each view counts for, summing to one; zeros where no view is present.
    """

    vector: Tensor
    aux: dict[str, Tensor]


class Aggregator(nn.Module):
    """Base of all aggregators: V views with a mask become one vector of the same width.

    Views are those of a subject, slices of a volume, or images of a bag. An aggregator is made as
    `create(spec, width=d, count=V)`; `count` is None where places have no meaning of their own
    (the images of a bag, of which there may be any number), and only aggregators that learn
    something for each place ask for it.
    """

    @abstractmethod
    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate.

        Args:
            vectors: One vector per view, float [B, V, d]; those of absent views are not read.
            present: Which view a subject has, bool [B, V].
        """


def without_absent(vectors: Tensor, present: Tensor) -> Tensor:
    """Return vectors [B, V, d] with zeros in place of absent views.

    It comes before any layer: a NaN that is only masked later still reaches the gradient of the
    layer's weights, as 0 * NaN.
    """
    return torch.where(present[..., None], vectors, 0.0)


def masked_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over the last axis among what is present; zeros where nothing is.

    It is worked out in float32 at least, as half precision sums poorly.

    Args:
        scores: float [..., V].
        present: bool, of a shape that broadcasts to that of the scores.

    Example:
        >>> masked_softmax(torch.tensor([[0.0, 9.0, 0.0]]), torch.tensor([[True, False, True]]))
        tensor([[0.5000, 0.0000, 0.5000]])
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    # The smallest number and not -inf: a row of nothing but -inf has a NaN for its gradient.
    lowest = torch.finfo(scores.dtype).min
    weights = torch.softmax(scores.masked_fill(~present, lowest), dim=-1)
    return torch.where(present, weights, 0.0)


def weighted_sum(vectors: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of vectors [B, V, d] by weights [B, V], in the type of the vectors: [B, d]."""
    return torch.einsum("bv,bvd->bd", weights.to(vectors.dtype), vectors)
