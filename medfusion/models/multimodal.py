"""The one assembly of encoders, view aggregator, fusion and head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# Importing the families registers their members.
from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import (
    aggregators,
    alignment,
    attention,
    backbones,
    fusion,
    heads,
    tabular,
)
from medfusion.models.activation import Evidence, ShownImages
from medfusion.models.backbones.map_source import twice_differentiable
from medfusion.models.backbones.pyramid import Pyramid
from medfusion.models.features import Features, Width
from medfusion.models.image_views import ImageViews
from medfusion.models.instances import InstanceEncoder
from medfusion.models.members import MemberHeads, Members, mean_of_members
from medfusion.models.modality_dropout import hide_modalities
from medfusion.registry import create

FAMILIES = (backbones, attention, tabular, aggregators, fusion, heads, alignment)
"""The packages whose import fills the registry."""


class ModelOutput(NamedTuple):
    """What the model returns.

    Attributes:
        logits: float [B, outputs]; what they mean is the task's matter.
        aux: What panels plot, such as gates or attention weights, by name; batch first.
        losses: What parts of the model add to the loss, by name; already weighted, and empty
            unless the model is in training mode.
        auxiliary: Outputs of each modality alone, float [B, outputs] by modality, where there are
            auxiliary heads; zeros in rows that did not show it.
        shown: Which rows showed a modality, after modality dropout, bool [B] by modality.
        members: What the members of the table's encoder say, where it is an ensemble.
        evidence: What maps of where the model looks are made of; None unless `keep_evidence` asked
            for it, and where no gradient is computed.
    """

    logits: Tensor
    aux: dict[str, Tensor]
    losses: Mapping[str, Tensor] = MappingProxyType({})
    auxiliary: Mapping[str, Tensor] = MappingProxyType({})
    shown: Mapping[str, Tensor] = MappingProxyType({})
    members: Members | None = None
    evidence: Evidence | None = None


class MultimodalModel(nn.Module):
    """Images in views and a table's columns to outputs, with any of them missing.

    The modalities are "image" where there are views and "table" where there are columns, in this
    order; `modalities` names them. One encoder serves all views and is run on the images that are
    there only, so that absent ones neither cost time nor enter the statistics of batch norms.
    Where a view stands for several instances (slices, a bag), these become one vector first.

    Where the table's encoder is an ensemble, every member has a head of its own, trained by its
    own loss. Without images the members are the model: its output is what `combine` makes of
    theirs, and `fusion` and `head` are None.

    Args:
        settings: The model part of an experiment.
        views: Channels, height and width of each view, in the order of `image_present`.
        numeric: N, number of numeric columns.
        categories: For each of the K categorical columns the number of its codes: 0 is missing,
            1 unseen, 2 and above are the known categories.
        outputs: Number of outputs.
        extension: What follows every head, [B, outputs] to the logits; None is nothing.
        folder: Where relative paths of weight files start.
        instances: Views that stand for several instances, with the number of their fixed places:
            slices per volume, or None for a bag.
        bins: Edges of bins per numeric column, on the scale of its values, for encoders that embed
            numbers piecewise linearly.
        combine: From the outputs of an ensemble's members [B, k, outputs] to its own [B, outputs].
        segmented: The view whose maps the head needs, to class its pixels; None for other heads.
        encoder: An image encoder that was made already, in place of that of `settings`.

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
        instances: Mapping[str, int | None] = MappingProxyType({}),
        bins: Sequence[Sequence[float]] = (),
        combine: Callable[[Tensor], Tensor] = mean_of_members,
        extension: nn.Module | None = None,
        segmented: str | None = None,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.segmented = segmented
        self.image: Any = encoder if views else None
        self.keeps = (False, False)
        self.views = tuple(views)
        self.modality_dropout = settings.modality_dropout
        self.aggregate: Any = None
        self.instances: Any = None
        self.table: Any = None
        widths: dict[str, Width] = {}
        self._see: Any = None
        if views:
            self._see = self._make_views(settings, views, instances, Path(folder))
            widths["image"] = self._see.encoder.width
        if numeric or categories:
            self.table = create(
                settings.table or spec.MLPEncoder(),
                numeric=numeric,
                categories=categories,
                bins=bins,
            )
            widths["table"] = self.table.width
        if not widths:
            msg = (
                "there is nothing to learn from: give data.images, data.numeric or data.categorical"
            )
            raise InputError(msg)
        self.modalities = tuple(widths)
        self.extension = extension or nn.Identity()
        self.combine = combine
        self.members: Any = None
        alone = self.image is None and self.table.members > 0
        if alone or (self.table is not None and self.table.members and self.table.member_loss):
            self.members = MemberHeads(
                settings.head,
                members=self.table.members,
                width=self.table.width.vector,
                outputs=outputs,
            )
        self.fusion: Any = None
        self.head: Any = None
        if not alone:
            self.fusion = create(settings.fusion, widths=widths)
            needs: dict[str, Any] = {"width": self.fusion.dim, "outputs": outputs}
            if segmented is not None:
                _, height, across = views[segmented]
                needs |= {"levels": self._see.pyramid.levels, "size": (height, across)}
            self.head = create(settings.head, **needs)
        self.auxiliary: Any = None
        if settings.auxiliary is not None:
            self.auxiliary = nn.ModuleDict(
                {
                    name: create(settings.head, width=width.vector, outputs=outputs)
                    for name, width in widths.items()
                }
            )
        self.align: Any = None
        if settings.alignment is not None and len(widths) > 1:
            self.align = create(settings.alignment, widths=widths)

    def forward(
        self,
        images: Mapping[str, Tensor],
        image_present: Tensor,
        numeric: Tensor,
        numeric_present: Tensor,
        categorical: Tensor,
        instance_present: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> ModelOutput:
        """Predict.

        Args:
            images: Normalised images by view, float [B, C, H, W], or [B, S, C, H, W] of views with
                instances; absent ones are not read.
            image_present: Which views a row has, bool [B, V].
            numeric: Standardised values, float [B, N]; those of absent cells are not read.
            numeric_present: Which cells are there, bool [B, N].
            categorical: Codes, int64 [B, K].
            instance_present: Which instances a row has, bool [B, S], by view with instances.

        Returns:
            Outputs [B, outputs] and what panels plot.
        """
        having = {}
        if self.image is not None:
            image_present = self._see.there(image_present, instance_present)
            having["image"] = image_present.any(dim=1)
        if self.table is not None:
            having["table"] = numeric_present.any(dim=1) | (categorical != 0).any(dim=1)
        present = torch.stack([having[name] for name in self.modalities], dim=1)
        if self.training:
            hidden = hide_modalities(present, self.modality_dropout)
            if self.segmented is not None:  # nobody can draw a region that he does not see
                hidden[:, 0] = present[:, 0]
            present = hidden
        feats: dict[str, Features] = {}
        aux: dict[str, Tensor] = {}
        maps: list[Tensor] = []
        shown = image_present & present[:, :1]
        traced: list[ShownImages] | None = None
        if self._see is not None:
            traced = [] if self.keeps[0] and torch.is_grad_enabled() else None
            feats["image"], aux, maps = self._see(images, shown, instance_present, traced)
        if self.table is not None:
            feats["table"] = self.table(numeric, numeric_present, categorical)
        seen = dict(zip(self.modalities, present.unbind(dim=1), strict=True))
        own = self._alone(feats, present)
        members = self._member_outputs(feats, present)
        if self.fusion is None:
            return ModelOutput(self.combine(members.outputs), aux, {}, own, seen, members)
        with nullcontext() if traced is None else self._watching():
            fused = self.fusion(feats, present)
            outputs = self.head(fused.z, maps) if maps else self.head(fused.z)
            logits = self.extension(outputs)
        losses = dict(fused.losses) if self.training else {}
        if self.align is not None and self.training:
            losses["alignment"] = self.align(feats, present)
        found = ModelOutput(logits, aux | fused.aux, losses, own, seen, members)
        if traced is None:
            return found
        evidence = self._evidence(logits, traced, shown, instance_present, fused.aux)
        # A view of the logits: hooks on what is returned are not on the way of the maps' gradient.
        return found._replace(logits=logits.view_as(logits), evidence=evidence)

    def _make_views(
        self,
        settings: spec.Model,
        views: Mapping[str, tuple[int, int, int]],
        instances: Mapping[str, int | None],
        folder: Path,
    ) -> ImageViews:
        """Make the encoder of images and what joins views and instances."""
        channels = {shape[0] for shape in views.values()}
        if len(channels) > 1:
            msg = "all views share one image encoder and need the same number of channels"
            raise InputError(msg)
        sizes = {name: (height, width) for name, (_, height, width) in views.items()}
        if self.image is None:
            self.image = create(
                settings.image or spec.TimmEncoder(),
                channels=min(channels),
                sizes=list(sizes.values()),
                folder=folder,
            )
        width = self.image.width.vector
        self.aggregate = create(settings.views, width=width, count=len(views))
        several = tuple(name for name in views if name in instances)
        if several:
            self.instances = InstanceEncoder(
                settings.instances,
                width=width,
                places={name: instances[name] for name in several},
                at_once=settings.instances_at_once,
            )
        pyramid = None
        if self.segmented is not None:
            pyramid = Pyramid(self.image, min(channels), sizes[self.segmented])
        return ImageViews(
            self.image,
            self.aggregate,
            self.instances,
            sizes=sizes,
            instance_views=several,
            segmented=self.segmented,
            pyramid=pyramid,
        )

    def _alone(self, feats: Mapping[str, Features], present: Tensor) -> dict[str, Tensor]:
        """Return what each auxiliary head makes of its modality's own vector."""
        if self.auxiliary is None:
            return {}
        outputs = {}
        for m, name in enumerate(self.modalities):
            there = present[:, m, None]
            vector = torch.where(there, feats[name].vector, 0.0)
            outputs[name] = torch.where(there, self.extension(self.auxiliary[name](vector)), 0.0)
        return outputs

    def _member_outputs(self, feats: Mapping[str, Features], present: Tensor) -> Any:
        # Beside a fusion the members only matter for their loss.
        if self.members is None or not (self.training or self.fusion is None):
            return None
        weight = None if self.fusion is None else self.table.member_loss
        outputs = self.members(feats["table"].members)
        outputs = self.extension(outputs.flatten(0, 1)).reshape(*outputs.shape[:2], -1)
        return Members(outputs, present[:, self.modalities.index("table")], weight)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Let the fusion and the head be differentiated twice, and the fusion show its attention."""
        shows = getattr(self.fusion, "return_weights", None)
        if shows is not None and self.keeps[1]:
            self.fusion.return_weights = True
        try:
            with twice_differentiable():
                yield
        finally:
            if shows is not None:
                self.fusion.return_weights = shows

    def _evidence(
        self,
        logits: Tensor,
        traced: list[ShownImages],
        shown: Tensor,
        instances: Mapping[str, Tensor],
        aux: Mapping[str, Tensor],
    ) -> Evidence:
        grids = self._see.map_grids()
        return Evidence(
            logits,
            traced,
            shown={name: shown[:, v] for v, name in enumerate(self.views) if name in grids},
            attention=self.fusion.token_attention(aux, "image") if self.keeps[1] else None,
            grids=grids,
            tokens=self._see.token_grids(instances),
        )

    def keep_evidence(self, wanted: bool = True, attention: bool = False) -> None:
        """Say whether `ModelOutput.evidence` is wanted.

        Args:
            wanted: Whether it is; without it nothing is kept and nothing computed.
            attention: Whether the fusion's attention to positions is wanted too.

        Raises:
            InputError: The image encoder has no map for it, or there is none.
        """
        if wanted and self.image is None:
            msg = "there is no image encoder, so there are no maps of where the model looks"
            raise InputError(msg)
        self.keeps = (wanted, wanted and attention)
        if self.image is not None:
            self.image.trace(wanted)

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the image encoder, frozen ones too; none without images.

        Attention blocks put into it are new and learn at the rate of the rest.
        """
        if self.image is None:
            return []
        named = self.image.named_parameters()
        return [value for name, value in named if not name.startswith("attention.")]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about this model, in sentences."""
        return () if self.image is None else self.image.notes

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Save memory by computing the image encoder's activations twice.

        Raises:
            InputError: There is no image encoder, or it does not offer this.
        """
        if self.image is None:
            msg = "training.gradient_checkpointing is unused: there is no image encoder"
            raise InputError(msg)
        self.image.set_grad_checkpointing(enable)
