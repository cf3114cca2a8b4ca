"""The Dice loss, alone and with the cross-entropy, over the pixels of images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.data.masks import IGNORE
from medfusion.registry import register


@register(spec.DiceLoss)
class Dice:
    """1 - (2 sum p t + s) / (sum p + sum t + s), the mean over the classes of each image.

    p is the softmax's probability of the class, t is 1 where it is true; sums are over the pixels
    of one image, or of a batch, that are not ignored. Milletari et al.,
    https://arxiv.org/abs/1606.04797.

    s keeps images without the class finite. Their gradient in the logits adds up to at most
    s S / (S + s)^2, S the sum of p: with s = 1 it outweighs that of images with the class as soon as
    S is about a pixel, and the net learns to predict nothing; with a small s it vanishes.

    Example:
        >>> loss = Dice(spec.DiceLoss())
        >>> sure = torch.tensor([[-9.0, 9.0]]).repeat(2, 1).reshape(1, 2, 1, 2)
        >>> round(float(loss.of_pixels(sure, torch.tensor([[[0, 1]]]))), 3)
        0.0
    """

    def __init__(self, settings: spec.DiceLoss | spec.DiceCrossEntropyLoss) -> None:
        self.smooth, self.background = settings.smooth, settings.background
        self.sides = (0, 2, 3) if settings.batch else (2, 3)

    def of_pixels(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of each image, float [B]; that of the batch for each where it is pooled.

        Args:
            logits: float [B, K, H, W].
            labels: Class of each pixel, int64 [B, H, W]; `IGNORE` does not count.
            weights: Weight of each class, [K]; by default all count alike.
        """
        first = 0 if self.background else 1
        known = (labels != IGNORE)[:, None]
        probability = logits.float().softmax(dim=1)[:, first:] * known
        truth = one_hot(labels, logits.shape[1])[:, first:].to(probability.dtype)
        shared = (probability * truth).sum(dim=self.sides, keepdim=True)
        total = (probability + truth).sum(dim=self.sides, keepdim=True)
        losses = 1 - (2 * shared + self.smooth) / (total + self.smooth)
        losses = losses.flatten(1).expand(len(logits), -1)
        if weights is None:
            return losses.mean(dim=1)
        share = weights[first:] / weights[first:].sum()
        return losses @ share.to(losses.dtype)


@register(spec.DiceCrossEntropyLoss)
class DiceCrossEntropy:
    """The sum of both with weights of their own, as in nnU-Net (https://arxiv.org/abs/1809.10486).

    Example:
        >>> loss = DiceCrossEntropy(spec.DiceCrossEntropyLoss(dice=0.0))
        >>> even = torch.zeros(1, 2, 1, 2)
        >>> round(float(loss.of_pixels(even, torch.tensor([[[0, 1]]]))), 4)
        0.6931
    """

    def __init__(self, settings: spec.DiceCrossEntropyLoss) -> None:
        self.dice = Dice(settings)
        self.shares = settings.dice, settings.cross_entropy

    def of_pixels(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of each image, float [B]; arguments as those of `Dice.of_pixels`."""
        overlap = self.dice.of_pixels(logits, labels, weights)
        entropy = functional.cross_entropy(
            logits.float(), labels, reduction="none", ignore_index=IGNORE
        )
        return self.shares[0] * overlap + self.shares[1] * mean_of_pixels(entropy, labels, weights)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return where each class is true, bool [B, K, H, W]; nowhere for ignored pixels."""
    each = torch.arange(classes, device=labels.device)
    return labels[:, None] == each[:, None, None]


def mean_of_pixels(losses: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean over the pixels of each image that are not ignored, [B]; 0 where all are.

    Args:
        losses: Of each pixel, [B, H, W].
        labels: int64 [B, H, W].
        weights: Weight of each class, [K].
    """
    known = labels != IGNORE
    share = known.to(losses.dtype)
    if weights is not None:
        share = share * weights[torch.where(known, labels, 0)]
    total = share.flatten(1).sum(dim=1)
    summed = torch.where(known, losses * share, 0).flatten(1).sum(dim=1)
    return summed / torch.where(total > 0, total, 1)
