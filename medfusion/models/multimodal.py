"""The one assembly of encoders, view aggregator, fusion and head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# Importing the families registers their members.
from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import aggregators, backbones, fusion, heads, tabular
from medfusion.models.features import Features, Width
from medfusion.models.modality_dropout import hide_modalities
from medfusion.registry import create

FAMILIES = (backbones, tabular, aggregators, fusion, heads)
"""The packages whose import fills the registry."""


class ModelOutput(NamedTuple):
    """What the model returns.

    Attributes:
        logits: float [B, outputs]; what they mean is the task's matter.
        aux: What panels plot, such as gates or attention weights, by name; batch first.
        losses: What parts of the model add to the loss in training, by name; already weighted.
    """

    logits: Tensor
    aux: dict[str, Tensor]
    losses: Mapping[str, Tensor] = MappingProxyType({})


class MultimodalModel(nn.Module):
    """Images in views and a table's columns to outputs, with any of them missing.

    The modalities are "image" where there are views and "table" where there are columns, in this
    order; `modalities` names them. One encoder serves all views and is run on the images that are
    there only, so that absent ones neither cost time nor enter the statistics of batch norms.

    Args:
        settings: The model part of an experiment.
        views: Channels, height and width of each view, in the order of `image_present`.
        numeric: N, number of numeric columns.
        categories: For each of the K categorical columns the number of its codes: 0 is missing,
            1 unseen, 2 and above are the known categories.
        outputs: Number of outputs.
        extension: What follows the head, [B, outputs] to the logits; None is nothing.
        folder: Where relative paths of weight files start.

    Raises:
        InputError: There is neither a view nor a column, or an encoder cannot serve the sizes.
        UnknownNameError: The image encoder's name is unknown.
        WeightsError: Pretrained weights cannot be had or do not fit.

    Example:
        >>> model = MultimodalModel(
        ...     spec.Model(), views={"photo": (3, 64, 64)}, numeric=1, categories=[4],
        ...     outputs=1, folder=Path(),
        ... )
        >>> model.modalities
        ('image', 'table')
        >>> output = model(
        ...     images={"photo": torch.zeros(2, 3, 64, 64)},
        ...     image_present=torch.tensor([[True], [False]]),
        ...     numeric=torch.zeros(2, 1), numeric_present=torch.ones(2, 1).bool(),
        ...     categorical=torch.tensor([[2], [0]]),
        ... )
        >>> output.logits.shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        settings: spec.Model,
        *,
        views: Mapping[str, tuple[int, int, int]],
        numeric: int,
        categories: Sequence[int],
        outputs: int,
        folder: Path,
        extension: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.views = tuple(views)
        self.modality_dropout = settings.modality_dropout
        self._sizes = {name: (height, width) for name, (_, height, width) in views.items()}
        self.image: Any = None
        self.aggregate: Any = None
        self.table: Any = None
        widths: dict[str, Width] = {}
        if views:
            channels = {shape[0] for shape in views.values()}
            if len(channels) > 1:
                msg = "all views share one image encoder and need the same number of channels"
                raise InputError(msg)
            self.image = create(
                settings.image or spec.TimmEncoder(),
                channels=channels.pop(),
                sizes=list(self._sizes.values()),
                folder=Path(folder),
            )
            self.aggregate = create(settings.views, width=self.image.width.vector)
            widths["image"] = self.image.width
        if numeric or categories:
            self.table = create(
                settings.table or spec.MLPEncoder(), numeric=numeric, categories=categories
            )
            widths["table"] = self.table.width
        if not widths:
            msg = (
                "there is nothing to learn from: give data.images, data.numeric or data.categorical"
            )
            raise InputError(msg)
        self.modalities = tuple(widths)
        self.fusion = create(settings.fusion, widths=widths)
        self.head = create(settings.head, width=self.fusion.dim, outputs=outputs)
        self.extension = nn.Identity() if extension is None else extension

    def forward(
        self,
        images: Mapping[str, Tensor],
        image_present: Tensor,
        numeric: Tensor,
        numeric_present: Tensor,
        categorical: Tensor,
    ) -> ModelOutput:
        """Predict.

        Args:
            images: Normalised images by view, float [B, C, H, W]; absent ones are not read.
            image_present: Which views a row has, bool [B, V].
            numeric: Standardised values, float [B, N]; those of absent cells are not read.
            numeric_present: Which cells are there, bool [B, N].
            categorical: Codes, int64 [B, K].

        Returns:
            Outputs [B, outputs] and what panels plot.
        """
        having = {}
        if self.image is not None:
            having["image"] = image_present.any(dim=1)
        if self.table is not None:
            having["table"] = numeric_present.any(dim=1) | (categorical != 0).any(dim=1)
        present = torch.stack([having[name] for name in self.modalities], dim=1)
        if self.training:
            present = hide_modalities(present, self.modality_dropout)
        feats: dict[str, Features] = {}
        aux: dict[str, Tensor] = {}
        if self.image is not None:
            shown = image_present & present[:, :1]
            feats["image"], aux = self._encode_images(images, shown)
        if self.table is not None:
            feats["table"] = self.table(numeric, numeric_present, categorical)
        fused = self.fusion(feats, present)
        return ModelOutput(self.extension(self.head(fused.z)), aux | fused.aux, fused.losses)

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the image encoder, frozen ones too; none without images."""
        return [] if self.image is None else list(self.image.parameters())

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Save memory by computing the image encoder's activations twice.

        Raises:
            InputError: There is no image encoder, or it does not offer this.
        """
        if self.image is None:
            msg = "training.gradient_checkpointing is unused: there is no image encoder"
            raise InputError(msg)
        self.image.set_grad_checkpointing(enable)

    def _encode_images(
        self, images: Mapping[str, Tensor], present: Tensor
    ) -> tuple[Features, dict[str, Tensor]]:
        vectors: dict[str, Tensor] = {}
        tokens: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for size in dict.fromkeys(self._sizes.values()):
            # Views of one size go through the encoder together.
            members = [v for v, name in enumerate(self.views) if self._sizes[name] == size]
            shown = present[:, members]
            vector, token = self._encode_present([images[self.views[v]] for v in members], shown)
            for k, v in enumerate(members):
                name = self.views[v]
                vectors[name], tokens[name] = vector[:, k], token[:, k]
                masks[name] = shown[:, k, None].expand(token.shape[0], token.shape[2])
        whole = self.aggregate(torch.stack([vectors[name] for name in self.views], dim=1), present)
        features = Features(
            vector=whole.vector,
            tokens=torch.cat([tokens[name] for name in self.views], dim=1),
            mask=torch.cat([masks[name] for name in self.views], dim=1),
        )
        return features, {f"views/{name}": value for name, value in whole.aux.items()}

    def _encode_present(self, images: list[Tensor], shown: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [B, G, d] and tokens [B, G, T, c] of G views, zero where not shown."""
        rows, count = shown.shape
        complete = bool(shown.all())
        if complete and count == 1:
            chosen = images[0]
        else:
            stacked = torch.stack(images, dim=1)
            chosen = stacked.flatten(0, 1) if complete else stacked[shown]
        if len(chosen) == 0:
            width, positions = self.image.width, self.image.positions(tuple(chosen.shape[2:]))
            return (
                chosen.new_zeros(rows, count, width.vector),
                chosen.new_zeros(rows, count, positions, width.tokens),
            )
        encoded = self.image(chosen)
        tokens = encoded.map.flatten(2).transpose(1, 2)
        if complete:
            vector = encoded.vector.reshape(rows, count, -1)
            return vector, tokens.reshape(rows, count, *tokens.shape[1:])
        return _scatter(encoded.vector, shown), _scatter(tokens, shown)


def _scatter(values: Tensor, shown: Tensor) -> Tensor:
    placed = values.new_zeros(*shown.shape, *values.shape[1:])
    placed[shown] = values
    return placed
