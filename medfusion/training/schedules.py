"""Learning-rate schedules as plain functions of the step, so that resuming needs no history.

A schedule gives the factor on the base learning rate of each parameter group. Only the plateau
schedule remembers anything; its memory is part of the checkpoint.
"""

from __future__ import annotations

import abc
import math
from typing import Any

from medfusion import spec
from medfusion.registry import register


class Schedule(abc.ABC):
    """Factor on the learning rate at each step.

    Args:
        settings: The schedule's spec.
        steps_per_epoch: Steps of the optimizer in one epoch.
        epochs: Epochs asked for.
        smaller_is_better: Whether the monitored value improves downwards.
    """

    def __init__(
        self, settings: Any, *, steps_per_epoch: int, epochs: int, smaller_is_better: bool
    ) -> None:
        self.settings = settings
        self.steps_per_epoch = steps_per_epoch
        self.total = max(1, steps_per_epoch * epochs)
        self.smaller_is_better = smaller_is_better
        self.warmup = round(getattr(settings, "warmup", 0.0) * steps_per_epoch)

    def factor(self, step: int) -> float:
        """Return the factor for the step that follows `step` completed ones."""
        if step < self.warmup:
            return 0.01 + 0.99 * step / self.warmup
        return self.after_warmup(step)

    @abc.abstractmethod
    def after_warmup(self, step: int) -> float:
        """Return the factor once the warm-up is over."""

    def epoch_end(self, value: float | None) -> None:  # noqa: B027 - most schedules do not care
        """Take note of the monitored value after an epoch."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {}

    def load(self, state: dict[str, Any]) -> None:  # noqa: B027 - most schedules keep nothing
        """Take over what a checkpoint kept."""


@register(spec.ConstantSchedule)
class Constant(Schedule):
    """The learning rate stays."""

    def after_warmup(self, step: int) -> float:  # noqa: ARG002 - the same at every step
        """Return 1."""
        return 1.0


@register(spec.CosineSchedule)
class Cosine(Schedule):
    """Half a cosine down to `final` (https://arxiv.org/abs/1608.03983, without restarts)."""

    def after_warmup(self, step: int) -> float:
        """Return the cosine between warm-up and end."""
        done = min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))
        final = self.settings.final
        return float(final + (1 - final) * (1 + math.cos(math.pi * done)) / 2)


@register(spec.StepSchedule)
class Step(Schedule):
    """A drop every few epochs."""

    def after_warmup(self, step: int) -> float:
        """Return gamma to the number of drops so far."""
        epoch = step // self.steps_per_epoch
        return float(self.settings.gamma ** (epoch // self.settings.every))


@register(spec.PlateauSchedule)
class Plateau(Schedule):
    """A drop when the monitored value stays."""

    def __init__(self, settings: Any, **context: Any) -> None:
        super().__init__(settings, **context)
        self.best: float | None = None
        self.waited = 0
        self.drops = 0

    def after_warmup(self, step: int) -> float:  # noqa: ARG002 - epochs decide, not steps
        """Return gamma to the number of drops so far."""
        return float(self.settings.gamma**self.drops)

    def epoch_end(self, value: float | None) -> None:
        """Count epochs without improvement; an epoch without a value counts as one."""
        if value is not None and self._better(value):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited > self.settings.patience:
            self.drops, self.waited = self.drops + 1, 0

    def _better(self, value: float) -> bool:
        if self.best is None:
            return True
        return value < self.best if self.smaller_is_better else value > self.best

    def state(self) -> dict[str, Any]:
        """Return the best value and the counts."""
        return {"best": self.best, "waited": self.waited, "drops": self.drops}

    def load(self, state: dict[str, Any]) -> None:
        """Take over the best value and the counts."""
        self.best, self.waited, self.drops = state["best"], state["waited"], state["drops"]


@register(spec.OneCycleSchedule)
class OneCycle(Schedule):
    """Up along a cosine from 1/25, then down to 1/250 000 (https://arxiv.org/abs/1708.07120)."""

    def after_warmup(self, step: int) -> float:
        """Return the factor on the way up or down."""
        peak = max(1.0, self.settings.rise * self.total)
        if step < peak:
            return _cosine(1 / 25, 1.0, step / peak)
        return _cosine(1.0, 1 / 250_000, (step - peak) / max(1.0, self.total - 1 - peak))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, done))) / 2
