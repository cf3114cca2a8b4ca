"""The FT-Transformer: a transformer whose tokens are the columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfusion import spec
from medfusion.models.features import Features, Width
from medfusion.models.tabular.columns import column_mask, column_tokens
from medfusion.registry import register

GROWTH = 4 / 3
"""Width of the feed-forward layer as a multiple of the token's, as in the paper."""


@register(spec.FTTransformerEncoder)
class FTTransformerEncoder(nn.Module):
    """Column tokens behind a class token, through pre-norm transformer layers.

    Per layer, with tokens t, and no norm before the first attention (Gorishniy et al. 2021)

        t += MultiHead(LN(t)),  t += W_2 dropout(a * relu(b)) where [a; b] = W_1 LN(t)

    The summary is relu(LN(class token)), the tokens are LN of the columns' own.

    A missing column is a token too, the learned one of `ColumnTokens`, and the others attend to it:
    that something was not measured often tells something. So no softmax is ever empty. What comes
    out says in its mask which columns have a value, for fusions to attend to these alone.

    https://arxiv.org/abs/2106.11959

    Args:
        settings: Its spec.
        numeric: N, number of numeric columns.
        categories: For each of the K categorical columns the number of its codes: 0 is missing,
            1 unseen, 2 and above are the known categories.
        bins: Edges of bins per numeric column, on the scale of its values, for `embeddings: ple`;
            a column without is embedded linearly.

    Attributes:
        width: Widths of the features.
        members: 0, it is no ensemble.

    Example:
        >>> settings = spec.FTTransformerEncoder(embedding=8, heads=2)
        >>> encoder = FTTransformerEncoder(settings, numeric=2, categories=[5])
        >>> age_and_size = torch.tensor([[0.3, 0.0]])
        >>> features = encoder(age_and_size, torch.tensor([[True, False]]), torch.tensor([[3]]))
        >>> features.vector.shape, features.tokens.shape, features.mask
        (torch.Size([1, 8]), torch.Size([1, 3, 8]), tensor([[ True, False,  True]]))
    """

    members = 0

    def __init__(
        self,
        settings: spec.FTTransformerEncoder,
        *,
        numeric: int,
        categories: Sequence[int],
        bins: Sequence[Sequence[float]] = (),
    ) -> None:
        super().__init__()
        width = settings.embedding
        self.columns = column_tokens(settings, numeric=numeric, categories=categories, bins=bins)
        self.summary = nn.Parameter(torch.randn(width))
        self.layers = nn.ModuleList(
            _Layer(settings, first=index == 0) for index in range(settings.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.width = Width(vector=width, tokens=width)

    def forward(self, numeric: Tensor, numeric_present: Tensor, categorical: Tensor) -> Features:
        """Encode.

        Args:
            numeric: Standardised values, float [B, N]; those of absent cells are not read.
            numeric_present: Which cells are there, bool [B, N].
            categorical: Codes, int64 [B, K].

        Returns:
            Vector [B, c], tokens [B, N + K, c] and the mask of columns that have a value.
        """
        columns = self.columns(numeric, numeric_present, categorical)
        tokens = torch.cat([self.summary.expand(len(columns), 1, -1), columns], dim=1)
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        mask = column_mask(numeric_present, categorical)
        return Features(torch.relu(tokens[:, 0]), tokens[:, 1:], mask)


class _Layer(nn.Module):
    """Self-attention and a gated feed-forward layer, [B, T, c] to [B, T, c]."""

    def __init__(self, settings: spec.FTTransformerEncoder, *, first: bool) -> None:
        super().__init__()
        width, hidden = settings.embedding, int(settings.embedding * GROWTH)
        self.heads, self.rate = settings.heads, settings.attention_dropout
        self.norm_attention = nn.Identity() if first else nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_hidden = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, 2 * hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.shrink = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        rows, count, width = tokens.shape
        joined = self.query_key_value(self.norm_attention(tokens))
        query, key, value = joined.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        heard = functional.scaled_dot_product_attention(query, key, value, dropout_p=rate)
        tokens = tokens + self.out(heard.transpose(1, 2).reshape(rows, count, width))
        linear, gate = self.hidden(self.norm_hidden(tokens)).chunk(2, dim=2)
        changed: Tensor = tokens + self.shrink(self.dropout(linear * torch.relu(gate)))
        return changed
