"""Weights of classes in a loss."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from medfusion.errors import SpecError
from medfusion.spec import EffectiveNumber, Training


def class_weights(
    training: Training, classes: tuple[str, ...], target: np.ndarray
) -> tuple[float, ...] | None:
    """Return the weight of each class, mean 1 over the training rows; None where all are alike.

    Args:
        training: Asks for them.
        classes: Names of the classes.
        target: Class indices of the training rows, [n], or counts of each class, [n, K].

    Raises:
        SpecError: There is not one weight per class.
    """
    if training.class_weights == "none":
        return None
    per_row = target.ndim > 1
    counts = target.sum(axis=0) if per_row else np.bincount(target, minlength=len(classes))
    counts = counts.astype(float)
    if training.class_weights == "balanced":
        weights = 1.0 / np.maximum(counts, 1.0)
    elif isinstance(training.class_weights, EffectiveNumber):
        weights = effective_weights(counts, training.class_weights.beta)
    else:
        weights = np.asarray(training.class_weights, dtype=float)
        if len(weights) != len(classes):
            msg = (
                f"training.class_weights has {len(weights)} values for {len(classes)} "
                f"classes ({', '.join(classes)})"
            )
            raise SpecError(msg)
    weights = weights * counts.sum() / (weights * counts).sum()
    return tuple(weights.tolist())


def effective_weights(counts: np.ndarray, beta: float) -> np.ndarray:
    """Return weights inverse to the effective number (1 - beta^n) / (1 - beta) of n cases.

    Cui et al., https://arxiv.org/abs/1901.05555.

    Args:
        counts: Cases of each class, [K]; a class without cases is weighed as if it had one.
        beta: 0 to below 1.

    Example:
        >>> effective_weights(np.array([1.0, 2.0]), 0.5)
        array([1.        , 0.66666667])
    """
    weights: np.ndarray = (
        (1 - beta) / -np.expm1(np.maximum(counts, 1) * np.log(beta))
        if beta
        else np.ones(len(counts))
    )
    return weights


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of losses [B] by weights [B], as `cross_entropy` averages them."""
    return (losses * weights).sum() / weights.sum()
