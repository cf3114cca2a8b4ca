"""Squeeze and excitation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.attention.contract import OPENNESS, Attended, AttentionBlock
from medfusion.registry import register


@register(spec.SqueezeExcite)
class SqueezeExcite(AttentionBlock):
    """Squeeze and excitation (Hu et al. 2018, https://arxiv.org/abs/1709.01507).

    Every channel has a gate that the means of all channels decide on:

        y_c = s_c x_c,  s = sigmoid(W_2 relu(W_1 mean_hw(x) + b_1) + b_2)

    W_1 has C / reduction rows. b_2 starts at 3, so that a block in a pretrained net starts with
    gates near 0.95 in place of 0.5.

    Args:
        settings: Its spec.
        channels: C, channels of the map.

    Example:
        >>> block = SqueezeExcite(spec.SqueezeExcite(), channels=32)
        >>> attended = block(torch.ones(2, 32, 7, 7))
        >>> attended.map.shape, attended.gates["channel"].shape
        (torch.Size([2, 32, 7, 7]), torch.Size([2, 32]))
    """

    def __init__(self, settings: spec.SqueezeExcite, *, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // settings.reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        nn.init.constant_(self.excite.bias, OPENNESS)

    def forward(self, x: Tensor) -> Attended:
        """Weigh a map; see `AttentionBlock.forward`."""
        gates = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return Attended(x * gates[:, :, None, None].to(x.dtype), {"channel": gates})
