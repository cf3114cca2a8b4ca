"""Tasks: what a target asks of training, one module for each kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from medfusion.spec import Training
from medfusion.spec.target import TargetSpec
from medfusion.training.tasks.binary import BinaryTask
from medfusion.training.tasks.contract import Judged, Task
from medfusion.training.tasks.cox import CoxTask
from medfusion.training.tasks.discrete_time import DiscreteTimeTask
from medfusion.training.tasks.multiclass import MulticlassTask
from medfusion.training.tasks.multilabel import MultilabelTask
from medfusion.training.tasks.multitask import MultitaskTask
from medfusion.training.tasks.ordinal import OrdinalTask
from medfusion.training.tasks.regression import RegressionTask
from medfusion.training.tasks.segmentation import SegmentationTask
from medfusion.training.tasks.survival import SurvivalTask

TASKS: dict[str, type[Task]] = {
    task.kind: task
    for task in (
        BinaryTask,
        MulticlassTask,
        MultilabelTask,
        OrdinalTask,
        RegressionTask,
        SegmentationTask,
        SurvivalTask,
        MultitaskTask,
    )
}
"""The task of each kind of target."""

__all__ = ["TASKS", "CoxTask", "DiscreteTimeTask", "Judged", "Task", "fit_task", "task_from_json"]


def fit_task(
    spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
) -> Task:
    """Work out the task from the targets of the training rows.

    Args:
        spec: What is to be predicted.
        classes: Names of the classes; empty where there are none.
        target: Targets of the training rows, [n] or [n, C].
        training: For the loss.

    Raises:
        SpecError: The loss does not fit the target.
    """
    return TASKS[spec.kind].fit(spec, classes, target, training)


def task_from_json(document: dict[str, Any]) -> Task:
    """Make the task from what `Task.to_json` gave."""
    return TASKS[document["kind"]].from_json(document)
