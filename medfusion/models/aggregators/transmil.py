"""TransMIL: a transformer over the instances of a bag."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.aggregators.contract import WEIGHTS, Aggregated, Aggregator
from medfusion.models.aggregators.nystrom import NystromAttention
from medfusion.registry import register

KERNELS = (7, 5, 3)
"""Sides of the convolutions that encode positions, as in the paper."""


@register(spec.TransMILViews)
class TransMILViews(Aggregator):
    """Two transformer layers with a class token and a convolutional position encoding between.

    Shao et al. 2021 (https://arxiv.org/abs/2106.00908), algorithm 2:

    1. H = relu(W h); the first instances are repeated until their number is a square, N = side^2;
       a class token leads them.
    2. H += Attention(LN(H))
    3. PPEG: instances as a side x side image, plus its depth-wise convolutions of 7, 5 and 3
    4. H += Attention(LN(H)); z = W' LN(class token)

    Attention is exact up to `exact_up_to` instances and Nystrom's approximation above. PPEG sees
    the instances in their order, so **the order does matter**: sort what has an order (slices), or
    choose gated-abmil where there is none. Rows with the same number of instances are worked on
    together and nothing is padded, so what one row gives does not depend on the others.
    `aux["weights"]` is the attention of the class token over the instances in the last layer,
    exact, the mean of heads; that of repeated instances is added to theirs.

    Args:
        settings: Its spec.
        width: d, width of an instance's vector.
        count: Number of places, which it does not ask for.

    Example:
        >>> transmil = TransMILViews(spec.TransMILViews(dim=8, heads=2), width=4)
        >>> transmil(torch.ones(2, 5, 4), torch.ones(2, 5).bool()).aux["weights"].shape
        torch.Size([2, 5])
    """

    def __init__(
        self, settings: spec.TransMILViews, *, width: int, count: int | None = None
    ) -> None:
        super().__init__()
        del count
        dim = settings.dim
        self.project = nn.Linear(width, dim)
        self.token = nn.Parameter(torch.randn(dim) * 0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.layers = nn.ModuleList(
            NystromAttention(
                dim,
                heads=settings.heads,
                landmarks=settings.landmarks,
                # The class token is a token too.
                exact_up_to=settings.exact_up_to + 1,
            )
            for _ in range(2)
        )
        self.positions = nn.ModuleList(
            nn.Conv2d(dim, dim, side, padding=side // 2, groups=dim) for side in KERNELS
        )
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, vectors: Tensor, present: Tensor) -> Aggregated:
        """Aggregate; see `Aggregator.forward`."""
        if present.is_meta:  # without values nothing can be picked: all are there
            whole, shares = self._whole(vectors)
            return Aggregated(whole, {WEIGHTS: shares})
        counts = present.sum(dim=1)
        vector = vectors.new_zeros(len(vectors), vectors.shape[2])
        weights = torch.zeros(present.shape, device=vectors.device)
        for count in sorted(set(counts.tolist()) - {0}):
            rows = torch.nonzero(counts == count)[:, 0]
            there = present[rows]
            # Picking what is there keeps its order: [n, count, d].
            instances = vectors[rows][there].reshape(len(rows), count, -1)
            whole, shares = self._whole(instances)
            vector = vector.to(whole.dtype).index_copy(0, rows, whole)
            spread = torch.zeros(there.shape, device=vectors.device)
            weights = weights.index_copy(0, rows, spread.masked_scatter(there, shares))
        return Aggregated(vector, {WEIGHTS: weights})

    def _whole(self, instances: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [n, d] and weights [n, N] of bags of one size, [n, N, d]."""
        batch, count, _ = instances.shape
        hidden = torch.relu(self.project(instances))
        side = math.isqrt(count - 1) + 1
        more = side * side - count
        again = torch.arange(more, device=hidden.device)  # never more than N
        hidden = torch.cat([hidden, hidden[:, again]], dim=1)
        tokens = torch.cat([self.token.to(hidden.dtype).expand(batch, 1, -1), hidden], dim=1)
        tokens = tokens + self.dropout(self.layers[0](self.norms[0](tokens)))
        tokens = self._placed(tokens, side)
        normed = self.norms[1](tokens)
        shares = self.layers[1].weights_of(normed, 0)[:, 1:]  # type: ignore[operator]
        tokens = tokens + self.dropout(self.layers[1](normed))
        weights = shares[:, :count].index_add(1, again, shares[:, count:])
        return self.out(self.norm(tokens[:, 0])), weights / weights.sum(dim=1, keepdim=True)

    def _placed(self, tokens: Tensor, side: int) -> Tensor:
        """Return tokens with their positions encoded; the class token is left as it is."""
        image = tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, side, side)
        image = image + sum(convolution(image) for convolution in self.positions)
        placed = image.flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, :1], placed], dim=1)
