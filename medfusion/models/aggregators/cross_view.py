"""Attention between views."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.aggregators.contract import (
    WEIGHTS,
    Aggregated,
    Aggregator,
    masked_softmax,
    without_absent,
)
from medfusion.registry import register

GROWTH = 2
"""Width of the feed-forward layer as a multiple of that of a view."""


@register(spec.CrossViewAttention)
class CrossViewAttention(Aggregator):
    """One pre-norm transformer layer over the views, then the mean over those that are there.

        x_v  = h_v + e_v
        x_v += MultiHead(query = LN(x_v), key = value = LN(x of all present views))
        x_v += FFN(LN(x_v))
        z    = mean_v LN(x_v)

    e_v is a learned vector a place, small at first; with it the order of views does matter, without
    it (`embeddings: false`) it does not. The pre-norm layer is that of Xiong et al. 2020
    (https://arxiv.org/abs/2002.04745). `aux["weights"]` is the attention that a view gets, the mean
    over heads and over the views that attend.

    Args:
        settings: Its spec.
        width: d, width of a view's vector.
        count: V, number of places; needed with `embeddings` only.

    Raises:
        InputError: Embeddings are asked for where the number of places is not fixed, as in a bag.

    Example:
        >>> cross = CrossViewAttention(spec.CrossViewAttention(heads=2), width=4, count=3)
        >>> cross(torch.ones(2, 3, 4), torch.ones(2, 3).bool()).vector.shape
        torch.Size([2, 4])
    """

    def __init__(
        self, settings: spec.CrossViewAttention, *, width: int, count: int | None = None
    ) -> None:
        super().__init__()
        self.places: nn.Parameter | None = None
        if settings.embeddings:
            if count is None:
                msg = (
                    "cross-view with embeddings needs the same places in every subject, which a "
                    "bag does not have: set embeddings to false"
                )
                raise InputError(msg)
            self.places = nn.Parameter(torch.randn(count, width) * 0.02)
        self.heads = settings.heads
        # Widths come from the encoder and need not be divisible by the heads.
        self.inner = max(1, width // settings.heads) * settings.heads
        self.before = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * self.inner)
        self.back = nn.Linear(self.inner, width)
        self.between = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, GROWTH * width),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(GROWTH * width, width),
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`.

        Raises:
            ValueError: Another number of views than it has embeddings for.
        """
        states = without_absent(vectors, present)
        if self.places is not None:
            if vectors.shape[1] != len(self.places):
                msg = f"cross-view was made for {len(self.places)} views, got {vectors.shape[1]}"
                raise ValueError(msg)
            states = states + self.places.to(states.dtype)
        attended, weights = self._attend(self.before(states), present)
        states = states + self.dropout(attended)
        states = states + self.dropout(self.feed(self.between(states)))
        shares = present.float() / present.sum(dim=1, keepdim=True).clamp(min=1)
        normed = self.norm(states)
        vector = torch.einsum("bv,bvd->bd", shares.to(normed.dtype), normed)
        # A sum and not a product of matrices, which autocast would work out in half precision.
        got = (shares[:, :, None] * weights).sum(dim=1)
        return Aggregated(vector, {WEIGHTS: got})

    def _attend(self, states: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the views gather [B, V, d] and from where [B, V, V], the mean of heads."""
        batch, views, _ = states.shape
        parts = self.project(states).view(batch, views, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = masked_softmax(scores, present[:, None, None, :])
        used = functional.dropout(weights, self.dropout.p, self.training)
        gathered = used.to(value.dtype) @ value
        return self.back(gathered.transpose(1, 2).flatten(2)), weights.mean(dim=1)
