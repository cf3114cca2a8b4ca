"""The dynamic affine feature map transform."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Width
from medfusion.models.fusion.feature_map import MapFusion, pool
from medfusion.registry import register


@register(spec.DAFTFusion)
class DAFTFusion(MapFusion):
    """DAFT (Pölsterl et al. 2021, https://arxiv.org/abs/2107.05990): map and table modulate the map.

    Unlike FiLM, what the map shows has a say in its own scale and shift:

        F' = relu((1 + a) * F + b),  [a; b] = W_2 relu(W_1 [GAP(F); c])

    The layers have no biases, and the hidden one is 7 times narrower than its input, as in the
    paper. F are the map's positions led by its pooled vector, c the slots of the other modalities,
    GAP(F) = F_0 + mean_t F_t, and at last s = GAP(F'), z = relu(W_z [s; c] + b_z), as in all of
    `MapFusion`.

    Two things differ from the paper. It transforms the map inside the last residual block, between
    its convolutions; here the last map of any encoder is transformed, after a 1 x 1 convolution, so
    that transformers and frozen encoders are served alike. And its scale has no "1 +", which only
    makes training start near the map as it is.

    `aux["gamma"]` holds 1 + a and `aux["beta"]` b, [B, D]; there is neither without a condition.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> DAFTFusion(spec.DAFTFusion(dim=14), widths=widths).squeeze
        Linear(in_features=28, out_features=4, bias=False)
    """

    def __init__(self, settings: spec.DAFTFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim, settings.dropout)
        if self.conditions:
            inputs = self.dim + self.condition_width
            hidden = max(1, inputs // settings.reduction)
            self.squeeze = nn.Linear(inputs, hidden, bias=False)
            self.expand = nn.Linear(hidden, 2 * self.dim, bias=False)

    def modulate(
        self, positions: Tensor, mask: Tensor, condition: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scale and shift; see `MapFusion.modulate`."""
        known = torch.cat([pool(positions, mask), condition], dim=1)
        change, beta = self.expand(torch.relu(self.squeeze(known))).chunk(2, dim=1)
        gamma = 1 + change
        return gamma[:, None] * positions + beta[:, None], {"gamma": gamma, "beta": beta}
