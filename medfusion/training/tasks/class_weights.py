"""Weights of classes in a loss."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from medfusion.errors import SpecError
from medfusion.spec import Training


def class_weights(
    training: Training, classes: tuple[str, ...], target: np.ndarray
) -> tuple[float, ...] | None:
    """Return the weight of each class, mean 1 over the training rows; None where all are alike.

    Args:
        training: Asks for them.
        classes: Names of the classes.
        target: Class indices of the training rows, [n].

    Raises:
        SpecError: There is not one weight per class.
    """
    if training.class_weights == "none":
        return None
    counts = np.bincount(target, minlength=len(classes)).astype(float)
    if training.class_weights == "balanced":
        weights = 1.0 / np.maximum(counts, 1.0)
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


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of losses [B] by weights [B], as `cross_entropy` averages them."""
    return (losses * weights).sum() / weights.sum()
