"""What may watch training: any object with some of these methods."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class StepReport:
    """One step of the optimizer.

    Attributes:
        step: Steps completed, from 1.
        epoch: Epoch it belongs to, from 1.
        loss: Mean loss of the step's rows, all parts together.
        parts: The parts of the loss by name, "task" first; empty where that is all.
        lr: Learning rate of the first parameter group.
        grad_norm: Norm of the gradient before clipping; None where it is not worked out.
        seconds: Duration of the step.
        wait_seconds: How much of it was spent waiting for data.
    """

    step: int
    epoch: int
    loss: float
    lr: float
    grad_norm: float | None
    seconds: float
    wait_seconds: float
    parts: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class EpochReport:
    """One epoch with its validation.

    Attributes:
        epoch: Epochs completed, from 1.
        step: Steps completed.
        metrics: "train/loss", "val/loss" and the metrics of the target on val.
        best: Whether this is the best epoch so far.
        seconds: Duration, validation included.
        data_wait: Share of the training's time that it waited for data, 0 to 1.
        classes: Metrics of each class by itself: by metric, then by class.
        inside: Mean, low and high (quantiles of the validation rows) of gates, attention weights
            and load of experts, by name.
    """

    epoch: int
    step: int
    metrics: dict[str, float]
    best: bool
    seconds: float
    data_wait: float = 0.0
    classes: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    inside: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)


class Callback:
    """Watches training. Every method may be left as it is."""

    def on_train_begin(self, engine: Any) -> None:
        """Training starts or goes on."""

    def on_step_end(self, engine: Any, report: StepReport) -> None:
        """A step of the optimizer is done."""

    def on_gradients(self, engine: Any, step: int, norms: dict[str, float]) -> None:
        """The gradient of a step is there, not clipped yet; its norm by part of the model."""

    def on_validation_step(self, engine: Any) -> None:
        """A batch of validation is done."""

    def on_epoch_end(self, engine: Any, report: EpochReport) -> None:
        """An epoch and its validation are done."""

    def on_train_end(self, engine: Any) -> None:
        """Training is over: all epochs, early stopping or a stop that was asked for."""
