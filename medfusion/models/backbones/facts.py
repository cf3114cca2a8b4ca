"""What an image encoder is and costs, without its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from timm.models import get_pretrained_cfg, list_pretrained

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models.backbones.catalogue import check_name, family_of, recommended_size
from medfusion.models.backbones.licences import licence_of
from medfusion.models.backbones.metering import RealKernels, measure
from medfusion.models.backbones.stages import Stage, map_stages
from medfusion.models.backbones.timm_encoder import TimmEncoder
from medfusion.models.image_licences import Use, commercial_use

WEIGHT_COPIES = 4
"""A weight trained by AdamW is kept four times: itself, its gradient and two moments."""


@dataclass(frozen=True)
class Weights:
    """A set of published weights.

    Attributes:
        tag: What follows the dot in its name.
        licence: As timm states it; None where it does not.
        commercial: Whether the licence allows commercial use.
    """

    tag: str
    licence: str | None
    commercial: Use


@dataclass(frozen=True)
class EncoderFacts:
    """Facts about an image encoder at an input size.

    Attributes:
        name: Its name.
        family: Its curated family; None for other names of timm.
        paper: Link to the family's paper; None for other names of timm.
        size: Height and width of the input in pixels.
        channels: Channels of the input.
        batch: Images at once, for the memory.
        parameters: Number of weights, without a classifier.
        multiply_adds: Of one image: convolutions, matrix products, attention.
        inference_bytes: Estimate of the memory to predict a batch in 32 bits.
        training_bytes: Estimate of the memory to train on a batch in 32 bits with AdamW.
        width: Width of the summary vector.
        tokens: Number of tokens that a fusion gets: positions of the map.
        map: Channels, height and width of the last map.
        stages: Maps that attention blocks can stand behind; empty for transformers.
        weights: Published weights, the one that the name loads first.

    The estimates are what tensors take: weights (in training four times: with gradients and two
    moments), and the activations that are alive at once or kept for the way back. Workspaces of
    kernels, the framework itself and other parts of a model come on top.
    """

    name: str
    family: str | None
    paper: str | None
    size: tuple[int, int]
    channels: int
    batch: int
    parameters: int
    multiply_adds: int
    inference_bytes: int
    training_bytes: int
    width: int
    tokens: int
    map: tuple[int, int, int]
    stages: tuple[Stage, ...]
    weights: tuple[Weights, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain values."""
        document = asdict(self)
        document["stages"] = [stage._asdict() for stage in self.stages]
        return document


def facts(
    name: str, size: tuple[int, int] | None = None, channels: int = 3, *, batch: int = 1
) -> EncoderFacts:
    """Return what an image encoder is and costs, without making or loading its weights.

    It is built and run on torch's meta device, where tensors have shapes and no numbers.

    Args:
        name: Any architecture of timm, with or without a weight tag.
        size: Height and width of the input in pixels; by default the recommended one.
        channels: Channels of the input.
        batch: Images at once, for the memory.

    Raises:
        UnknownNameError: There is no such architecture or tag.
        InputError: It cannot serve this size, or size, channels or batch are no positive numbers.

    Example:
        >>> found = facts("resnet18", size=(224, 224))
        >>> found.parameters, found.map, found.weights[0].licence
        (11176512, (512, 7, 7), 'apache-2.0')
        >>> round(found.multiply_adds / 1e9, 2)
        1.81
    """
    check_name(name)
    size = size or recommended_size(name)
    if min(*size, channels, batch) < 1:
        msg = f"size {size}, channels {channels} and batch {batch} must be at least 1"
        raise InputError(msg)
    return _facts(name, (size[0], size[1]), channels, batch)


def weights_of(name: str) -> tuple[Weights, ...]:
    """Return the published weights of an architecture, the one that the name loads first.

    Args:
        name: Architecture of timm, with or without a weight tag.
    """
    config = get_pretrained_cfg(name)
    own = config.tag if config is not None else None
    names = list_pretrained(f"{name.partition('.')[0]}.*")
    tags = {full.partition(".")[2]: licence_of(full) for full in names}
    return tuple(
        Weights(tag, tags[tag], commercial_use(tags[tag]))
        for tag in sorted(tags, key=lambda tag: (tag != own, tag))
    )


@lru_cache(maxsize=256)
def _facts(name: str, size: tuple[int, int], channels: int, batch: int) -> EncoderFacts:
    settings = spec.TimmEncoder(name=name)
    with torch.device("meta"), RealKernels():
        encoder = TimmEncoder(settings, channels=channels, sizes=[size], folder=Path())
        images = torch.zeros(batch, channels, *size)
        cost = measure(encoder, encoder, images)
        stages = map_stages(encoder.body.eval(), images[:1])
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    weights = sum(parameter.nbytes for parameter in encoder.parameters())
    fixed = sum(buffer.nbytes for buffer in encoder.buffers())
    group = family_of(name)
    height, width = encoder.grid(size)
    return EncoderFacts(
        name=name,
        family=group.name if group is not None else None,
        paper=group.paper if group is not None else None,
        size=size,
        channels=channels,
        batch=batch,
        parameters=parameters,
        multiply_adds=cost.multiply_adds // batch,
        inference_bytes=weights + fixed + cost.peak,
        training_bytes=WEIGHT_COPIES * weights + fixed + max(cost.saved, cost.peak),
        width=encoder.width.vector,
        tokens=height * width,
        map=(encoder.width.tokens, height, width),
        stages=tuple(stages),
        weights=weights_of(name),
    )
