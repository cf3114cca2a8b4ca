"""Low-rank multimodal fusion."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.BilinearFusion)
class BilinearFusion(Fusion):
    """Low-rank multimodal fusion (Liu et al. 2018, https://arxiv.org/abs/1806.00064).

    The weight of the outer product of all [h_m; 1] is a sum of R rank-one tensors, so that

        z = sum_r prod_m (F_m^r [h_m; 1]) + b

    costs O(R D sum_m d) where the full product costs O(D prod_m d); with R = D + 1 it can be any
    bilinear form of two modalities. The ones keep what each modality says alone.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.
    """

    def __init__(self, settings: spec.BilinearFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim)
        dim, rank, count = settings.dim, settings.rank, len(widths)
        self.factors = nn.ParameterList(
            nn.Parameter(torch.empty(rank, dim + 1, dim)) for _ in widths
        )
        self.bias = nn.Parameter(torch.zeros(dim))
        self.dropout = nn.Dropout(settings.dropout)
        for factor in self.factors:
            # Each factor has variance R^(-1/M) for inputs of variance 1, so that the sum over the
            # ranks of their products has variance 1.
            nn.init.normal_(factor, std=rank ** (-0.5 / count) / math.sqrt(dim + 1))

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        extended = torch.cat([slots, slots.new_ones(*slots.shape[:2], 1)], dim=2)
        product = torch.ones((), dtype=slots.dtype, device=slots.device)
        for m, factor in enumerate(self.factors):
            product = product * torch.einsum("bi,rid->brd", extended[:, m], factor)
        return FusionOutput(self.dropout(product.sum(dim=1) + self.bias), {})
