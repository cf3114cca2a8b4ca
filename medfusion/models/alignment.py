"""Contrastive alignment of the modalities' features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfusion import spec
from medfusion.models.features import Features, Width
from medfusion.registry import register

FEWEST = 2
"""Rows that it takes to tell a pair from another."""


@register(spec.ContrastiveAlignment)
class ContrastiveAlignment(nn.Module):
    """Symmetric InfoNCE between image and table (Hager et al. 2023, https://arxiv.org/abs/2303.14080).

    Both vectors are projected to the unit sphere, p_m = normalise(A_m relu(B_m x_m)); with n rows
    that have both, each row has to find its own partner among all:

        S_ij = p_i^image . p_j^table / temperature
        loss = weight * (cross_entropy(S, 1..n) + cross_entropy(S^T, 1..n)) / 2

    Rows that lack one of the two do not count; with fewer than two rows left the loss is zero.

    Args:
        settings: Its spec.
        widths: Width of the features of two modalities.

    Raises:
        ValueError: There are not two modalities.

    Example:
        >>> widths = {"image": Width(8, 8), "table": Width(3, 2)}
        >>> align = ContrastiveAlignment(spec.ContrastiveAlignment(), widths=widths)
        >>> vectors = {"image": torch.ones(4, 8), "table": torch.ones(4, 3)}
        >>> feats = {n: Features(v, v[:, None], torch.ones(4, 1).bool()) for n, v in vectors.items()}
        >>> round(float(align(feats, torch.ones(4, 2).bool()).detach()), 4)  # 0.1 * log(4)
        0.1386
    """

    def __init__(self, settings: spec.ContrastiveAlignment, *, widths: Mapping[str, Width]) -> None:
        super().__init__()
        if len(widths) != FEWEST:
            msg = f"alignment is between two modalities, got {sorted(widths)}"
            raise ValueError(msg)
        self.weight, self.temperature = settings.weight, settings.temperature
        self.modalities = tuple(widths)
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(width.vector, settings.dim),
                    nn.ReLU(),
                    nn.Linear(settings.dim, settings.dim),
                )
                for name, width in widths.items()
            }
        )

    def forward(self, feats: Mapping[str, Features], present: Tensor) -> Tensor:
        """Return the weighted loss, a scalar.

        Args:
            feats: Features of both modalities; only the vectors of rows with both are read.
            present: Which modality a row has, bool [B, 2] in the order of `modalities`.
        """
        both = present.all(dim=1)
        first, second = (
            functional.normalize(self.project[name](feats[name].vector[both]).float(), dim=1)
            for name in self.modalities
        )
        if len(first) < FEWEST:
            return first.new_zeros(())
        scores = first @ second.T / self.temperature
        own = torch.arange(len(first), device=scores.device)
        losses = functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)
        return self.weight * losses / 2
