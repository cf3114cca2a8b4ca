"""Logits of an ensemble whose predictions are the mean of its members' predictions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def of_labels(outputs: Tensor) -> Tensor:
    """Return the logits [n, L] of the mean of the members' sigmoids.

    Args:
        outputs: Logits of the members, [n, k, L].

    Example:
        >>> torch.sigmoid(of_labels(torch.logit(torch.tensor([[[0.2], [0.6]]]))))
        tensor([[0.4000]])
    """
    outputs = outputs.float()
    yes = torch.logsumexp(functional.logsigmoid(outputs), dim=1)
    return yes - torch.logsumexp(functional.logsigmoid(-outputs), dim=1)


def of_classes(outputs: Tensor) -> Tensor:
    """Return logits [n, C] whose softmax is the mean of the members' softmaxes.

    Args:
        outputs: Logits of the members, [n, k, C].

    Example:
        >>> two = torch.tensor([[[0.2, 0.8], [0.6, 0.4]]]).log()
        >>> torch.softmax(of_classes(two), dim=1)
        tensor([[0.4000, 0.6000]])
    """
    return torch.logsumexp(torch.log_softmax(outputs.float(), dim=2), dim=1)


def of_steps(outputs: Tensor) -> Tensor:
    """Return the logits [n, T] of steps of which the products of the sigmoids are the mean.

    A member goes beyond step t with chance sigmoid(o_1) ... sigmoid(o_t). The mean of these over
    the members falls with t too and has steps of its own.

    Args:
        outputs: Logits of the members' steps, [n, k, T].

    Example:
        >>> two = torch.logit(torch.tensor([[[0.5, 0.5], [0.9, 0.5]]]))
        >>> torch.sigmoid(of_steps(two)).cumprod(dim=1)
        tensor([[0.7000, 0.3500]])
    """
    # In double precision: the odds of a step that nearly all go beyond are a small difference.
    beyond = functional.logsigmoid(outputs.double()).cumsum(dim=2)
    mean = torch.logsumexp(beyond, dim=1) - torch.tensor(float(outputs.shape[1])).log()
    step = (mean - functional.pad(mean[:, :-1], (1, 0))).clamp(max=-torch.finfo(torch.float64).eps)
    return (step - torch.log(-torch.expm1(step))).float()
