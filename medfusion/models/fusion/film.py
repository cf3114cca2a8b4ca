"""Feature-wise linear modulation."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Width
from medfusion.models.fusion.feature_map import MapFusion
from medfusion.registry import register


@register(spec.FiLMFusion)
class FiLMFusion(MapFusion):
    """FiLM (Perez et al. 2018, https://arxiv.org/abs/1709.07871): the table modulates the map.

    Every channel of the map is scaled and shifted, all positions alike, by what the table says:

        F' = relu(gamma(c) * F + beta(c)),  [gamma(c) - 1; beta(c)] = W c + b

    W and b start at zero, so gamma starts at 1, beta at 0, and training starts from the map as it
    is. F are the map's positions led by its pooled vector, c the slots of the other modalities, and
    at last s = F'_0 + mean_t F'_t, z = relu(W_z [s; c] + b_z), as in all of `MapFusion`.

    `aux["gamma"]` and `aux["beta"]` hold both, [B, D]; there is neither without a condition.

    Args:
        settings: Its spec.
        widths: Width of each modality's features.

    Example:
        >>> widths = {"image": Width(vector=8, tokens=8), "table": Width(vector=3, tokens=2)}
        >>> FiLMFusion(spec.FiLMFusion(dim=4), widths=widths).modulation.out_features
        8
    """

    def __init__(self, settings: spec.FiLMFusion, *, widths: Mapping[str, Width]) -> None:
        super().__init__(widths, settings.dim, settings.dropout)
        if self.conditions:
            self.modulation = nn.Linear(self.condition_width, 2 * self.dim)
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def modulate(
        self, positions: Tensor, mask: Tensor, condition: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scale and shift; see `MapFusion.modulate`."""
        del mask
        change, beta = self.modulation(condition).chunk(2, dim=1)
        gamma = 1 + change
        return gamma[:, None] * positions + beta[:, None], {"gamma": gamma, "beta": beta}
