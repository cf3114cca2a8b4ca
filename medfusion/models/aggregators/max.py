"""The maximum over views."""

from __future__ import annotations

import torch
from torch import Tensor

from medfusion import spec
from medfusion.models.aggregators.contract import Aggregated, Aggregator
from medfusion.registry import register


@register(spec.MaxViews)
class MaxViews(Aggregator):
    """The maximum over the views that a subject has, per feature.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, which it does not ask for.

    Example:
        >>> views = torch.tensor([[[1.0], [3.0], [torch.nan]]])
        >>> largest = MaxViews(spec.MaxViews(), width=1)
        >>> largest(views, torch.tensor([[True, True, False]])).vector
        tensor([[3.]])
    """

    def __init__(self, settings: spec.MaxViews, *, width: int, count: int | None = None) -> None:
        super().__init__()
        del settings, width, count

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`."""
        largest = torch.where(present[..., None], vectors, -torch.inf).amax(dim=1)
        return Aggregated(torch.where(present.any(dim=1, keepdim=True), largest, 0.0), {})
