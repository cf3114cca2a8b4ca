"""The mean of the largest values over views."""

from __future__ import annotations

import torch
from torch import Tensor

from medfusion import spec
from medfusion.models.aggregators.contract import WEIGHTS, Aggregated, Aggregator
from medfusion.registry import register


@register(spec.TopMeanViews)
class TopMeanViews(Aggregator):
    """The mean of the `top` largest values over the views that a subject has, per feature.

    With `top` 1 it is the maximum, with `top` as large as the number of views the mean. A view's
    weight is the share of the chosen values that are its own, over all features. The order of
    views does not matter.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, which it does not ask for.

    Example:
        >>> views = torch.tensor([[[1.0], [3.0], [5.0], [torch.nan]]])
        >>> largest = TopMeanViews(spec.TopMeanViews(top=2), width=1)
        >>> largest(views, torch.tensor([[True, True, True, False]])).vector
        tensor([[4.]])
    """

    def __init__(
        self, settings: spec.TopMeanViews, *, width: int, count: int | None = None
    ) -> None:
        super().__init__()
        del width, count
        self.top = settings.top

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`."""
        masked = torch.where(present[..., None], vectors, -torch.inf)
        ordered, places = masked.sort(dim=1, descending=True, stable=True)
        ranks = torch.arange(vectors.shape[1], device=vectors.device)
        counted = present.sum(dim=1).clamp(max=self.top)
        chosen = ranks[None, :, None] < counted[:, None, None]
        divisor = counted.clamp(min=1)[:, None].to(vectors.dtype)
        vector = torch.where(chosen, ordered, 0.0).sum(dim=1) / divisor
        taken = torch.zeros(vectors.shape, device=vectors.device)
        taken = taken.scatter(1, places, chosen.expand_as(taken).float())
        weights = taken.mean(dim=2) / divisor.float()
        return Aggregated(vector, {WEIGHTS: weights})
