"""The convolutional block attention module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.attention.contract import OPENNESS, Attended, AttentionBlock
from medfusion.registry import register


@register(spec.CBAM)
class CBAM(AttentionBlock):
    """Convolutional block attention module (Woo et al. 2018, https://arxiv.org/abs/1807.06521).

    First a gate per channel, then one per place:

        x' = c x,   c = sigmoid(MLP(mean_hw(x)) + MLP(max_hw(x))),  MLP(v) = W_1 relu(W_0 v + b_0) + b_1
        y  = p x',  p = sigmoid(f([mean_c(x'); max_c(x')]) + b)

    W_0 has C / reduction rows; f is one convolution with a kernel of 7 x 7. The biases start so
    that the gates of a block in a pretrained net start near 0.95 in place of 0.5. There is no
    batch norm behind f, as in the paper's formula.

    Args:
        settings: Its spec.
        channels: C, channels of the map.

    Example:
        >>> block = CBAM(spec.CBAM(), channels=32)
        >>> attended = block(torch.ones(2, 32, 7, 7))
        >>> {name: tuple(gates.shape) for name, gates in attended.gates.items()}
        {'channel': (2, 32), 'spatial': (2, 7, 7)}
    """

    def __init__(self, settings: spec.CBAM, *, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // settings.reduction)
        last = nn.Linear(hidden, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), last)
        self.place = nn.Conv2d(2, 1, settings.kernel, padding=settings.kernel // 2)
        nn.init.constant_(last.bias, OPENNESS / 2)  # it is added twice
        if self.place.bias is not None:
            nn.init.constant_(self.place.bias, OPENNESS)

    def forward(self, x: Tensor) -> Attended:
        """Weigh a map; see `AttentionBlock.forward`."""
        channel = torch.sigmoid(self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3))))
        x = x * channel[:, :, None, None].to(x.dtype)
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        spatial = torch.sigmoid(self.place(pooled))
        return Attended(x * spatial.to(x.dtype), {"channel": channel, "spatial": spatial[:, 0]})
