"""A multilayer perceptron over the table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from medfusion import spec
from medfusion.models.features import Features, Width
from medfusion.models.tabular.columns import column_mask, column_tokens
from medfusion.registry import register


@register(spec.MLPEncoder)
class MLPEncoder(nn.Module):
    """Column tokens side by side, through hidden layers with ReLU and dropout.

    Numbers are embedded piecewise linearly (`embeddings: ple`) or linearly (Gorishniy et al. 2022,
    https://arxiv.org/abs/2203.05556).

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
        >>> import torch
        >>> encoder = MLPEncoder(spec.MLPEncoder(hidden=(16, 4)), numeric=2, categories=[5])
        >>> age_and_size = torch.tensor([[0.3, 0.0]])
        >>> features = encoder(age_and_size, torch.tensor([[True, False]]), torch.tensor([[3]]))
        >>> features.vector.shape, features.mask
        (torch.Size([1, 4]), tensor([[ True, False,  True]]))
    """

    members = 0

    def __init__(
        self,
        settings: spec.MLPEncoder,
        *,
        numeric: int,
        categories: Sequence[int],
        bins: Sequence[Sequence[float]] = (),
    ) -> None:
        super().__init__()
        columns = numeric + len(categories)
        self.columns = column_tokens(settings, numeric=numeric, categories=categories, bins=bins)
        layers: list[nn.Module] = []
        for inner, outer in pairwise((columns * settings.embedding, *settings.hidden)):
            layers += [nn.Linear(inner, outer), nn.ReLU(), nn.Dropout(settings.dropout)]
        self.layers = nn.Sequential(*layers)
        self.width = Width(vector=settings.hidden[-1], tokens=settings.embedding)

    def forward(self, numeric: Tensor, numeric_present: Tensor, categorical: Tensor) -> Features:
        """Encode.

        Args:
            numeric: Standardised values, float [B, N]; those of absent cells are not read.
            numeric_present: Which cells are there, bool [B, N].
            categorical: Codes, int64 [B, K].

        Returns:
            Vector [B, hidden[-1]], tokens [B, N + K, embedding] and their mask.
        """
        tokens = self.columns(numeric, numeric_present, categorical)
        mask = column_mask(numeric_present, categorical)
        return Features(self.layers(tokens.flatten(1)), tokens, mask)
