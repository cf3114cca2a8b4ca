"""Training only a part of an image encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from timm.models import group_parameters
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medfusion.errors import InputError


def stages(model: Any) -> list[list[str]]:
    """Return the names of a timm model's parameters by stage, first to last.

    A stage is what timm counts as one: stem and layer1 to layer4 of a ResNet, patch embedding and
    each block of a ViT. A norm behind the last stage belongs to it.

    Raises:
        InputError: timm does not know the stages of this model.
    """
    try:
        grouped = group_parameters(model, model.group_matcher(coarse=True))
    except (AttributeError, AssertionError):
        msg = (
            f"the stages of {type(model).__name__} are not known: "
            'set model.image.trainable to "all" or "none"'
        )
        raise InputError(msg) from None
    found = [grouped[index] for index in sorted(grouped)]
    shapes = {name: parameter.ndim for name, parameter in model.named_parameters()}
    while len(found) > 1 and all(shapes[name] < 2 for name in found[-1]):
        found[-2:] = [found[-2] + found[-1]]
    return found


def freeze(model: nn.Module, trainable: Literal["all", "none"] | int) -> None:
    """Switch gradients off for all but what is to be trained.

    Args:
        model: A timm model.
        trainable: "all", "none", or how many of the last stages.

    Raises:
        InputError: There are fewer stages.
    """
    if trainable == "all":
        return
    kept: set[str] = set()
    if trainable != "none":
        found = stages(model)
        if trainable > len(found):
            msg = f"model.image.trainable is {trainable}, but this encoder has {len(found)} stages"
            raise InputError(msg)
        kept = {name for stage in found[-trainable:] for name in stage}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in kept)


def rest_frozen(model: nn.Module) -> None:
    """Put frozen parts into evaluation mode: their running statistics and dropout stand still."""
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


@contextmanager
def running_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms use, and not change, their running statistics for a while."""
    changed = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    for module in changed:
        module.training = False
    try:
        yield
    finally:
        for module in changed:
            module.training = True


@contextmanager
def still_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms norm by the batch, as in training, without moving running statistics."""
    kept = [
        (module, dict(module._buffers))  # noqa: SLF001 - there is no public way to swap them
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training
    ]
    # Copies take the change: what autograd holds of the buffers themselves must stay as it is.
    for module, buffers in kept:
        copies = {
            name: value if value is None else value.clone() for name, value in buffers.items()
        }
        module._buffers.update(copies)  # noqa: SLF001
    try:
        yield
    finally:
        for module, buffers in kept:
            module._buffers.update(buffers)  # noqa: SLF001
