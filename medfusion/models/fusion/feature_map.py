"""What the fusions have in common in which a table acts on the image's feature map."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medfusion.models.features import Features, FusionOutput, Width
from medfusion.models.fusion.attention_layer import masked_mean
from medfusion.models.fusion.contract import Fusion

MAP = "image"
"""The modality whose tokens are the map, where there is one of this name."""


class MapFusion(Fusion):
    """Base of fusions in which the other modalities act on the positions of a map.

    The map is the modality "image" or, without one, the first; its tokens are the positions, those
    of all views one after the other. They pass a linear layer (a 1 x 1 convolution), and the pooled
    vector leads them as one position more, so that what the encoder and the views' aggregator make
    of the map counts too. With c = [h_m; ...], the slots of all other modalities,

        F = [h_map; U F_1 + b; ...; U F_T + b],  F' = relu(modulate(F, c)),
        s = F'_0 + mean_t F'_t,  z = relu(W [s; c] + b)

    Only positions that are there enter the mean. c is beside s in the last layer, so that what the
    table says alone need not pass through the map.

    An absent map is its learned token, F = [e_map]; an absent condition is its own. With a single
    modality there is no condition and nothing is modulated: F' = relu(F), for a table over its
    columns.

    Args:
        widths: Width of each modality's features.
        dim: D, width of positions and of the fused features.
        dropout: Of the fused features.
    """

    def __init__(self, widths: Mapping[str, Width], dim: int, dropout: float) -> None:
        super().__init__(widths, dim)
        self.map = MAP if MAP in widths else self.modalities[0]
        self.conditions = tuple(name for name in self.modalities if name != self.map)
        self.project_tokens = nn.Linear(widths[self.map].tokens, dim)
        self.out = nn.Linear((1 + len(self.conditions)) * dim, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def condition_width(self) -> int:
        """C, width of all conditions side by side."""
        return len(self.conditions) * self.dim

    @abstractmethod
    def modulate(
        self, positions: Tensor, mask: Tensor, condition: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Let the conditions act on the map.

        Args:
            positions: F, float [B, 1 + T, D].
            mask: Which positions are there, bool [B, 1 + T]; the first always is.
            condition: c, float [B, C].

        Returns:
            The modulated positions [B, 1 + T, D] and what panels plot.
        """

    def fuse(self, feats: Mapping[str, Features], present: Tensor) -> FusionOutput:
        """Fuse; see `Fusion.forward`."""
        slots = self.slots(feats, present)
        place = self.modalities.index(self.map)
        of_map = feats[self.map]
        positions = torch.cat([slots[:, place, None], self.project_tokens(of_map.tokens)], dim=1)
        mask = torch.cat([present.new_ones(len(present), 1), of_map.mask], dim=1)
        others = [m for m in range(len(self.modalities)) if m != place]
        condition = slots[:, others].flatten(1)
        aux: dict[str, Tensor] = {}
        if self.conditions:
            positions, aux = self.modulate(positions, mask, condition)
        summary = pool(torch.relu(positions), mask)
        z = torch.relu(self.out(torch.cat([summary, condition], dim=1)))
        return FusionOutput(self.dropout(z), aux)


def pool(positions: Tensor, mask: Tensor) -> Tensor:
    """Return the leading position plus the mean of the others that are there, [B, D]."""
    return positions[:, 0] + masked_mean(positions[:, 1:], mask[:, 1:])
