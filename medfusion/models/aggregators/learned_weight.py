"""A learned weight for each place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.aggregators.contract import (
    WEIGHTS,
    Aggregated,
    Aggregator,
    masked_softmax,
    weighted_sum,
    without_absent,
)
from medfusion.registry import register


@register(spec.LearnedWeightViews)
class LearnedWeightViews(Aggregator):
    """z = sum_v a_v h_v with a = softmax(s) over the views that are there.

    s holds one learned number a place, the same for all subjects, zero at first (the mean). Places
    keep their meaning, so the order of views does matter.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, number of places.

    Raises:
        InputError: The number of places is not fixed, as in a bag.

    Example:
        >>> views = torch.tensor([[[1.0], [3.0], [torch.nan]]])
        >>> weigh = LearnedWeightViews(spec.LearnedWeightViews(), width=1, count=3)
        >>> weigh(views, torch.tensor([[True, True, False]])).aux["weights"]
        tensor([[0.5000, 0.5000, 0.0000]], grad_fn=<WhereBackward0>)
    """

    def __init__(
        self, settings: spec.LearnedWeightViews, *, width: int, count: int | None = None
    ) -> None:
        super().__init__()
        del settings, width
        if count is None:
            msg = (
                "learned-weight needs the same places in every subject, which a bag does not "
                "have: choose attention or gated-abmil"
            )
            raise InputError(msg)
        self.scores = nn.Parameter(torch.zeros(count))

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`.

        Raises:
            ValueError: Another number of views than it was made for.
        """
        if vectors.shape[1] != len(self.scores):
            msg = f"learned-weight was made for {len(self.scores)} views, got {vectors.shape[1]}"
            raise ValueError(msg)
        weights = masked_softmax(self.scores.expand(present.shape), present)
        vector = weighted_sum(without_absent(vectors, present), weights)
        return Aggregated(vector, {WEIGHTS: weights})
