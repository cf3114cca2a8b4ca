"""What encoders hand to a fusion, and what a fusion hands to a head."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor


class Width(NamedTuple):
    """Widths of a modality's features.

    Attributes:
        vector: d_m, width of the summary vector.
        tokens: c_m, width of one token.
    """

    vector: int
    tokens: int


class Features(NamedTuple):
    """One modality of a batch, as its encoder sees it.

    Tokens of a table are its columns in the order numeric, categorical; those of images are the
    positions of the feature map, row by row, view after view; of a view with instances (slices, a
    bag) one token an instance, the mean of its map. Rows that lack the modality and
    tokens outside the mask may hold anything, NaN too: a fusion never reads them.

    Attributes:
        vector: Summary of the modality, float [B, d_m].
        tokens: Its parts, float [B, T_m, c_m].
        mask: Which tokens are there (columns with a value, positions of present views),
            bool [B, T_m].
        members: Summaries by each member of an ensemble, float [B, k, d_m]; None from encoders
            that are none. Fusions use their mean, `vector`.
    """

    vector: Tensor
    tokens: Tensor
    mask: Tensor
    members: Tensor | None = None


class FusionOutput(NamedTuple):
    """What every fusion returns.

    Attributes:
        z: Fused features, float [B, D].
        aux: What panels plot, such as gates or attention weights, by name; batch first.
        losses: What the fusion adds to the loss in training, such as the balance of experts, by
            name; already weighted, float scalars.
    """

    z: Tensor
    aux: dict[str, Tensor]
    losses: Mapping[str, Tensor] = MappingProxyType({})


def all_shown(shown: Tensor) -> bool:
    """Return whether every place is shown; on the meta device, which knows no values, they are.

    >>> import torch
    >>> all_shown(torch.tensor([True, False])), all_shown(torch.zeros(2, device="meta"))
    (False, True)
    """
    return shown.is_meta or bool(shown.all())


def place(values: Tensor, shown: Tensor) -> Tensor:
    """Return what was worked out of the places shown in all places, [*shown.shape, ...], else zero.

    Args:
        values: [n, ...], in the order of the places.
        shown: Which places they are of, bool with n in all.
    """
    if shown.is_meta:
        return values.reshape(*shown.shape, *values.shape[1:])
    placed = values.new_zeros(*shown.shape, *values.shape[1:])
    placed[shown] = values
    return placed
