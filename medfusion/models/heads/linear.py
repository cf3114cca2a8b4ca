"""The linear head."""

from __future__ import annotations

from torch import Tensor, nn

from medfusion import spec
from medfusion.registry import register


@register(spec.LinearHead)
class LinearHead(nn.Module):
    """Dropout and one linear layer, float [B, D] to [B, outputs].

    Args:
        settings: Its spec.
        width: D, width of the fused features.
        outputs: Number of outputs; what they mean is the task's matter.
    """

    def __init__(self, settings: spec.LinearHead, *, width: int, outputs: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(width, outputs)

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs, [B, outputs]."""
        outputs: Tensor = self.linear(self.dropout(z))
        return outputs
