"""Gated multimodal units."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.GatedFusion)
class GatedFusion(Fusion):
    """Gated multimodal units (Arevalo et al. 2017, https://arxiv.org/abs/1702.01992).

    Every feature of the fused vector has a gate per modality that all modalities decide on:

        z = sum_m g_m * tanh(h_m),  g_m = sigmoid(W_m [h_1; ...; h_M] + b_m)

    With two modalities there is one gate g, and the second gets 1 - g, as in the paper. With
    `initial_gate` W starts at zero and b where every gate (of two modalities: that of the first)
    has this value.

    `aux["gates"]` holds the gates, [B, M, D].

    Args:
        settings: Its spec.
        widths: Width of each modality's features.
    """

    def __init__(self, settings: spec.GatedFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim)
        count = len(widths)
        self.gate = nn.Linear(count * settings.dim, (1 if count == 2 else count) * settings.dim)
        self.dropout = nn.Dropout(settings.dropout)
        if settings.initial_gate is not None:
            nn.init.zeros_(self.gate.weight)
            start = settings.initial_gate
            nn.init.constant_(self.gate.bias, math.log(start / (1 - start)))

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        gates = torch.sigmoid(self.gate(slots.flatten(1)))
        gates = gates.reshape(len(slots), self.gate.out_features // self.dim, self.dim)
        if len(self.modalities) == 2:
            gates = torch.cat([gates, 1 - gates], dim=1)
        z = (gates * torch.tanh(slots)).sum(dim=1)
        return FusionOutput(self.dropout(z), {"gates": gates})
