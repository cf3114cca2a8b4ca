"""TabM: many perceptrons in one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, Width
from medfusion.models.tabular.columns import column_mask, column_tokens
from medfusion.registry import register


@register(spec.TabMEncoder)
class TabMEncoder(nn.Module):
    """An ensemble of k perceptrons over the column tokens that share all matrices.

    A member differs by the vectors of its BatchEnsemble adapters alone (Gorishniy et al. 2024):
    layer l of member i is h = relu((W (r_i * x)) * s_i + b_i). The r of the first layer start as
    random signs, one per column and member; all other adapters start at one.

    The members' features come out for heads of their own, since each member is to be trained by
    its own loss; the summary is their mean.

    https://arxiv.org/abs/2410.24210

    Args:
        settings: Its spec.
        numeric: N, number of numeric columns.
        categories: For each of the K categorical columns the number of its codes: 0 is missing,
            1 unseen, 2 and above are the known categories.
        bins: Edges of bins per numeric column, on the scale of its values, for `embeddings: ple`;
            a column without is embedded linearly.

    Attributes:
        width: Widths of the features.
        members: k.
        member_loss: Weight of the members' losses in a fusion.

    Example:
        >>> settings = spec.TabMEncoder(members=8, hidden=(16, 4))
        >>> encoder = TabMEncoder(settings, numeric=2, categories=[5])
        >>> age_and_size = torch.tensor([[0.3, 0.0]])
        >>> features = encoder(age_and_size, torch.tensor([[True, False]]), torch.tensor([[3]]))
        >>> features.vector.shape, features.members.shape
        (torch.Size([1, 4]), torch.Size([1, 8, 4]))
    """

    def __init__(
        self,
        settings: spec.TabMEncoder,
        *,
        numeric: int,
        categories: Sequence[int],
        bins: Sequence[Sequence[float]] = (),
    ) -> None:
        super().__init__()
        columns = numeric + len(categories)
        self.members, self.member_loss = settings.members, settings.member_loss
        self.columns = column_tokens(settings, numeric=numeric, categories=categories, bins=bins)
        layers: list[nn.Module] = []
        for inner, outer in pairwise((columns * settings.embedding, *settings.hidden)):
            layers += [
                EnsembleLinear(inner, outer, members=settings.members),
                nn.ReLU(),
                nn.Dropout(settings.dropout),
            ]
        self.layers = nn.Sequential(*layers)
        signs = torch.randint(0, 2, (settings.members, columns, 1)) * 2.0 - 1.0
        with torch.no_grad():
            first: EnsembleLinear = self.layers[0]  # type: ignore[assignment]
            first.r.copy_(signs.expand(-1, -1, settings.embedding).flatten())
        self.width = Width(vector=settings.hidden[-1], tokens=settings.embedding)

    def forward(self, numeric: Tensor, numeric_present: Tensor, categorical: Tensor) -> Features:
        """Encode.

        Args:
            numeric: Standardised values, float [B, N]; those of absent cells are not read.
            numeric_present: Which cells are there, bool [B, N].
            categorical: Codes, int64 [B, K].

        Returns:
            Vector [B, hidden[-1]], tokens [B, N + K, embedding], their mask, and the members'
            vectors [B, k, hidden[-1]].
        """
        tokens = self.columns(numeric, numeric_present, categorical)
        shared = tokens.flatten(1)[:, None].expand(-1, self.members, -1)
        members = self.layers(shared)
        mask = column_mask(numeric_present, categorical)
        return Features(members.mean(dim=1), tokens, mask, members)


class EnsembleLinear(nn.Module):
    """A linear layer of k members, [B, k, inner] to [B, k, outer]; one matrix for all of them.

    Member i has y = (W (r_i * x)) * s_i + b_i, which is a linear layer with the matrix
    W * (s_i r_i^T) (Wen et al. 2020, https://arxiv.org/abs/2002.06715). Adapters and biases are
    kept flat, so that weight decay on matrices spares them.

    Args:
        inner: Width of the input.
        outer: Width of the output.
        members: k.

    Example:
        >>> EnsembleLinear(3, 5, members=4)(torch.ones(2, 4, 3)).shape
        torch.Size([2, 4, 5])
    """

    def __init__(self, inner: int, outer: int, *, members: int) -> None:
        super().__init__()
        bound = inner**-0.5
        self.members = members
        self.weight = nn.Parameter(torch.empty(outer, inner).uniform_(-bound, bound))
        self.r = nn.Parameter(torch.ones(members * inner))
        self.s = nn.Parameter(torch.ones(members * outer))
        self.bias = nn.Parameter(torch.empty(members * outer).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return the members' outputs, [B, k, outer]."""
        r, s, bias = (value.view(self.members, -1) for value in (self.r, self.s, self.bias))
        return nn.functional.linear(x * r, self.weight) * s + bias
