"""Additive attention over modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.AttentionFusion)
class AttentionFusion(Fusion):
    """Additive attention (Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473) over modalities.

        a = softmax_m(w^T tanh(V h_m) + log present),  z = relu(W sum_m a_m h_m + b)

    `aux["weights"]` holds a, [B, M]: zero for absent modalities, rows sum to one. A row without
    any modality attends to the learned tokens in their place.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.
    """

    def __init__(self, settings: spec.AttentionFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim)
        self.hidden = nn.Linear(settings.dim, settings.dim)
        self.score = nn.Linear(settings.dim, 1, bias=False)
        self.out = nn.Linear(settings.dim, settings.dim)
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        scores = self.score(torch.tanh(self.hidden(slots))).squeeze(-1)
        open_to = present | ~present.any(dim=1, keepdim=True)
        weights = scores.masked_fill(~open_to, -torch.inf).softmax(dim=1)
        mixed = (weights[..., None] * slots).sum(dim=1)
        return FusionOutput(self.dropout(torch.relu(self.out(mixed))), {"weights": weights})
