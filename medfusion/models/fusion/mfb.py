"""Multimodal factorized bilinear pooling."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register

SMALLEST = 1e-8
"""Below this the square root is bent, as its slope at zero would be infinite."""


@register(spec.MFBFusion)
class MFBFusion(Fusion):
    """Multimodal factorized bilinear pooling (Yu et al. 2017, https://arxiv.org/abs/1708.01471).

        p = dropout(h_1 * ... * h_M),  h_m of width D k
        y_i = sum of p over its k factors,  z = s / |s|,  s_i = sign(y_i) sqrt(|y_i|)

    The linear layers have biases, so that h_m also carries what the others say alone. The rows of
    z have length 1.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> MFBFusion(spec.MFBFusion(dim=4, factors=5), widths=widths).project["table"]
        Linear(in_features=3, out_features=20, bias=True)
    """

    def __init__(self, settings: spec.MFBFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim, slot=settings.dim * settings.factors)
        self.factors = settings.factors
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present).float()
        product = slots[:, 0]
        for m in range(1, len(self.modalities)):
            product = product * slots[:, m]
        product = self.dropout(product)
        pooled = product.reshape(len(product), self.dim, self.factors).sum(dim=2)
        root = torch.sign(pooled) * torch.sqrt(pooled.abs() + SMALLEST)
        return FusionOutput(functional.normalize(root, dim=1, eps=SMALLEST), {})
