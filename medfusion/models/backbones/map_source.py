"""Where in an image encoder class-activation maps take the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from medfusion.errors import InputError

_SEED = 20
_TRIED = 48
"""Modules at the end of the encoder that are tried, each by one run."""


def twice_differentiable() -> AbstractContextManager[None]:
    """Let attention be computed by plain operations: fused ones have no second derivative."""
    return sdpa_kernel([SDPBackend.MATH])


class MapSource:
    """The last features by position that all of an encoder's answer passes through.

    As a rule these are its last ones. A transformer that answers from its class token alone reads
    the patches for the last time inside its last block, and the gradient is zero behind it: there
    the source is what that block is given. It is found by running the encoder on one image.

    Args:
        encoder: A `TimmEncoder`.
        channels: Channels of the images.
        size: Height and width of the images in pixels.

    Attributes:
        name: The module of the body whose output it is; empty for the encoder's last features.

    Raises:
        InputError: There is no such place in this encoder.

    Example:
        >>> from pathlib import Path
        >>> from medfusion import spec
        >>> from medfusion.models.backbones import TimmEncoder
        >>> def source(name):
        ...     encoder = TimmEncoder(
        ...         spec.TimmEncoder(name=name), channels=1, sizes=[(64, 64)], folder=Path()
        ...     )
        ...     return MapSource(encoder, 1, (64, 64)).name
        >>> source("test_resnet"), source("test_vit")
        ('', 'blocks.4')
    """

    def __init__(self, encoder: Any, channels: int, size: tuple[int, int]) -> None:
        body = encoder.body
        device = next(body.parameters()).device
        draw = torch.Generator().manual_seed(_SEED)
        images = torch.randn(1, channels, *size, generator=draw).to(device).requires_grad_()
        was = [(module, module.training) for module in encoder.modules()]
        encoder.eval()
        try:
            with torch.enable_grad(), twice_differentiable():
                self.name = _find(body, images, lambda raw: encoder.to_map(raw, size))
        finally:
            for module, mode in was:
                module.training = mode
        if self.name is None:
            msg = (
                f"image encoder {encoder.name!r} has no feature map that its answer comes from, "
                "which class-activation maps need: choose another encoder"
            )
            raise InputError(msg)
        self._module = body.get_submodule(self.name) if self.name else None

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


def _find(body: Any, images: Tensor, to_map: Callable[[Tensor], Tensor]) -> str | None:
    """Return the name of the source, "" for the last features, None where there is none."""
    found: list[tuple[str, Tensor]] = []

    def record(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: found.append((name, output))

    with ExitStack() as stack:
        for name, module in body.named_modules():
            if name:
                stack.callback(module.register_forward_hook(record(name)).remove)
        raw = body.forward_features(images)
        found = list(found)
    answer = body.forward_head(raw, pre_logits=True)
    weights = torch.randn(answer.shape, generator=torch.Generator().manual_seed(_SEED)).to(answer)
    if _reads(answer, weights, [raw], to_map)[0]:
        return ""
    alike = [
        (name, output)
        for name, output in found
        if isinstance(output, Tensor)
        and output.ndim == raw.ndim == 3
        and output.shape[1] in (raw.shape[1], to_map(raw).shape[2:].numel())
        and output.shape[2] == raw.shape[2]
    ]
    read = _reads(answer, weights, [output for _, output in alike], to_map)
    names = [name for (name, _), there in zip(alike, read, strict=True) if there]
    last = reversed(names[-_TRIED:])
    return next((n for n in last if _is_passed_by_all(body, images, n, weights)), None)


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
