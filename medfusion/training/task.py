"""What the target asks of training: width of the output, loss, predictions from logits."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medfusion.errors import SpecError
from medfusion.spec import Training


@dataclasses.dataclass(frozen=True)
class Task:
    """The target of a run.

    Attributes:
        kind: "binary", "multiclass" or "regression".
        classes: Names of the classes in the order of the outputs; empty for a regression.
        class_weights: Weight of each class in the loss, mean 1 over the training rows.
        mean: Mean of a regression's target in training, in its own unit.
        sd: Its standard deviation; the model learns (target - mean) / sd.
    """

    kind: str
    classes: tuple[str, ...] = ()
    class_weights: tuple[float, ...] | None = None
    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def fit(cls, kind: str, classes: tuple[str, ...], target: np.ndarray, spec: Training) -> Self:
        """Work out the task from the targets of the training rows.

        Args:
            kind: Kind of the target.
            classes: Names of the classes.
            target: Class indices or numbers of the training rows, shape [n].
            spec: For the class weights.

        Raises:
            SpecError: There is not one weight per class.
        """
        if kind == "regression":
            sd = float(target.std())
            return cls(kind, mean=float(target.mean()), sd=sd if sd > 0 else 1.0)
        counts = np.bincount(target, minlength=len(classes)).astype(float)
        if spec.class_weights == "none":
            return cls(kind, classes)
        if spec.class_weights == "balanced":
            weights = 1.0 / np.maximum(counts, 1.0)
        else:
            weights = np.asarray(spec.class_weights, dtype=float)
            if len(weights) != len(classes):
                msg = (
                    f"training.class_weights has {len(weights)} values for {len(classes)} "
                    f"classes ({', '.join(classes)})"
                )
                raise SpecError(msg)
        weights = weights * counts.sum() / (weights * counts).sum()
        return cls(kind, classes, tuple(weights.tolist()))

    @property
    def outputs(self) -> int:
        """Width of the model's output."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss over the rows.

        Args:
            logits: The model's output, shape [B, outputs].
            target: Class indices or numbers, shape [B].
        """
        if self.kind == "regression":
            wanted = (target.to(logits.dtype) - self.mean) / self.sd
            return functional.mse_loss(logits[:, 0], wanted)
        weights = None
        if self.class_weights is not None:
            weights = torch.tensor(self.class_weights, dtype=logits.dtype, device=logits.device)
        if self.kind == "binary":
            losses = functional.binary_cross_entropy_with_logits(
                logits[:, 0], target.to(logits.dtype), reduction="none"
            )
            # As in cross_entropy below, the weights are averaged out over the batch.
            return losses.mean() if weights is None else _weighted(losses, weights[target])
        return functional.cross_entropy(logits, target, weight=weights)

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return probabilities [n, classes] or values [n] in the target's own unit, float64."""
        logits = logits.detach().to("cpu", torch.float64)
        if self.kind == "regression":
            return (logits[:, 0] * self.sd + self.mean).numpy()
        if self.kind == "binary":
            positive = torch.sigmoid(logits[:, 0])
            return torch.stack([1 - positive, positive], dim=1).numpy()
        return torch.softmax(logits, dim=1).numpy()

    def to_json(self) -> dict[str, Any]:
        """Return the task as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Make the task from what `to_json` gave."""
        weights = document["class_weights"]
        return cls(
            kind=document["kind"],
            classes=tuple(document["classes"]),
            class_weights=None if weights is None else tuple(weights),
            mean=document["mean"],
            sd=document["sd"],
        )


def _weighted(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights).sum() / weights.sum()
