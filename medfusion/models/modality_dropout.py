"""Modality dropout: hiding modalities in training so that a model learns to do without."""

from __future__ import annotations

import torch
from torch import Tensor


def hide_modalities(present: Tensor, rate: float) -> Tensor:
    """Return `present` with modalities hidden at random, never all that a row has.

    Each present modality is hidden with chance `rate`; a row that would lose all of them keeps
    one, drawn evenly. Draws come from torch's global generator, so a restored state replays them.
    Neverova et al. 2016 (https://arxiv.org/abs/1501.00102).

    Args:
        present: Which modality a row has, bool [B, M].
        rate: Chance to be hidden, in [0, 1).

    Example:
        >>> hide_modalities(torch.tensor([[True, False]]), 0.9)
        tensor([[ True, False]])
    """
    if rate == 0 or present.shape[1] < 2:
        return present
    draw = torch.rand(present.shape, device=present.device)
    # The present modality with the highest draw stays: that only matters where all fell.
    best = draw.masked_fill(~present, -1.0).argmax(dim=1, keepdim=True)
    kept = (draw >= rate).scatter(1, best, value=True)
    return present & kept
