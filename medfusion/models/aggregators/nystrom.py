"""Self-attention whose cost grows with the number of tokens, not with its square.

Nystrom attention (Xiong et al. 2021, https://arxiv.org/abs/2102.03902).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 6
"""Steps of the iteration for the pseudo-inverse, as in the paper."""


class NystromAttention(nn.Module):
    """Multi-head self-attention, exact for few tokens and approximated for many.

    With queries Q, keys K and values V of n tokens, and the means Q', K' of m segments of them
    (landmarks), the approximation is

        softmax(Q K'^T / s) pinv(softmax(Q' K'^T / s)) (softmax(Q' K^T / s) V),   s = sqrt(d)

    where the pseudo-inverse is iterated as in the paper (equation 11). A depth-wise convolution of
    V over neighbouring tokens is added, as in the paper's section on implementation. Where n is not
    divisible by m, segments differ in length by the last one; nothing is padded.

    Args:
        dim: Width of a token; a multiple of `heads`.
        heads: Attention heads.
        landmarks: m; with m of at least n the approximation is exact.
        exact_up_to: With at most so many tokens attention is exact.
        kernel: Tokens that the convolution spans, odd.

    Example:
        >>> attend = NystromAttention(8, heads=2, landmarks=4, exact_up_to=16)
        >>> attend(torch.zeros(1, 100, 8)).shape
        torch.Size([1, 100, 8])
    """

    def __init__(
        self, dim: int, *, heads: int, landmarks: int, exact_up_to: int, kernel: int = 33
    ) -> None:
        super().__init__()
        self.heads, self.landmarks, self.exact_up_to = heads, landmarks, exact_up_to
        self.project = nn.Linear(dim, 3 * dim, bias=False)
        self.near = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )
        self.out = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what each token gathers, [B, n, dim], from tokens [B, n, dim]."""
        query, key, value = self._parts(tokens)
        if tokens.shape[1] <= self.exact_up_to:
            gathered = functional.scaled_dot_product_attention(query, key, value)
        else:
            gathered = self._approximated(query, key, value)
        gathered = gathered + self.near(value)
        mixed: Tensor = self.out(gathered.transpose(1, 2).flatten(2))
        return mixed

    def weights_of(self, tokens: Tensor, place: int) -> Tensor:
        """Return the exact attention of one token over all, the mean of heads: float32 [B, n]."""
        query, key, _ = self._parts(tokens)
        scores = (query[:, :, place, None, :] @ key.transpose(-1, -2))[:, :, 0]
        return torch.softmax(scores.float() / math.sqrt(query.shape[-1]), dim=-1).mean(dim=1)

    def _parts(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, [B, heads, n, d] each."""
        batch, count, _ = tokens.shape
        parts = self.project(tokens).view(batch, count, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def _approximated(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query = query / math.sqrt(query.shape[-1])
        few, fewer = _segment_means(query, self.landmarks), _segment_means(key, self.landmarks)
        first = _softmax(query @ fewer.transpose(-1, -2))
        middle = _softmax(few @ fewer.transpose(-1, -2))
        last = _softmax(few @ key.transpose(-1, -2))
        # The iteration squares its errors: half precision does not carry it.
        with torch.autocast(query.device.type, enabled=False):
            inverse = pseudo_inverse(middle)
            gathered = (first @ inverse) @ (last @ value.float())
        return gathered.to(value.dtype)


def pseudo_inverse(matrix: Tensor, steps: int = STEPS) -> Tensor:
    """Return the Moore-Penrose inverse of [..., m, m], iterated without a decomposition.

    Z <- Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4 from Z = A^T / (|A|_1 |A|_inf) (Razavi et al.
    2014, https://doi.org/10.1155/2014/563787). Each matrix is scaled by its own norms, so that
    rows of a batch do not touch one another.

    Example:
        >>> pseudo_inverse(torch.eye(2) * 2)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    size = matrix.abs()
    norms = size.sum(dim=-1).amax(dim=-1) * size.sum(dim=-2).amax(dim=-1)
    inverse = matrix.transpose(-1, -2) / norms[..., None, None]
    unit = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    for _ in range(steps):
        both = matrix @ inverse
        inverse = inverse @ (13 * unit - both @ (15 * unit - both @ (7 * unit - both))) / 4
    return inverse


def _softmax(scores: Tensor) -> Tensor:
    return torch.softmax(scores.float(), dim=-1)


def _segment_means(tokens: Tensor, landmarks: int) -> Tensor:
    """Return the means of at most m segments of equal length (the last may be shorter)."""
    count = tokens.shape[2]
    length = -(-count // landmarks)
    segments = -(-count // length)
    padded = functional.pad(tokens, (0, 0, 0, segments * length - count))
    sums = padded.view(*tokens.shape[:2], segments, length, -1).sum(dim=3)
    lengths = torch.full((segments, 1), length, device=tokens.device)
    lengths[-1] = count - (segments - 1) * length
    return sums / lengths.to(sums.dtype)
