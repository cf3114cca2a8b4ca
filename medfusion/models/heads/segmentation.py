"""The head that classes pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfusion import spec
from medfusion.models.backbones.pyramid import Level
from medfusion.registry import register

_GROUPS = 8
_NEAR_IDENTITY = 0.02
"""Spread of the first weights of g and b: with zeros no gradient would pass them at first."""


@register(spec.SegmentationHead)
class SegmentationHead(nn.Module):
    """A decoder as in U-Net over the maps of any image encoder, led by the fused features.

    From the coarsest map on, maps are enlarged (nearest neighbour), joined with the encoder's next
    finer one and convolved twice (Ronneberger et al., https://arxiv.org/abs/1505.04597). Where the
    encoder has no finer maps, as plain vision transformers, they are enlarged by two at a time
    without (Zheng et al., https://arxiv.org/abs/2012.15840). The coarsest map F becomes
    (1 + g(z)) * F + b(z) (FiLM, Perez et al., https://arxiv.org/abs/1709.07871), with g and b near
    zero at the start, so that what the table knows can move every pixel.

    Norms are over groups of channels, so one image is normed as many are.

    Args:
        settings: Its spec.
        width: D, width of the fused features.
        outputs: K, classes of pixels.
        levels: The maps that it is given, from fine to coarse.
        size: Height and width of the images in pixels.

    Example:
        >>> head = SegmentationHead(
        ...     spec.SegmentationHead(), width=8, outputs=2, size=(32, 32),
        ...     levels=[Level(4, 16, 16), Level(6, 4, 4)],
        ... )
        >>> maps = [torch.zeros(3, 4, 16, 16), torch.zeros(3, 6, 4, 4)]
        >>> head(torch.zeros(3, 8), maps).shape
        torch.Size([3, 2, 32, 32])
    """

    def __init__(
        self,
        settings: spec.SegmentationHead,
        *,
        width: int,
        outputs: int,
        levels: Sequence[Level],
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        steps = _steps(levels, size)
        widths = [
            min(settings.widest, settings.width * 2 ** (len(steps) - 1 - index))
            for index in range(len(steps))
        ]
        skips = {(level.height, level.width): level.channels for level in levels[:-1]}
        self.size = size
        self.steps = tuple(steps)
        self.first = nn.Conv2d(levels[-1].channels, widths[0], 1)
        self.condition = nn.Linear(width, 2 * widths[0]) if settings.modulate else None
        if self.condition is not None:
            nn.init.normal_(self.condition.weight, std=_NEAR_IDENTITY)
            nn.init.zeros_(self.condition.bias)
        self.dropout = nn.Dropout2d(settings.dropout)
        self.blocks = nn.ModuleList(
            _block(before + skips.get(step, 0), after)
            for (before, after), step in zip(pairwise(widths), steps[1:], strict=True)
        )
        self.skipped = tuple(step in skips for step in steps[1:])
        self.classify = nn.Conv2d(widths[-1], outputs, 1)

    def forward(self, z: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return the logits of every pixel, float [B, K, H, W].

        Args:
            z: Fused features, [B, D].
            maps: The encoder's, [B, C, h, w] each, from fine to coarse.
        """
        x = self.first(maps[-1])
        if self.condition is not None:
            gain, shift = self.condition(z)[:, :, None, None].chunk(2, dim=1)
            x = x * (1 + gain) + shift
        x = self.dropout(x)
        finer = list(maps[:-1])
        for block, step, skipped in zip(self.blocks, self.steps[1:], self.skipped, strict=True):
            x = functional.interpolate(x, size=step, mode="nearest")
            if skipped:
                x = torch.cat([x, finer.pop()], dim=1)
            x = block(x)
        logits: Tensor = self.classify(x)
        return logits


def _steps(levels: Sequence[Level], size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes of the decoder's maps, from coarse to the image's own.

    Between two maps of the encoder that differ by more than a factor of two lie steps of two.
    """
    known = [(level.height, level.width) for level in reversed(levels)]
    if known[-1] != size:
        known.append(size)
    steps = known[:1]
    for height, width in known[1:]:
        while 2 * steps[-1][0] < height and 2 * steps[-1][1] < width:
            steps.append((2 * steps[-1][0], 2 * steps[-1][1]))
        steps.append((height, width))
    return steps


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        groups = next(n for n in range(min(_GROUPS, after), 0, -1) if after % n == 0)
        layers += [
            nn.Conv2d(channels, after, 3, padding=1, bias=False),
            nn.GroupNorm(groups, after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
