"""The head with hidden layers."""

from __future__ import annotations

from torch import Tensor, nn

from medfusion import spec
from medfusion.registry import register


@register(spec.MLPHead)
class MLPHead(nn.Module):
    """Linear, GELU and dropout for each hidden width, then one linear layer.

    Float [B, D] to [B, outputs]. GELU: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415.

    Args:
        settings: Its spec.
        width: D, width of the fused features.
        outputs: Number of outputs; what they mean is the task's matter.

    Example:
        >>> import torch
        >>> MLPHead(spec.MLPHead(hidden=(8,)), width=4, outputs=2)(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """

    def __init__(self, settings: spec.MLPHead, *, width: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for hidden in settings.hidden:
            layers += [nn.Linear(width, hidden), nn.GELU(), nn.Dropout(settings.dropout)]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs, [B, outputs]."""
        outputs: Tensor = self.layers(z)
        return outputs
