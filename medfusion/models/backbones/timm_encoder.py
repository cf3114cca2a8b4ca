"""Image encoders from the timm library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.backbones.catalogue import check_name
from medfusion.models.backbones.freezing import freeze, rest_frozen, running_statistics
from medfusion.models.backbones.hub import find_weights
from medfusion.models.backbones.weights import load_weights
from medfusion.models.features import Width
from medfusion.registry import register

_REFUSALS = (
    AssertionError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What timm raises for an input size, or a request, that an architecture cannot serve."""


class ImageFeatures(NamedTuple):
    """What an image encoder makes of n images.

    Attributes:
        raw: The encoder's last features in their own layout; map and vector both come from them,
            so a class-activation map takes the gradient here and turns it by `to_map`.
        map: The same as a feature map without class or register tokens, float [n, c, h, w].
        vector: Pooled as the architecture pools before its classifier, float [n, d].
    """

    raw: Tensor
    map: Tensor
    vector: Tensor
    gates: Mapping[str, Tensor] = MappingProxyType({})


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

    Raises:
        UnknownNameError: timm has no such architecture or weight tag.
        WeightsError: Weights cannot be had or do not fit.
        InputError: The architecture cannot serve these sizes or this number of trained stages.

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
        self.body: Any = _create(settings.name, channels, list(dict.fromkeys(sizes)))
        if path is not None:
            load_weights(self.body, path, name=settings.name, channels=channels)
        freeze(self.body, settings.trainable)
        self.dropout = nn.Dropout(settings.drop_rate)
        self.channels_last = False
        self._grids: dict[tuple[int, int], tuple[int, int]] = {}
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
        self._grid(size)
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        lone = self.training and len(images) == 1
        with running_statistics(self.body) if lone else nullcontext():
            raw = self.body.forward_features(images)
            vector = self.body.forward_head(raw, pre_logits=True)
        return ImageFeatures(raw, self.to_map(raw, size), self.dropout(vector))

    def to_map(self, raw: Tensor, size: tuple[int, int]) -> Tensor:
        """Return raw features, or their gradient, as a map [n, c, h, w] without prefix tokens.

        Args:
            raw: As in `ImageFeatures`.
            size: Height and width of the images in pixels.
        """
        if raw.ndim == 4:
            return raw.permute(0, 3, 1, 2) if self.body_is_nhwc else raw
        height, width = self._grid(size)
        tokens = raw[:, raw.shape[1] - height * width :]
        return tokens.transpose(1, 2).reshape(len(raw), raw.shape[2], height, width)

    def gate_shapes(self, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
        """Return nothing."""
        del size
        return {}

    def positions(self, size: tuple[int, int]) -> int:
        """Return the number of positions of the map of an image of this size."""
        height, width = self._grid(size)
        return height * width

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
        except _REFUSALS:
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

    def _grid(self, size: tuple[int, int]) -> tuple[int, int]:
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
                raw = self.body.forward_features(images)
                vector = self.body.forward_head(raw, pre_logits=True)
                self._grids[size] = self._grid_of(raw, images)
            except _REFUSALS as error:
                raise _refused(self.name, size, error) from None
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
            # Tokens say neither where the image's begin nor how many are in a row.
            shaped = self.body.forward_intermediates(
                images, indices=1, output_fmt="NCHW", intermediates_only=True
            )[-1]
            height, width = shaped.shape[2:]
            if raw.shape[1] >= height * width:
                return height, width
        msg = (
            f"image encoder {self.name!r} ends without features per position, which "
            "fusions and heat maps need: choose another encoder"
        )
        raise InputError(msg)


def _create(name: str, channels: int, sizes: list[tuple[int, int]]) -> nn.Module:
    config = get_pretrained_cfg(name)
    options: dict[str, Any] = {}
    if config is not None and config.fixed_input_size:
        options["img_size"] = sizes[0]
        if len(sizes) > 1:
            options["dynamic_img_size"] = True
    try:
        body = timm.create_model(name, num_classes=0, in_chans=channels, **options)
    except _REFUSALS as error:
        if len(sizes) > 1 and "dynamic_img_size" in str(error):
            msg = f"image encoder {name!r} needs the same size for all views, got {sizes}"
            raise InputError(msg) from None
        raise _refused(name, sizes[0], error) from None
    _check_patches(body, name, sizes)
    return body


def _check_patches(body: nn.Module, name: str, sizes: list[tuple[int, int]]) -> None:
    # A patch embedding drops what is left at the border without a word.
    projection = getattr(getattr(body, "patch_embed", None), "proj", None)
    if not isinstance(projection, nn.Conv2d) or projection.stride != projection.kernel_size:
        return
    for size in sizes:
        for pixels, patch in zip(size, projection.stride, strict=True):
            if pixels % patch:
                near = [n for n in (pixels // patch * patch, -(-pixels // patch) * patch) if n]
                msg = (
                    f"image encoder {name!r} reads patches of {patch} pixels, and {pixels} is no "
                    f"multiple of that: set the view's size to {' or '.join(map(str, near))}"
                )
                raise InputError(msg)


def _refused(name: str, size: tuple[int, int], error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(
        f"image encoder {name!r} cannot serve images of {size[0]} x {size[1]} pixels ({reason}): "
        "choose another size for the view or another encoder"
    )
