"""The gated Kronecker product."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register

MOST_ENTRIES = 2**17
"""Most entries that the product may have."""


@register(spec.KroneckerFusion)
class KroneckerFusion(Fusion):
    """Pathomic Fusion (Chen et al. 2020, https://arxiv.org/abs/1912.08937).

    Each modality's features are gated by all of them, then multiplied out, every one with every
    other; the ones keep what each modality says alone and what any two say:

        v_m = sigmoid(G_m [h_1; ...; h_M] + a_m) * relu(h_m),  h_m of width d
        z = relu(W vec([v_1; 1] (x) ... (x) [v_M; 1]) + b)

    `aux["gates"]` holds the gates, [B, M, d].

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Raises:
        InputError: The product of so many modalities would be too large.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> KroneckerFusion(spec.KroneckerFusion(width=16), widths=widths).out.in_features
        289
    """

    def __init__(self, settings: spec.KroneckerFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim, slot=settings.width)
        entries = (settings.width + 1) ** len(widths)
        if entries > MOST_ENTRIES:
            msg = (
                f"a kronecker fusion of {len(widths)} modalities with width {settings.width} would "
                f"have {entries} products: lower model.fusion.width or choose bilinear"
            )
            raise InputError(msg)
        self.gate = nn.Linear(len(widths) * settings.width, len(widths) * settings.width)
        self.out = nn.Linear(entries, settings.dim)
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        gates = torch.sigmoid(self.gate(slots.flatten(1))).reshape(slots.shape)
        gated = gates * torch.relu(slots)
        extended = torch.cat([gated, gated.new_ones(*gated.shape[:2], 1)], dim=2)
        product = extended[:, 0]
        for m in range(1, len(self.modalities)):
            product = (product[:, :, None] * extended[:, m, None]).flatten(1)
        z = torch.relu(self.out(self.dropout(product)))
        return FusionOutput(self.dropout(z), {"gates": gates})
