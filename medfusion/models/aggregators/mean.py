"""The mean over views."""

from __future__ import annotations

import torch
from torch import Tensor

from medfusion import spec
from medfusion.models.aggregators.contract import Aggregated, Aggregator
from medfusion.registry import register


@register(spec.MeanViews)
class MeanViews(Aggregator):
    """The mean over the views that a subject has.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, which it does not ask for.

    Example:
        >>> views = torch.tensor([[[1.0], [3.0], [torch.nan]]])
        >>> mean = MeanViews(spec.MeanViews(), width=1)
        >>> mean(views, torch.tensor([[True, True, False]])).vector
        tensor([[2.]])
    """

    def __init__(self, settings: spec.MeanViews, *, width: int, count: int | None = None) -> None:
        super().__init__()
        del settings, width, count

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`."""
        total = torch.where(present[..., None], vectors, 0.0).sum(dim=1)
        return Aggregated(total / present.sum(dim=1, keepdim=True).clamp(min=1), {})
