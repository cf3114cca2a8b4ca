"""Fusion by concatenation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.ConcatenateFusion)
class ConcatenateFusion(Fusion):
    """Features side by side, together with what is present, then one hidden layer.

    z = relu(W relu([h_1; ...; h_M]) + U present + b). The usual baseline.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.
    """

    def __init__(self, settings: spec.ConcatenateFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim)
        inputs = len(widths) * settings.dim + len(widths)
        self.hidden = nn.Linear(inputs, settings.dim)
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = torch.relu(self.slots(feats, present)).flatten(1)
        joined = torch.cat([slots, present.to(slots.dtype)], dim=1)
        return FusionOutput(self.dropout(torch.relu(self.hidden(joined))), {})
