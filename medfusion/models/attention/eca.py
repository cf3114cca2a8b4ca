"""Efficient channel attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.attention.contract import Attended, AttentionBlock
from medfusion.registry import register


@register(spec.ECA)
class ECA(AttentionBlock):
    """Efficient channel attention (Wang et al. 2020, https://arxiv.org/abs/1910.03151).

    Every channel has a gate that the means of it and its k - 1 neighbours decide on, by one
    kernel for all channels:

        y_c = s_c x_c,  s = sigmoid(w * mean_hw(x)),  k = |log2(C) / 2 + 1 / 2|_odd

    The paper's convolution has no bias, so gates start around 0.5: behind a pretrained stage the
    layers that follow must adapt to smaller values. Do not freeze them, or choose another block.

    Args:
        settings: Its spec.
        channels: C, channels of the map.

    Example:
        >>> block = ECA(spec.ECA(), channels=256)
        >>> block.weigh.kernel_size
        (5,)
        >>> block(torch.ones(2, 256, 7, 7)).gates["channel"].shape
        torch.Size([2, 256])
    """

    def __init__(self, settings: spec.ECA, *, channels: int) -> None:
        super().__init__()
        kernel = settings.kernel or kernel_for(channels)
        self.weigh = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Attended:
        """Weigh a map; see `AttentionBlock.forward`."""
        gates = torch.sigmoid(self.weigh(x.mean(dim=(2, 3))[:, None]))[:, 0]
        return Attended(x * gates[:, :, None, None].to(x.dtype), {"channel": gates})


def kernel_for(channels: int) -> int:
    """Return the odd number nearest to log2(C) / 2 + 1 / 2, the larger one of two.

    >>> [kernel_for(channels) for channels in (16, 64, 256, 512, 2048)]
    [3, 3, 5, 5, 7]
    """
    return 2 * math.floor((math.log2(channels) + 1) / 4) + 1
