"""Columns of a table as tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ColumnTokens(nn.Module):
    """One token per column, numeric columns first, with learned answers to "missing".

    A numeric column with (standardised) value x becomes w x + b, a category its row of a learned
    table. A missing number is b + d, that is the column's mean and a learned offset d; a missing
    or an unseen category is the mean of the column's known categories and a learned offset. All
    offsets start at zero: what never was missing or unseen in training is answered by the average,
    not by an untrained vector.

    Offsets and biases are kept flat, so that weight decay on matrices spares them.

    Args:
        numeric: N, number of numeric columns.
        categories: For each of the K categorical columns the number of its codes: 0 is missing,
            1 unseen, 2 and above are the known categories.
        width: c, width of a token.
    """

    average: Tensor
    starts: Tensor

    def __init__(self, *, numeric: int, categories: Sequence[int], width: int) -> None:
        super().__init__()
        self.numeric, self.width = numeric, width
        self.weight = nn.Parameter(torch.randn(numeric, width))
        self.bias = nn.Parameter(torch.randn(numeric * width))
        self.missing = nn.Parameter(torch.zeros(numeric * width))
        known = torch.tensor([max(0, count - 2) for count in categories], dtype=torch.int64)
        self.known = nn.Parameter(torch.randn(int(known.sum()), width))
        self.special = nn.Parameter(torch.zeros(len(known) * 2 * width))
        # Row k takes the mean over the known categories of column k.
        owner = torch.repeat_interleave(torch.arange(len(known)), known)
        average = (owner == torch.arange(len(known))[:, None]) / known.clamp(min=1)[:, None]
        self.register_buffer("average", average, persistent=False)
        self.register_buffer("starts", known.cumsum(0) - known, persistent=False)

    def forward(self, numeric: Tensor, numeric_present: Tensor, categorical: Tensor) -> Tensor:
        """Return the tokens, float [B, N + K, c].

        Args:
            numeric: Standardised values, float [B, N]; those of absent cells are not read.
            numeric_present: Which cells are there, bool [B, N].
            categorical: Codes, int64 [B, K].
        """
        value = torch.where(numeric_present, numeric, 0.0)[..., None]
        bias, offset = (p.view(-1, self.width) for p in (self.bias, self.missing))
        numbers = value * self.weight + bias + (~numeric_present)[..., None] * offset
        return torch.cat([numbers, self._categories(categorical)], dim=1)

    def _categories(self, codes: Tensor) -> Tensor:
        columns = torch.arange(codes.shape[1], device=codes.device)
        special = (self.average @ self.known)[:, None] + self.special.view(-1, 2, self.width)
        unknown = special[columns, codes.clamp(max=1)]
        if self.known.shape[0] == 0:
            return unknown
        is_known = codes >= 2
        rows = torch.where(is_known, self.starts + codes - 2, 0)
        return torch.where(is_known[..., None], self.known[rows], unknown)
