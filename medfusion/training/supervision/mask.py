"""Where the model looks is drawn to a mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.data.batch import Batch
from medfusion.data.masks import IGNORE
from medfusion.models import ModelOutput
from medfusion.registry import register
from medfusion.training.supervision.contract import SupervisionTerm, evidence_of, mean_over
from medfusion.training.tasks import Task

_SMALLEST = 1e-6


@register(spec.MaskSupervision)
class MaskTerm(SupervisionTerm):
    """The share of a map that lies inside the mask is made large, or its shape that of the mask.

    With p_i = relu(L_i) / sum relu(L) over the positions of the map L (|L_i| in both places, with
    `evidence: both`) and m_i, the share of a position that the mask fills,

        cover = sum_i q_i log(q_i / p_i),  q = m^2 / sum m^2,    inside = -log sum_i p_i m_i / max m

    and overlap = cover + inside, which asks for both. The first is the divergence by which attention
    is taught in Liu et al. 2017 (https://arxiv.org/abs/1605.09553), there with q = m / sum m: maps
    are coarse, and what is spread evenly over positions that the mask hardly touches lies outside
    it for the most part. The second is the energy inside the mask of Wang et al. 2020
    (https://arxiv.org/abs/1910.01279) as a loss. To make a model right for the right reasons, by a
    loss on its explanation, is from Ross et al. 2017 (https://arxiv.org/abs/1703.03717), who take
    the gradient of the input in place of a map.

    The map stays as coarse as the encoder makes it, and the mask is averaged to its positions.
    Pixels of which nothing is known (label 255) count neither way. Rows without a mask, with one
    that is empty, or one that leaves nothing outside on the map, do not count: there is nowhere to
    be drawn to.

    Args:
        settings: Its spec.
        task: The task.
        views: Views with masks.
        regions: Labels of the masks that are to be looked at, by view.
        name: Name of the term.
    """

    def __init__(
        self,
        settings: spec.MaskSupervision,
        *,
        task: Task,
        views: tuple[str, ...],
        regions: dict[str, tuple[int, ...]],
        name: str = "supervision/mask",
    ) -> None:
        super().__init__(settings, task=task, views=views, name=name)
        self.regions = regions

    def measure(self, model: Any, batch: Batch, output: ModelOutput) -> Tensor:
        """Return the mean loss over all images that count; see `SupervisionTerm.measure`."""
        del model
        evidence = evidence_of(output)
        losses, counts = [], []
        for name, found in self.maps(evidence, batch).items():
            strength = found.relu() if self.settings.evidence == "for" else found.abs()
            inside, known = shares(batch.masks[name], self.regions[name], strength.shape[1:])
            flat = strength.flatten(1), inside.flatten(1), known.flatten(1)
            parts = [measure(*flat) for measure in _MATCHES[self.settings.match]]
            losses.append(torch.stack([loss for loss, _ in parts]).sum(dim=0))
            there = parts[0][1]
            counts.append(there & batch.mask_present[name] & evidence.shown[name])
        return mean_over(torch.cat(losses), torch.cat(counts))


def shares(masks: Tensor, labels: tuple[int, ...], size: torch.Size) -> tuple[Tensor, Tensor]:
    """Return how much of each position of a map a mask fills, and how much of it is known.

    Args:
        masks: Labels, uint8 [B, H, W].
        labels: Those that count as inside.
        size: h and w of the map.

    Returns:
        Two shares of the position's area, float32 [B, h, w], the first at most the second.
    """
    inside = torch.isin(masks, torch.tensor(labels, dtype=masks.dtype, device=masks.device))
    both = torch.stack([inside, masks != IGNORE], dim=1).float()
    found = functional.interpolate(both, size=tuple(size), mode="area")
    return found[:, 0], found[:, 1]


def mismatch(strength: Tensor, inside: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return minus the log of the share of maps that lies inside masks, and which rows count.

    Args:
        strength: Maps without negative values, [B, T].
        inside: Share of each position that the mask fills, [B, T].
        known: Share of each position of which anything is known, [B, T].

    Example:
        >>> half = mismatch(torch.tensor([[3.0, 3.0]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2))
        >>> round(float(half[0]), 3), bool(half[1])
        (0.693, True)
    """
    share, there = _distribution(strength, inside, known)
    full = inside / known.clamp(min=_SMALLEST)
    most = full.amax(dim=1, keepdim=True).clamp(min=_SMALLEST)
    energy = (share * full / most).sum(dim=1)
    return -torch.log((energy + _SMALLEST) / (1 + _SMALLEST)), there


def divergence(strength: Tensor, inside: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the divergence of maps from masks, and which rows count; as `mismatch`.

    Example:
        >>> same = divergence(torch.tensor([[4.0, 1.0]]), torch.tensor([[0.8, 0.4]]), torch.ones(1, 2))
        >>> round(abs(float(same[0])), 5), bool(same[1])
        (0.0, True)
    """
    share, there = _distribution(strength, inside, known)
    squared = inside.square()
    wanted = squared / squared.sum(dim=1, keepdim=True).clamp(min=_SMALLEST)
    apart = torch.log(wanted + _SMALLEST) - torch.log(share + _SMALLEST)
    return (wanted * apart).sum(dim=1), there


def _distribution(strength: Tensor, inside: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    # A map is divided by its largest value first: gradients of a saturated model are tiny numbers.
    strength = strength * known
    most = strength.amax(dim=1, keepdim=True)
    there = (most[:, 0] > 0) & (inside.sum(dim=1) > 0) & ((known - inside).sum(dim=1) > 0)
    scaled = strength / torch.where(most > 0, most, 1.0).detach()
    total = scaled.sum(dim=1, keepdim=True)
    return scaled / torch.where(total > 0, total, 1.0), there


_MATCHES = {
    "overlap": (divergence, mismatch),
    "cover": (divergence,),
    "inside": (mismatch,),
}
"""What each setting of `match` adds up."""
