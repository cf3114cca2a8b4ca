"""Channel and spatial attention conditioned on a table."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Width
from medfusion.models.fusion.attention_layer import masked_mean
from medfusion.models.fusion.feature_map import MapFusion
from medfusion.registry import register


@register(spec.TabAttentionFusion)
class TabAttentionFusion(MapFusion):
    """TabAttention (Grzeszczyk et al. 2023, https://arxiv.org/abs/2310.18129).

    As CBAM (https://arxiv.org/abs/1807.06521) weighs first channels and then positions of a map,
    but the table takes part in both:

        w_c = sigmoid(MLP(avg_t F) + MLP(max_t F) + MLP(E c)),  G = w_c * F
        w_s = sigmoid(v . [avg_d G_t; max_d G_t; <Q c, G_t> / sqrt(D)] + b),  F' = relu(w_s * G)

    with one MLP of one hidden layer for all three. F are the map's positions led by its pooled
    vector, c the slots of the other modalities, and at last s = F'_0 + mean_t F'_t,
    z = relu(W_z [s; c] + b_z), as in all of `MapFusion`.

    The paper's spatial attention is a 7 x 7 convolution over a plane of averages, one of maxima and
    one made from the table. Here positions may come from several views of any size, so that there
    is no common plane: the convolution is 1 x 1, and the table's plane is how well it fits each
    position. Attention over time, which the paper adds for videos, has no axis here.

    `aux["channels"]` holds w_c, [B, D], and `aux["positions"]` w_s of the tokens, [B, T], zero where
    a position is not there; there is neither without a condition.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> TabAttentionFusion(spec.TabAttentionFusion(dim=4), widths=widths).conditions
        ('table',)
    """

    def __init__(self, settings: spec.TabAttentionFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim, settings.dropout)
        if self.conditions:
            hidden = max(1, self.dim // settings.reduction)
            self.embed = nn.Linear(self.condition_width, self.dim)
            self.channel = nn.Sequential(
                nn.Linear(self.dim, hidden), nn.ReLU(), nn.Linear(hidden, self.dim)
            )
            self.query = nn.Linear(self.condition_width, self.dim)
            self.position = nn.Linear(3, 1)

    def modulate(
        self, positions: Tensor, mask: Tensor, condition: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weigh channels, then positions; see `MapFusion.modulate`."""
        highest = torch.where(mask[..., None], positions, -torch.inf).amax(dim=1)
        known = torch.stack([masked_mean(positions, mask), highest, self.embed(condition)])
        channels = torch.sigmoid(self.channel(known).sum(dim=0))
        weighed = channels[:, None] * positions
        fits = (weighed @ self.query(condition)[..., None]).squeeze(-1) / self.dim**0.5
        planes = torch.stack([weighed.mean(dim=2), weighed.amax(dim=2), fits], dim=2)
        places = torch.sigmoid(self.position(planes))
        shown = torch.where(mask, places.squeeze(-1), 0.0)[:, 1:]
        return places * weighed, {"channels": channels, "positions": shown}

    def token_attention(self, aux: Mapping[str, Tensor], modality: str) -> Tensor | None:
        """Return w_s of the map's positions, [B, T]."""
        return aux.get("positions") if modality == self.map else None
