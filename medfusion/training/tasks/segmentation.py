"""The class of every pixel."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from medfusion.data.masks import IGNORE
from medfusion.spec import DiceCrossEntropyLoss, Training
from medfusion.spec.loss import Loss
from medfusion.spec.target import TargetSpec
from medfusion.training.losses.dice import mean_of_pixels, one_hot
from medfusion.training.tasks.class_weights import class_weights
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class SegmentationTask(Task):
    """One map of outputs for each class.

    Attributes:
        class_weights: Weight of each class in the loss, mean 1 over the training pixels.
    """

    kind: ClassVar[str] = "segmentation"
    standard: ClassVar[Loss] = DiceCrossEntropyLoss()
    class_weights: tuple[float, ...] | None = None

    @classmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out the weights of the classes from the pixels of each, [n, K]."""
        del spec
        return cls(classes, class_weights(training, classes, target), criterion=training.loss)

    @property
    def outputs(self) -> int:
        """One for each class."""
        return len(self.classes)

    @property
    def columns(self) -> list[str]:
        """Pixels predicted, of these in the reference, and distance, for each class but the first."""
        names = self.classes[1:]
        return [f"{score}_{name}" for name in names for score in ("area", "overlap", "hd95")]

    @property
    def answers(self) -> list[str]:
        """The pixels of each class but the first."""
        return [f"area_{name}" for name in self.classes[1:]]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of the images.

        Args:
            logits: [B, K, H, W].
            target: Class of each pixel, int64 [B, H, W]; 255 where nothing is known.
        """
        return self._of_images(logits, target).mean()

    def _of_images(self, logits: Tensor, target: Tensor) -> Tensor:
        weights = None
        if self.class_weights is not None:
            weights = torch.tensor(self.class_weights, dtype=logits.dtype, device=logits.device)
        if hasattr(self.function, "of_pixels"):
            losses: Tensor = self.function.of_pixels(logits, target, weights)
            return losses
        known = torch.where(target == IGNORE, 0, target)
        flat = logits.movedim(1, -1).reshape(-1, logits.shape[1])
        each = self.function.of_classes(flat, known.flatten()).reshape(target.shape)
        return mean_of_pixels(each, target, weights)

    def keep(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return counts of pixels in place of the images, which no memory would hold.

        Returns:
            Loss, then for each class but the first its predicted pixels and how many of them
            overlap the reference, float64 [B, 1 + 2 (K - 1)]; the pixels of each class in the
            reference, int64 [B, K]. Ignored pixels are in neither.
        """
        found = one_hot(logits.argmax(dim=1), len(self.classes)) & (target != IGNORE)[:, None]
        truth = one_hot(target, len(self.classes))
        counts = torch.stack([found.sum(dim=(2, 3)), (found & truth).sum(dim=(2, 3))], dim=2)
        loss = self._of_images(logits, target).double()
        kept = torch.cat([loss[:, None], counts[:, 1:].flatten(1).double()], dim=1)
        return kept.cpu(), truth.sum(dim=(2, 3)).cpu()

    def loss_of(self, kept: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of the images that `keep` was given."""
        del target
        return kept[:, 0].mean()

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the scores of what `keep` kept, [n, 3 (K - 1)]; distances, not worked out, are NaN."""
        counts = logits[:, 1:].reshape(len(logits), -1, 2)
        distance = torch.full_like(counts[:, :, :1], torch.nan)
        return torch.cat([counts, distance], dim=2).flatten(1).numpy()
