"""Losses: one module for each idea; the tasks average what they return.

What a loss offers follows from the targets that it fits:

- binary, multilabel: `of_labels(logits, target)`, both [...], target 0 or 1; the loss of each, [...].
- multiclass: `of_classes(logits, index)`, [B, K] and int64 [B]; the loss of each row, [B].
- regression: `of_numbers(output, wanted)`, both [B]; the loss of each row, [B].
- segmentation: `of_pixels(logits, labels, weights)`, [B, K, H, W] and int64 [B, H, W]; the loss
  of each image, [B]; or `of_classes`, which is then worked out pixel by pixel.
- ordinal: see `OrdinalLoss`.
"""

from __future__ import annotations

from typing import Any

from medfusion.registry import create
from medfusion.spec.loss import Loss
from medfusion.training.losses.asymmetric import Asymmetric
from medfusion.training.losses.cross_entropy import CrossEntropy
from medfusion.training.losses.deviation import Absolute, Huber, Squared
from medfusion.training.losses.dice import Dice, DiceCrossEntropy
from medfusion.training.losses.focal import Focal
from medfusion.training.losses.ordinal import Coral, Corn, OrdinalLoss

__all__ = [
    "Absolute",
    "Asymmetric",
    "Coral",
    "Corn",
    "CrossEntropy",
    "Dice",
    "DiceCrossEntropy",
    "Focal",
    "Huber",
    "OrdinalLoss",
    "Squared",
    "make_loss",
]


def make_loss(settings: Loss) -> Any:
    """Return what works a loss out."""
    return create(settings)
