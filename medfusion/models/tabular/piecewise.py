"""Piecewise-linear embeddings of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class PiecewiseLinear(nn.Module):
    """A vector per column that is linear in the value inside each bin and continuous between.

    With edges b_0 < ... < b_T, value x becomes e in R^T (Gorishniy et al. 2022, equation 1)

        e_t = (x - b_{t-1}) / (b_t - b_{t-1}), not below 0 but for t = 1, not above 1 but for t = T

    so that the outer bins go on beyond the edges, and then V^T e with a learned V [T, c]. V starts
    at zero: at first a column is embedded by what this is added to.

    The edges are in the state dict: weights and the bins that they belong to cannot be parted.
    https://arxiv.org/abs/2203.05556

    Args:
        bins: Edges per column, ascending, in the unit of the values. A column with one bin or none
            is left at zero, since one bin is what a linear embedding has already.
        width: c, width of the embedding.

    Example:
        >>> made = PiecewiseLinear([[0.0, 1.0, 3.0], []], width=4)
        >>> made.encode(torch.tensor([[2.0, 7.0], [-1.0, 7.0]]))[:, 0]
        tensor([[ 1.0000,  0.5000],
                [-1.0000,  0.0000]])
        >>> made(torch.tensor([[2.0, 7.0]])).shape
        torch.Size([1, 2, 4])
    """

    edges: Tensor

    def __init__(self, bins: Sequence[Sequence[float]], *, width: int) -> None:
        super().__init__()
        used = [list(edges) if len(edges) > 2 else [] for edges in bins]
        most = max([len(edges) for edges in used], default=0)
        # Short columns are filled up with their last edge: bins without width count for nothing.
        filled = [edges + (edges[-1:] or [0.0]) * (most - len(edges)) for edges in used]
        self.register_buffer("edges", torch.tensor(filled, dtype=torch.float32).view(-1, most))
        self.weight = nn.Parameter(torch.zeros(len(used), max(0, most - 1), width))

    def encode(self, values: Tensor) -> Tensor:
        """Return e of each column, float [B, N, T]; 0 in the places beyond a column's bins.

        Args:
            values: float [B, N], finite.
        """
        widths = self.edges.diff(dim=1)
        real = widths > 0
        last = real & ~functional.pad(real[:, 1:], (0, 1))
        lowest = torch.zeros_like(widths)
        lowest[:, :1] = -torch.inf
        highest = torch.where(last, torch.inf, 1.0)
        ratio = (values[..., None] - self.edges[:, :-1]) / torch.where(real, widths, 1.0)
        return torch.where(real, ratio.maximum(lowest).minimum(highest), 0.0)

    def forward(self, values: Tensor) -> Tensor:
        """Return the embeddings, float [B, N, c]; arguments as those of `encode`."""
        return torch.einsum("bnt,ntc->bnc", self.encode(values), self.weight)


def has_bins(bins: Sequence[Sequence[float]]) -> bool:
    """Whether any column has more than one bin."""
    return any(len(edges) > 2 for edges in bins)
