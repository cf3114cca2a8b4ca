"""Making a timm model for the sizes of the images, or saying which sizes it can serve."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import nn

from medfusion.errors import InputError

REFUSALS = (
    AssertionError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What timm raises for an input size, or a request, that an architecture cannot serve."""

_STEP = 32
"""Architectures with windows, or with five halvings, mostly take multiples of this many pixels."""


def create_body(name: str, channels: int, sizes: list[tuple[int, int]]) -> nn.Module:
    """Return a timm model without classifier, its position embeddings made for the first size.

    Args:
        name: Architecture.
        channels: Input channels.
        sizes: Height and width in pixels of each input, without repeats.

    Raises:
        InputError: The architecture cannot serve a size, or not several.
    """
    config = get_pretrained_cfg(name)
    options: dict[str, Any] = {}
    if config is not None and config.fixed_input_size:
        options["img_size"] = sizes[0]
        if len(sizes) > 1:
            options["dynamic_img_size"] = True
    try:
        body = timm.create_model(name, num_classes=0, in_chans=channels, **options)
    except REFUSALS as error:
        if len(sizes) > 1 and "dynamic_img_size" in str(error):
            msg = f"image encoder {name!r} needs the same size for all views, got {sizes}"
            raise InputError(msg) from None
        raise refused(name, channels, sizes[0], error) from None
    _check_patches(body, name, sizes)
    return body


def refused(name: str, channels: int, size: tuple[int, int], error: Exception) -> InputError:
    """Return the error for a size that cannot be served; near ones that can are tried out.

    Args:
        name: Architecture.
        channels: Input channels.
        size: Height and width in pixels.
        error: What timm raised.
    """
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    near = [f"{height} x {width}" for height, width in near_sizes(name, channels, size)]
    advice = f"set the view's size to {' or '.join(near)}" if near else "choose another size"
    return InputError(
        f"image encoder {name!r} cannot serve images of {size[0]} x {size[1]} pixels ({reason}): "
        f"{advice}, or choose another encoder"
    )


def near_sizes(name: str, channels: int, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return sizes that an architecture can serve: the next smaller and the next larger one.

    Multiples of 32 pixels are tried on the meta device, then the size of the published weights.

    >>> near_sizes("hiera_tiny_224", 3, (80, 80))
    [(64, 64), (96, 96)]
    """
    down = [tuple(side // step * step for side in size) for step in (_STEP, 2 * _STEP)]
    up = [tuple(-(-side // step) * step for side in size) for step in (_STEP, 2 * _STEP)]
    config = get_pretrained_cfg(name)
    if config is not None:
        up.append(tuple(config.input_size[1:]))
    found = []
    for candidates in (down, up):
        tried = (c for c in dict.fromkeys(candidates) if min(c) > 0 and c != size)
        works = next((c for c in tried if _serves(name, channels, (c[0], c[1]))), None)
        if works is not None:
            found.append((works[0], works[1]))
    return sorted(set(found))


@torch.no_grad()
def _serves(name: str, channels: int, size: tuple[int, int]) -> bool:
    config = get_pretrained_cfg(name)
    options: dict[str, Any] = {}
    if config is not None and config.fixed_input_size:
        options["img_size"] = size
    try:
        with torch.device("meta"):
            body: Any = timm.create_model(name, num_classes=0, in_chans=channels, **options).eval()
            _check_patches(body, name, [size])
            body.forward_head(body.forward_features(torch.zeros(1, channels, *size)))
    except (*REFUSALS, InputError):
        return False
    return True


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
