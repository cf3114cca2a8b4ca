"""Late fusion: the weighted mean of what each modality predicts alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.contract import Fusion
from medfusion.registry import register


@register(spec.LateFusion)
class LateFusion(Fusion):
    """The weighted mean of each modality's own outputs; no modality hears of another.

        z = sum_m a_m h_m,  a = softmax(w) over the modalities that are present

    Rows of a sum to one, so with a linear head f the outputs are f(z) = sum_m a_m f(h_m): exactly
    the weighted mean of the outputs f(h_m) = f(W_m x_m + b_m) of each modality alone. The weights
    w start at zero, all modalities alike, and are learned unless they are to stay equal. A row
    without any modality is the mean of what the learned tokens say.

    The rival of all other fusions: Baltrusaitis et al. 2019, https://arxiv.org/abs/1705.09406.

    `aux["weights"]` holds a, [B, M]: zero for absent modalities.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> LateFusion(spec.LateFusion(), widths=widths).weights
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    weights: Tensor

    def __init__(self, settings: spec.LateFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim)
        start = torch.zeros(len(widths))
        if settings.weights == "learned":
            self.weights = nn.Parameter(start)
        else:
            self.register_buffer("weights", start, persistent=False)
        self.dropout = nn.Dropout(settings.dropout)

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        open_to = present | ~present.any(dim=1, keepdim=True)
        weights = torch.where(open_to, self.weights, -torch.inf).softmax(dim=1)
        return FusionOutput(
            self.dropout((weights[..., None] * slots).sum(dim=1)), {"weights": weights}
        )
