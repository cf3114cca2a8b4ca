"""Image encoders from the timm library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.backbones.body import REFUSALS, create_body, refused
from medfusion.models.backbones.catalogue import check_name
from medfusion.models.backbones.freezing import freeze, rest_frozen, running_statistics
from medfusion.models.backbones.hub import find_weights
from medfusion.models.backbones.map_source import Kept, MapSource
from medfusion.models.backbones.stage_attention import StageAttention
from medfusion.models.backbones.stages import check_stages, map_stages
from medfusion.models.backbones.weights import load_weights
from medfusion.models.features import Width
from medfusion.registry import kind_of, register
from medfusion.spec.attention import AttentionSpec


class ImageFeatures(NamedTuple):
    """What an image encoder makes of n images.

    Attributes:
        raw: The encoder's last features in their own layout; map and vector both come from them.
        map: The same as a feature map without class or register tokens, float [n, c, h, w].
        vector: Pooled as the architecture pools before its classifier, float [n, d].
        gates: Of attention blocks, by stage and kind: "3/channel" [n, C], "3/spatial" [n, h, w].
        source: Where class-activation maps take the gradient, to be turned by `to_map`: raw as a
            rule, see `MapSource`. None unless `trace` asked for it.
    """

    raw: Tensor
    map: Tensor
    vector: Tensor
    gates: Mapping[str, Tensor] = MappingProxyType({})
    source: Tensor | None = None


@register(spec.TimmEncoder)
class TimmEncoder(nn.Module):
    """Any architecture of timm (https://github.com/huggingface/pytorch-image-models).

    Convolutional nets compute in channels-last layout, which is faster on processors. Frozen parts
    stay in evaluation mode whatever `train` says: their batch norms do not move. A lone image in
    training has no batch to be normed by: its batch norms use their running statistics, so train
    with batches of two or more. With gradient checkpointing batch norms see each batch twice.

    Args:
        settings: Its spec.
        channels: Input channels.
        sizes: Height and width in pixels of each input that it will see.
        folder: Where a relative path of a weight file starts.

    Attributes:
        width: Widths of vector and map.
        notes: What a person should know about this choice, in sentences.

    Raises:
        UnknownNameError: timm has no such architecture or weight tag.
        WeightsError: Weights cannot be had or do not fit.
        InputError: The architecture cannot serve these sizes, this number of trained stages or
            attention blocks in these stages.

    Example:
        >>> encoder = TimmEncoder(
        ...     spec.TimmEncoder(name="resnet18"), channels=1, sizes=[(64, 64)], folder=Path()
        ... )
        >>> encoder(torch.zeros(2, 1, 64, 64)).map.shape
        torch.Size([2, 512, 2, 2])
    """

    def __init__(
        self,
        settings: spec.TimmEncoder,
        *,
        channels: int,
        sizes: Sequence[tuple[int, int]],
        folder: Path,
    ) -> None:
        super().__init__()
        self.name = settings.name
        check_name(settings.name)
        # Weights are looked for first: nobody waits for a large net only to hear they are missing.
        path = None
        if settings.pretrained:
            path = folder / settings.weights if settings.weights else find_weights(settings.name)
        self.body: Any = create_body(settings.name, channels, list(dict.fromkeys(sizes)))
        if path is not None:
            load_weights(self.body, path, name=settings.name, channels=channels)
        freeze(self.body, settings.trainable)
        self.notes: tuple[str, ...] = ()
        self.attention: Any = None
        if settings.attention is not None:
            self._insert(settings.attention, channels, sizes[0])
        self.dropout = nn.Dropout(settings.drop_rate)
        self.channels_last = False
        self._grids: dict[tuple[int, int], tuple[int, int]] = {}
        self._gates: dict[tuple[int, int], dict[str, tuple[int, ...]]] = {}
        self.map_source: MapSource | None = None
        self._found_source: MapSource | None = None
        self._channels = channels
        self.width = self._probe(channels, list(dict.fromkeys(sizes)))
        self.train()

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encode.

        Args:
            images: Normalised, float [n, C, H, W] of one of the sizes given; n is 1 or more.

        Raises:
            ValueError: Images of another size.
        """
        size = (images.shape[2], images.shape[3])
        self.grid(size)
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        lone = self.training and len(images) == 1
        with running_statistics(self.body) if lone else nullcontext(), self._tracing() as kept:
            raw, gates = self._run(images)
            if kept is not None:
                raw = kept.end(raw)
            vector = self.body.forward_head(raw, pre_logits=True)
        source = None if kept is None else kept.source
        return ImageFeatures(raw, self.to_map(raw, size), self.dropout(vector), gates, source)

    def trace(self, wanted: bool = True) -> None:
        """Say whether `ImageFeatures.source` is wanted.

        Raises:
            InputError: This encoder has none.
        """
        if wanted and self._found_source is None:
            self._found_source = MapSource(self, self._channels, list(self._grids))
        self.map_source = self._found_source if wanted else None

    def _tracing(self) -> AbstractContextManager[Kept | None]:
        return nullcontext() if self.map_source is None else self.map_source.keeping()

    def to_map(self, raw: Tensor, size: tuple[int, int]) -> Tensor:
        """Return raw features, or their gradient, as a map [n, c, h, w] without prefix tokens.

        Args:
            raw: As in `ImageFeatures`.
            size: Height and width of the images in pixels.
        """
        if raw.ndim == 4:
            return raw.permute(0, 3, 1, 2) if self.body_is_nhwc else raw
        height, width = self.grid(size)
        tokens = raw[:, raw.shape[1] - height * width :]
        return tokens.transpose(1, 2).reshape(len(raw), raw.shape[2], height, width)

    def positions(self, size: tuple[int, int]) -> int:
        """Return the number of positions of the map of an image of this size."""
        height, width = self.grid(size)
        return height * width

    def gate_shapes(self, size: tuple[int, int]) -> Mapping[str, tuple[int, ...]]:
        """Return the shape per image of each of `ImageFeatures.gates`, for images of this size."""
        return self._gates[size]

    @property
    def body_is_nhwc(self) -> bool:
        """Whether four-dimensional features have their channels last by index, as Swin's."""
        return str(getattr(self.body, "output_fmt", "NCHW")).upper().endswith("NHWC")

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute activations twice instead of keeping them.

        Raises:
            InputError: The architecture does not offer it.
        """
        try:
            self.body.set_grad_checkpointing(enable)
        except REFUSALS:
            msg = (
                f"image encoder {self.name!r} offers no gradient checkpointing: "
                "set training.gradient_checkpointing to false"
            )
            raise InputError(msg) from None

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but frozen parts, which stay in evaluation mode."""
        super().train(mode)
        if mode:
            rest_frozen(self.body)
        return self

    def _insert(self, kind: AttentionSpec, channels: int, size: tuple[int, int]) -> None:
        """Put attention blocks behind the stages that their spec names."""
        device = next(self.body.parameters()).device
        self.body.eval()
        try:
            found = map_stages(self.body, torch.zeros(1, channels, *size, device=device))
        except REFUSALS as error:
            raise refused(self.name, channels, size, error) from None
        chosen = check_stages(self.name, found, kind.stages)
        self.attention = StageAttention(kind, self.body, chosen)
        self.notes = tuple(
            f"stage {stage.number} of {self.name} has attention of its own "
            f"({', '.join(stage.own)}); the {kind_of(type(kind))} block comes behind it in addition"
            for stage in chosen
            if stage.own
        )

    def _run(self, images: Tensor) -> tuple[Any, Mapping[str, Tensor]]:
        if self.attention is None:
            return self.body.forward_features(images), MappingProxyType({})
        with self.attention.keeping() as gates:
            raw = self.body.forward_features(images)
        return raw, gates

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the map of an image of this size.

        Raises:
            ValueError: The encoder was made for other sizes.
        """
        if size not in self._grids:
            msg = (
                f"this encoder was made for {sorted(self._grids)}, got {size[0]} x {size[1]} pixels"
            )
            raise ValueError(msg)
        return self._grids[size]

    @torch.no_grad()
    def _probe(self, channels: int, sizes: list[tuple[int, int]]) -> Width:
        """Run each size once: learn widths and grids, and refuse what does not work now."""
        self.body.eval()
        device = next(self.body.parameters()).device
        widths = Width(0, 0)
        for size in sizes:
            images = torch.zeros(1, channels, *size, device=device)
            try:
                raw, gates = self._run(images)
                vector = self.body.forward_head(raw, pre_logits=True)
                self._grids[size] = self._grid_of(raw, images)
            except REFUSALS as error:
                raise refused(self.name, channels, size, error) from None
            self._gates[size] = {name: tuple(gate.shape[1:]) for name, gate in gates.items()}
            widths = Width(vector=vector.shape[1], tokens=self.to_map(raw, size).shape[1])
            self.channels_last = raw.ndim == 4 and not self.body_is_nhwc
        if self.channels_last:
            for module in self.body.modules():
                if isinstance(module, nn.Conv2d):
                    module.to(memory_format=torch.channels_last)
        return widths

    def _grid_of(self, raw: Any, images: Tensor) -> tuple[int, int]:
        if isinstance(raw, Tensor) and raw.ndim == 4:
            shape = raw.shape[1:3] if self.body_is_nhwc else raw.shape[2:]
            return shape[0], shape[1]
        if isinstance(raw, Tensor) and raw.ndim == 3:
            # Tokens say neither where the image's begin nor how many are in a row. Where all blocks
            # have the same grid, the first one tells.
            info = getattr(self.body, "feature_info", None) or []
            reductions = {level["reduction"] for level in getattr(info, "info", info)}
            asked = {"indices": [0], "stop_early": True} if len(reductions) == 1 else {"indices": 1}
            shaped = self.body.forward_intermediates(
                images, output_fmt="NCHW", intermediates_only=True, **asked
            )[-1]
            height, width = shaped.shape[2:]
            if raw.shape[1] >= height * width:
                return height, width
        msg = (
            f"image encoder {self.name!r} ends without features per position, which "
            "fusions and heat maps need: choose another encoder"
        )
        raise InputError(msg)
