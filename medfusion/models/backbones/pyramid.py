"""The maps of an image encoder on the way to its last one, from fine to coarse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medfusion.models.features import all_shown


class Level(NamedTuple):
    """A map of an encoder.

    Attributes:
        channels: C.
        height: Of the map.
        width: Of the map.
    """

    channels: int
    height: int
    width: int


class Pyramid:
    """The maps of an encoder for images of one size: those that timm names as its levels.

    Of the maps of one resolution the last counts; the encoder's own map is the coarsest level.
    Maps that are as coarse as that one, such as those of a plain vision transformer, are left out.
    Where a map lies and how it is laid out is found by running the encoder once.

    Args:
        encoder: A `TimmEncoder`.
        channels: Channels of the images.
        size: Height and width of the images in pixels.

    Attributes:
        levels: From fine to coarse; the last is the encoder's own map.

    Example:
        >>> from pathlib import Path
        >>> from medfusion import spec
        >>> from medfusion.models.backbones import TimmEncoder
        >>> encoder = TimmEncoder(
        ...     spec.TimmEncoder(name="resnet18"), channels=1, sizes=[(64, 64)], folder=Path()
        ... )
        >>> [level.height for level in Pyramid(encoder, 1, (64, 64)).levels]
        [32, 16, 8, 4, 2]
    """

    def __init__(self, encoder: Any, channels: int, size: tuple[int, int]) -> None:
        body = encoder.body
        info = getattr(body, "feature_info", None)
        named = dict(body.named_modules())
        wanted = {
            level["module"]: int(level["num_chs"])
            for level in (getattr(info, "info", info) or ())
            if level.get("module") in named
        }
        self._modules = {name: _last(named[name]) for name in wanted}
        self._channels = wanted
        self._chosen = tuple(wanted)
        training = body.training
        body.eval()
        with torch.no_grad(), self.keeping() as found:
            device = next(body.parameters()).device
            own = encoder(torch.zeros(1, channels, *size, device=device)).map
        encoder.train(training)
        by_size: dict[tuple[int, int], tuple[str, Level]] = {}
        for name, level in found.items():
            height, width = level.shape[2:]
            if size[0] >= height > own.shape[2] and size[1] >= width > own.shape[3]:
                by_size[height, width] = name, Level(*level.shape[1:])
        ordered = [by_size[key] for key in sorted(by_size, reverse=True)]
        self._chosen = tuple(name for name, _ in ordered)
        self.levels = (*(level for _, level in ordered), Level(*own.shape[1:]))

    @contextmanager
    def keeping(self) -> Iterator[dict[str, Tensor]]:
        """Keep the maps [n, C, h, w] that the encoder computes meanwhile, by name."""
        kept: dict[str, Tensor] = {}
        handles = [
            self._modules[name].register_forward_hook(self._keeper(kept, name))
            for name in self._chosen
        ]
        try:
            yield kept
        finally:
            for handle in handles:
                handle.remove()

    def of_view(
        self, kept: dict[str, Tensor], own: Tensor, shown: Tensor, place: int
    ) -> list[Tensor]:
        """Return one view's maps [B, C, h, w] from fine to coarse, zero in rows without it.

        Args:
            kept: What `keeping` kept of the images that were there, row after row.
            own: Tokens of the view from the encoder's own map, [B, h * w, C].
            shown: Which images were there, bool [B, G].
            place: The view's column in `shown`.
        """
        coarsest = self.levels[-1]
        maps = []
        there = shown[:, place]
        complete = all_shown(shown)
        for name, level in zip(self._chosen, self.levels, strict=False):
            if name not in kept:  # not one image was there
                maps.append(own.new_zeros(len(shown), *level))
            elif complete:
                maps.append(kept[name].reshape(*shown.shape, *level)[:, place])
            else:
                taken = shown.flatten().cumsum(0).reshape(shown.shape)[:, place][there] - 1
                placed = kept[name].new_zeros(len(shown), *level)
                placed[there] = kept[name][taken]
                maps.append(placed)
        last = own.transpose(1, 2).reshape(len(own), *coarsest)
        return [*maps, last]

    def _keeper(self, kept: dict[str, Tensor], name: str) -> Any:
        channels = self._channels[name]

        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim != 4:
                return
            if output.shape[1] == channels:
                kept[name] = output
            elif output.shape[3] == channels:
                kept[name] = output.permute(0, 3, 1, 2)

        return keep


def _last(module: nn.Module) -> nn.Module:
    # Gradient checkpointing calls the members of a sequence, not the sequence.
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    return module
