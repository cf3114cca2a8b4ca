"""Columns of a table as tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.tabular.piecewise import PiecewiseLinear, has_bins


class ColumnTokens(nn.Module):
    """One token per column, numeric columns first, with learned answers to "missing".

    A numeric column with (standardised) value x becomes w x + b, with bins w x + b + p(x) where p
    is a `PiecewiseLinear` embedding that starts at zero; a category becomes its row of a learned
    table. A missing number is the token of x = 0, the column's mean, and a learned offset; a
    missing or an unseen category is the mean of the column's known categories and a learned
    offset. All offsets start at zero: what never was missing or unseen in training is answered by
    the average, not by an untrained vector.

    Offsets and biases are kept flat, so that weight decay on matrices spares them.

    Args:
        numeric: N, number of numeric columns.
        categories: For each of the K categorical columns the number of its codes: 0 is missing,
            1 unseen, 2 and above are the known categories.
        width: c, width of a token.
        bins: Edges of bins per numeric column, on the scale of its values; all linear without.

    Raises:
        ValueError: There are bins, but not for every numeric column.
    """

    average: Tensor
    starts: Tensor

    def __init__(
        self,
        *,
        numeric: int,
        categories: Sequence[int],
        width: int,
        bins: Sequence[Sequence[float]] = (),
    ) -> None:
        super().__init__()
        if bins and len(bins) != numeric:
            msg = f"there are bins for {len(bins)} of {numeric} numeric columns; give an empty list for a column without"
            raise ValueError(msg)
        self.numeric, self.width = numeric, width
        self.weight = nn.Parameter(torch.randn(numeric, width))
        self.bias = nn.Parameter(torch.randn(numeric * width))
        self.missing = nn.Parameter(torch.zeros(numeric * width))
        counts = [max(0, count - 2) for count in categories]
        known = torch.tensor(counts, dtype=torch.int64)
        # None, so that columns without bins have the state of a purely linear embedding.
        self.piecewise = PiecewiseLinear(bins, width=width) if has_bins(bins) else None
        self.known = nn.Parameter(torch.randn(sum(counts), width))
        self.special = nn.Parameter(torch.zeros(len(known) * 2 * width))
        # Row k takes the mean over the known categories of column k.
        owner = torch.repeat_interleave(torch.arange(len(known)), known, output_size=sum(counts))
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
        value = torch.where(numeric_present, numeric, 0.0)
        bias, offset = (p.view(-1, self.width) for p in (self.bias, self.missing))
        numbers = value[..., None] * self.weight + bias + (~numeric_present)[..., None] * offset
        if self.piecewise is not None:
            numbers = numbers + self.piecewise(value)
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


def column_tokens(
    settings: spec.MLPEncoder | spec.FTTransformerEncoder | spec.TabMEncoder,
    *,
    numeric: int,
    categories: Sequence[int],
    bins: Sequence[Sequence[float]] = (),
) -> ColumnTokens:
    """Return the column tokens that a table encoder's spec asks for; arguments as its own."""
    return ColumnTokens(
        numeric=numeric,
        categories=categories,
        width=settings.embedding,
        bins=bins if settings.embeddings == "ple" else (),
    )


def column_mask(numeric_present: Tensor, categorical: Tensor) -> Tensor:
    """Return which columns have a value, bool [B, N + K].

    Args:
        numeric_present: Which numbers are there, bool [B, N].
        categorical: Codes, int64 [B, K]; 0 is missing.
    """
    return torch.cat([numeric_present, categorical != 0], dim=1)
