"""Slices of a volume, or images of a bag, become one view."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from medfusion.models.backbones.freezing import still_statistics
from medfusion.models.features import all_shown, place
from medfusion.registry import create
from medfusion.spec.aggregator import Views


class InstanceFeatures(NamedTuple):
    """What a view with instances is made of. B rows, S instances.

    Attributes:
        vector: The view's vector, float [B, d]; zeros for rows without any instance.
        tokens: A token per instance, the mean over its feature map, float [B, S, c]; zeros where
            there is no instance.
        aux: What panels plot: the weights of instances [B, S] and the gates of the encoder's
            attention blocks, "attention/..." [B, S, ...].
    """

    vector: Tensor
    tokens: Tensor
    aux: dict[str, Tensor]


class InstanceEncoder(nn.Module):
    """Runs the image encoder on the instances that are there, and joins those of a view.

    Each view has its own aggregator, since slices of a scan and photos of a bag are weighed by
    different signs; the encoder is that of all views. With more than `at_once` instances in a batch
    the encoder takes them in parts of equal size. While training, the activations of such parts are
    not kept but computed again for the gradient (Chen et al. 2016,
    https://arxiv.org/abs/1604.06174), so that memory is that of one part; batch norms are normed
    within a part, and their running statistics move once.

    Args:
        settings: Spec of the aggregator.
        width: d, width of the encoder's vector.
        places: For each view with instances the number of fixed places (slices), None for a bag.
        at_once: Instances that the encoder takes at once.

    Raises:
        InputError: The aggregator needs fixed places, which a bag does not have.

    Example:
        >>> from pathlib import Path
        >>> from medfusion import spec
        >>> from medfusion.models.backbones import TimmEncoder
        >>> encoder = TimmEncoder(
        ...     spec.TimmEncoder(name="test_resnet"), channels=1, sizes=[(32, 32)], folder=Path()
        ... )
        >>> slices = InstanceEncoder(
        ...     spec.MaxViews(), width=encoder.width.vector, places={"ct": 3}, at_once=256
        ... )
        >>> found = slices("ct", encoder, torch.zeros(2, 3, 1, 32, 32), torch.ones(2, 3).bool())
        >>> found.vector.shape[0], found.tokens.shape[:2]
        (2, torch.Size([2, 3]))
    """

    def __init__(
        self, settings: Views, *, width: int, places: Mapping[str, int | None], at_once: int
    ) -> None:
        super().__init__()
        self.at_once = at_once
        # A view may be called as a method of ModuleDict is, such as "keys".
        self.join = nn.ModuleDict(
            {f"view_{name}": create(settings, width=width, count=n) for name, n in places.items()}
        )

    def forward(self, view: str, encoder: Any, images: Tensor, shown: Tensor) -> InstanceFeatures:
        """Encode the instances of one view and join them.

        Args:
            view: Name of the view.
            encoder: The image encoder.
            images: Normalised, float [B, S, C, H, W]; absent ones are not read.
            shown: Which instances are there, bool [B, S].
        """
        chosen = images.flatten(0, 1) if all_shown(shown) else images[shown]
        gates = encoder.gate_shapes(tuple(images.shape[3:]))
        if len(chosen) == 0:
            shapes = [(encoder.width.vector,), (encoder.width.tokens,), *gates.values()]
            vectors, tokens, *found = [images.new_zeros(*shown.shape, *s) for s in shapes]
        else:
            encoded = self._encoded(encoder, chosen)
            vectors, tokens, *found = [place(values, shown) for values in encoded]
        whole = self.join[f"view_{view}"](vectors, shown)
        opened = {f"attention/{name}": gate for name, gate in zip(gates, found, strict=True)}
        return InstanceFeatures(whole.vector, tokens, whole.aux | opened)

    def _encoded(self, encoder: Any, images: Tensor) -> list[Tensor]:
        """Return vector [n, d], mean token [n, c] and gates [n, ...] of each image."""

        def encode(part: Tensor) -> tuple[Tensor, ...]:
            features = encoder(part)
            gates = features.gates.values()
            return features.vector, features.map.mean(dim=(2, 3)), *gates

        parts = torch.tensor_split(images, -(-len(images) // self.at_once))
        if len(parts) == 1:
            return list(encode(images))
        if torch.is_grad_enabled():

            def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
                return nullcontext(), still_statistics(encoder)

            done = [
                checkpoint(encode, part, use_reentrant=False, context_fn=contexts) for part in parts
            ]
        else:
            done = [encode(part) for part in parts]
        return [torch.cat(values) for values in zip(*done, strict=True)]
