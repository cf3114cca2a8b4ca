"""Attention over views, plain and gated: attention-based multiple-instance learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.aggregators.contract import (
    WEIGHTS,
    Aggregated,
    Aggregator,
    masked_softmax,
    weighted_sum,
    without_absent,
)
from medfusion.registry import register


@register(spec.AttentionViews)
class AttentionViews(Aggregator):
    """z = sum_v a_v h_v with a = softmax_v(w^T tanh(V h_v + b)).

    Equations 7 and 8 of Ilse et al. 2018 (https://arxiv.org/abs/1802.04712), there without b. The
    order of views does not matter, and the weights move with their views.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, which it does not ask for.

    Example:
        >>> rate = AttentionViews(spec.AttentionViews(hidden=8), width=4)
        >>> whole = rate(torch.ones(2, 3, 4), torch.ones(2, 3).bool())
        >>> whole.vector.shape, whole.aux["weights"].sum(dim=1).detach()
        (torch.Size([2, 4]), tensor([1., 1.]))
    """

    def __init__(
        self, settings: spec.AttentionViews, *, width: int, count: int | None = None
    ) -> None:
        super().__init__()
        del count
        self.hidden = nn.Linear(width, settings.hidden)
        self.rate = nn.Linear(settings.hidden, 1, bias=False)

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`."""
        clean = without_absent(vectors, present)
        scores = self.rate(torch.tanh(self.hidden(clean)))[..., 0]
        weights = masked_softmax(scores, present)
        return Aggregated(weighted_sum(clean, weights), {WEIGHTS: weights})


@register(spec.GatedAttentionViews)
class GatedAttentionViews(Aggregator):
    """z = sum_v a_v h_v with a = softmax_v(w^T (tanh(V h_v + b) * sigmoid(U h_v + c))).

    Equations 7 and 9 of Ilse et al. 2018 (https://arxiv.org/abs/1802.04712), there without b and
    c. The order of views does not matter, and the weights move with their views.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, which it does not ask for.

    Example:
        >>> rate = GatedAttentionViews(spec.GatedAttentionViews(hidden=8), width=4)
        >>> whole = rate(torch.ones(2, 3, 4), torch.zeros(2, 3).bool())
        >>> bool((whole.vector == 0).all())
        True
    """

    def __init__(
        self, settings: spec.GatedAttentionViews, *, width: int, count: int | None = None
    ) -> None:
        super().__init__()
        del count
        self.hidden = nn.Linear(width, settings.hidden)
        self.gate = nn.Linear(width, settings.hidden)
        self.rate = nn.Linear(settings.hidden, 1, bias=False)

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`."""
        clean = without_absent(vectors, present)
        hidden = torch.tanh(self.hidden(clean)) * torch.sigmoid(self.gate(clean))
        weights = masked_softmax(self.rate(hidden)[..., 0], present)
        return Aggregated(weighted_sum(clean, weights), {WEIGHTS: weights})
