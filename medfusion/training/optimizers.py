"""Optimizers by spec, with every trainable parameter in exactly one group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from medfusion import spec
from medfusion.registry import create, register


def make_optimizer(
    model: nn.Module, encoder: Iterable[nn.Parameter], settings: Any
) -> torch.optim.Optimizer:
    """Return the optimizer of a model.

    Biases and norms (parameters with fewer than two dimensions) are not decayed; the image
    encoder has its own learning rate.

    Args:
        model: Its parameters with `requires_grad` are optimized, all of them.
        encoder: Parameters of the image encoder.
        settings: The optimizer's spec.
    """
    optimizer: torch.optim.Optimizer = create(
        settings, groups=parameter_groups(model, encoder, settings)
    )
    return optimizer


def parameter_groups(
    model: nn.Module, encoder: Iterable[nn.Parameter], settings: Any
) -> list[dict[str, Any]]:
    """Return the groups of trainable parameters; `lr` of each is its base learning rate."""
    in_encoder = {id(parameter) for parameter in encoder}
    decay = getattr(settings, "weight_decay", 0.0)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            key = (id(parameter) in in_encoder, parameter.ndim >= 2)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": settings.lr * (settings.encoder_lr_scale if of_encoder else 1.0),
            "weight_decay": decay if decayed else 0.0,
        }
        for (of_encoder, decayed), parameters in groups.items()
    ]


@register(spec.AdamW)
def adamw(settings: spec.AdamW, *, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return AdamW (https://arxiv.org/abs/1711.05101)."""
    return torch.optim.AdamW(groups, betas=settings.betas)


@register(spec.Adam)
def adam(settings: spec.Adam, *, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return Adam (https://arxiv.org/abs/1412.6980)."""
    return torch.optim.Adam(groups, betas=settings.betas)


@register(spec.SGD)
def sgd(settings: spec.SGD, *, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return stochastic gradient descent with Nesterov momentum."""
    momentum = settings.momentum
    return torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0)
