"""Where in an image encoder class-activation maps take the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from medfusion.errors import InputError

LEAST = 7
"""Positions along the shorter side that a map should have, as the usual one of a ResNet at 224 pixels."""

_SEED = 20
_TRIED = 48
"""Modules at the end of the encoder that are tried, each by one run."""


def twice_differentiable() -> AbstractContextManager[None]:
    """Let attention be computed by plain operations: fused ones have no second derivative."""
    return sdpa_kernel([SDPBackend.MATH])


class MapSource:
    """The last features by position that all of an encoder's answer passes through.

    As a rule these are its last ones. There are two exceptions. A transformer that answers from its
    class token alone reads the patches for the last time inside its last block, and the gradient is
    zero behind it: there the source is what that block is given. And where the last map has fewer
    than `LEAST` positions along a side, as that of a ResNet at 64 pixels, it is the last one that
    has as many, if there is any. Both are found by running the encoder on one image.

    Args:
        encoder: A `TimmEncoder`.
        channels: Channels of the images.
        sizes: Height and width in pixels of the images that it will see.

    Attributes:
        name: The module of the body whose output it is; empty for the encoder's last features.
        grids: Height and width of the map by size of the image.

    Raises:
        InputError: There is no such place in this encoder.

    Example:
        >>> from pathlib import Path
        >>> from medfusion import spec
        >>> from medfusion.models.backbones import TimmEncoder
        >>> def source(name, side):
        ...     encoder = TimmEncoder(
        ...         spec.TimmEncoder(name=name), channels=1, sizes=[(side, side)], folder=Path()
        ...     )
        ...     found = MapSource(encoder, 1, [(side, side)])
        ...     return found.name, found.grids[side, side]
        >>> source("test_resnet", 224), source("test_resnet", 64), source("test_vit", 64)
        (('', (7, 7)), ('layer2', (8, 8)), ('blocks.4', (4, 4)))
    """

    def __init__(self, encoder: Any, channels: int, sizes: Sequence[tuple[int, int]]) -> None:
        was = [(module, module.training) for module in encoder.modules()]
        encoder.eval()
        try:
            with torch.enable_grad(), twice_differentiable():
                self.name = _find(encoder, channels, min(sizes, key=min))
            if self.name is None:
                msg = (
                    f"image encoder {encoder.name!r} has no feature map that its answer comes "
                    "from, which class-activation maps need: choose another encoder"
                )
                raise InputError(msg)
            self._module = encoder.body.get_submodule(self.name) if self.name else None
            self.grids = {size: self._grid(encoder, channels, size) for size in sizes}
        finally:
            for module, mode in was:
                module.training = mode

    @torch.no_grad()
    def _grid(self, encoder: Any, channels: int, size: tuple[int, int]) -> tuple[int, int]:
        device = next(encoder.body.parameters()).device
        with self.keeping() as kept:
            kept.end(encoder.body.forward_features(torch.zeros(1, channels, *size, device=device)))
        height, width = encoder.to_map(kept.source, size).shape[2:]
        return height, width

    @contextmanager
    def keeping(self) -> Iterator[Kept]:
        """Keep the source of the run of the encoder that is made meanwhile."""
        with ExitStack() as stack:
            kept = Kept(stack, last=self._module is None)
            if self._module is not None:
                handle = self._module.register_forward_hook(lambda _m, _i, out: kept.take(out))
                stack.callback(handle.remove)
            yield kept


class Kept:
    """What one run of an encoder leaves for class-activation maps.

    Args:
        stack: Open while the encoder runs; behind the source everything is twice differentiable.
        last: Whether the encoder's last features are the source.

    Attributes:
        source: The features, None before the run.
    """

    def __init__(self, stack: ExitStack, *, last: bool) -> None:
        self._stack, self._last = stack, last
        self.source: Tensor | None = None

    def take(self, features: Tensor) -> Tensor:
        """Keep the features and return them."""
        self._stack.enter_context(twice_differentiable())
        self.source = features
        if torch.is_grad_enabled() and not features.requires_grad:  # behind a frozen encoder
            self.source = features.detach().requires_grad_()
            return self.source.clone()  # what comes next may change its input in place
        return features

    def end(self, raw: Tensor) -> Tensor:
        """Keep the encoder's last features, where they are the source, and return them."""
        return self.take(raw) if self._last else raw


def _find(encoder: Any, channels: int, size: tuple[int, int]) -> str | None:
    """Return the name of the source, "" for the last features, None where there is none."""
    body = encoder.body
    device = next(body.parameters()).device
    draw = torch.Generator().manual_seed(_SEED)
    images = torch.randn(1, channels, *size, generator=draw).to(device).requires_grad_()
    found: list[tuple[str, Tensor]] = []

    def record(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: found.append((name, output))

    def to_map(features: Tensor) -> Tensor:
        there: Tensor = encoder.to_map(features, size)
        return there

    with ExitStack() as stack:
        for name, module in body.named_modules():
            if name:
                stack.callback(module.register_forward_hook(record(name)).remove)
        raw = body.forward_features(images)
        found = [(name, output) for name, output in found if isinstance(output, Tensor)]
    answer = body.forward_head(raw, pre_logits=True)
    weights = torch.randn(answer.shape, generator=draw).to(answer)
    last = "" if _reads(answer, weights, [raw], to_map)[0] else None
    if raw.ndim == 4 and min(encoder.grid(size)) < LEAST:
        others = [(n, out) for n, out in found if out.ndim == 4 and _is_fine(to_map(out), size)]
    elif last is None:
        shapes = (raw.shape[1], to_map(raw).shape[2:].numel())
        others = [
            (n, out)
            for n, out in found
            if out.ndim == raw.ndim == 3 and out.shape[1] in shapes and out.shape[2] == raw.shape[2]
        ]
    else:
        return last
    read = _reads(answer, weights, [output for _, output in others], to_map)
    names = [name for (name, _), there in zip(others, read, strict=True) if there]
    nearest = reversed(names[-_TRIED:])
    return next((n for n in nearest if _is_passed_by_all(body, images, n, weights)), last)


def _is_fine(features: Tensor, size: tuple[int, int]) -> bool:
    """Return whether features [1, c, h, w] are a map of an image, and fine enough to point."""
    height, width = features.shape[2:]
    alike = abs(height * size[1] - width * size[0]) < max(size)
    return alike and LEAST <= min(height, width) < min(size)


def _reads(
    answer: Tensor, weights: Tensor, places: list[Tensor], to_map: Callable[[Tensor], Tensor]
) -> list[bool]:
    """Return whether the answer depends on the positions of features, for each."""
    if not places:
        return []
    grads = torch.autograd.grad(
        answer, places, grad_outputs=weights, allow_unused=True, retain_graph=True
    )
    return [grad is not None and bool(to_map(grad).any()) for grad in grads]


def _is_passed_by_all(body: Any, images: Tensor, name: str, weights: Tensor) -> bool:
    """Return whether nothing of the image reaches the answer past a module's output."""
    cut = body.get_submodule(name).register_forward_hook(lambda _m, _i, out: out.detach())
    try:  # until the gradient is there: gradient checkpointing runs the module again for it
        answer = body.forward_head(body.forward_features(images), pre_logits=True)
        if not answer.requires_grad:
            return True
        (grad,) = torch.autograd.grad(answer, images, grad_outputs=weights, allow_unused=True)
    finally:
        cut.remove()
    return grad is None or not bool(grad.any())
