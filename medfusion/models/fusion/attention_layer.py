"""One layer of attention, as cross-attention and Perceiver stack them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

GROWTH = 2
"""Width of the feed-forward part as a multiple of `dim`."""


class AttentionLayer(nn.Module):
    """One pre-norm layer: multi-head attention to given keys, then a feed-forward part.

        s += MultiHead(query = LN(s), key = value = LN(others)),  s += FFN(LN(s))

    Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762); norms come first as in Xiong et al. 2020
    (https://arxiv.org/abs/2002.04745).

    Args:
        dim: D, width of states and keys.
        heads: Attention heads; they divide D.
        dropout: Of attention weights, of what is added, and inside the feed-forward part.
        norm_keys: Whether keys are normed too, as above; their norm tells how strong a feature is.

    Example:
        >>> layer = AttentionLayer(8, heads=2, dropout=0.0)
        >>> keys = torch.zeros(1, 5, 8)
        >>> states, weights = layer(torch.zeros(1, 3, 8), keys, torch.ones(1, 5).bool(), True)
        >>> states.shape, weights.shape
        (torch.Size([1, 3, 8]), torch.Size([1, 2, 3, 5]))
    """

    def __init__(self, dim: int, heads: int, dropout: float, *, norm_keys: bool = True) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.norm_query = nn.LayerNorm(dim)
        self.norm_key = nn.LayerNorm(dim) if norm_keys else nn.Identity()
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, GROWTH * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(GROWTH * dim, dim),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, states: Tensor, others: Tensor, mask: Tensor, want_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the new states and, if wanted, the attention weights.

        Args:
            states: The queries, float [B, Q, D].
            others: The keys, float [B, K, D].
            mask: Which keys are there, bool [B, K]; a row without any adds nothing.
            want_weights: Whether to return the weights, which takes more memory.

        Returns:
            States [B, Q, D] and weights [B, heads, Q, K] or None.
        """
        query = self._split(self.query(self.norm_query(states)))
        key, value = self.key_value(self.norm_key(others)).chunk(2, dim=2)
        key, value = self._split(key), self._split(value)
        some = mask.any(dim=1)[:, None, None, None]
        # A row of a softmax with nothing in it would be NaN: open it, and drop what comes out.
        open_to = mask[:, None, None, :] | ~some
        if others.shape[1] == 0:
            heard, weights = torch.zeros_like(query), query.new_zeros(*query.shape[:3], 0)
        elif want_weights:
            scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
            weights = scores.masked_fill(~open_to, -torch.inf).softmax(dim=3)
            heard = functional.dropout(weights, self.rate, self.training) @ value
            weights = torch.where(some, weights, 0.0)
        else:
            rate = self.rate if self.training else 0.0
            heard = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=open_to, dropout_p=rate
            )
        heard = torch.where(some, heard, 0.0).transpose(1, 2).flatten(2)
        added = torch.where(some[:, 0], self.out(heard), 0.0)
        states = states + self.dropout(added)
        states = states + self.dropout(self.feed_forward(states))
        return states, weights if want_weights else None

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the tokens that are there, zero where there is none.

    Args:
        tokens: Float [B, T, D].
        mask: Which tokens are there, bool [B, T].
    """
    total = torch.where(mask[..., None], tokens, 0.0).sum(dim=1)
    return total / mask.sum(dim=1, keepdim=True).clamp(min=1)
