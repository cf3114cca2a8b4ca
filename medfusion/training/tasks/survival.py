"""The time until an event: what both ways of learning it have in common."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from medfusion.evaluation import FollowUp
from medfusion.registry import create
from medfusion.spec import CoxLoss, Training
from medfusion.spec.loss import Loss
from medfusion.spec.target import SurvivalTarget, TargetSpec
from medfusion.training.tasks.contract import Task


@dataclasses.dataclass(frozen=True)
class SurvivalTask(Task):
    """A risk, and the survival at some times.

    Attributes:
        times: Times at which survival is predicted, rising.
        horizons: Those of them that figures are given for.
    """

    kind: ClassVar[str] = "survival"
    standard: ClassVar[Loss] = CoxLoss()
    times: tuple[float, ...] = ()
    horizons: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Work out times and horizons, and what the loss needs."""
        del classes
        known = FollowUp.of_training(target[:, 0], target[:, 1], _horizons(spec))
        task: Self = create(
            training.loss or cls.standard, target=target, times=known.times, horizons=known.horizons
        )
        return task

    @property
    def columns(self) -> list[str]:
        """The risk, and the survival at each time once it can be predicted."""
        survival = self.follow_up(np.zeros((0, 2))).columns if self.ready else []
        return ["risk", *survival]

    def follow_up(self, target: np.ndarray) -> FollowUp:
        """Return what the predictions are judged with.

        Args:
            target: Time and event of the training rows, [m, 2].
        """
        return FollowUp(self.times, self.horizons, *np.asarray(target, dtype=np.float64).T)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Make the task from what `to_json` gave."""
        if cls is not SurvivalTask:
            return super().from_json(document)
        known = {task.standard.kind: task for task in cls.__subclasses__()}
        found: Self = known[document["criterion"]["kind"]].from_json(document)
        return found


def _horizons(spec: TargetSpec) -> tuple[float, ...] | None:
    return spec.horizons if isinstance(spec, SurvivalTarget) else None
