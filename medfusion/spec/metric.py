"""What is followed while training, by kind of target."""

from __future__ import annotations

from medfusion.spec.target import MultitaskTarget, TargetSpec

METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("loss", "auc", "average_precision", "accuracy", "balanced_accuracy", "brier"),
    "multiclass": ("loss", "auc", "accuracy", "balanced_accuracy", "f1"),
    "multilabel": ("loss", "auc", "auc_micro", "average_precision", "f1", "brier"),
    "ordinal": ("loss", "quadratic_kappa", "linear_kappa", "rank_mae", "accuracy", "within_one"),
    "regression": ("loss", "rmse", "mae", "r2"),
    "segmentation": ("loss", "dice", "iou", "sensitivity", "ppv"),
    "survival": ("loss", "c_index"),
}
"""What is worked out on val after each epoch, by target kind; the second is the main one."""

SMALLER_IS_BETTER = frozenset({"loss", "brier", "rmse", "mae", "rank_mae"})
"""Metrics that improve downwards."""


def metric_names(target: TargetSpec) -> tuple[str, ...]:
    """Return what is worked out on val after each epoch.

    Of a multitask target that is its loss and, as "<task>/<metric>", what each task has.
    """
    if isinstance(target, MultitaskTarget):
        tasks = [
            f"{name}/{one}" for name, task in target.tasks.items() for one in metric_names(task)
        ]
        return ("loss", *tasks)
    return METRICS[target.kind]


def main_metric(target: TargetSpec) -> str:
    """Return the metric that picks the best epoch.

    >>> from medfusion.spec import RegressionTarget
    >>> main_metric(RegressionTarget(column="age"))
    'rmse'
    """
    return "loss" if isinstance(target, MultitaskTarget) else METRICS[target.kind][1]


def main_metrics(target: TargetSpec) -> tuple[str, ...]:
    """Return the metrics that runs are compared by: one, or one for each task.

    >>> from medfusion.spec import BinaryTarget, MultitaskTarget, RegressionTarget
    >>> tasks = {"death": BinaryTarget(column="died"), "stay": RegressionTarget(column="days")}
    >>> main_metrics(MultitaskTarget(tasks=tasks))
    ('death/auc', 'stay/rmse')
    """
    if isinstance(target, MultitaskTarget):
        return tuple(f"{name}/{main_metric(task)}" for name, task in target.tasks.items())
    return (main_metric(target),)


def smaller_is_better(name: str) -> bool:
    """Return whether a metric improves downwards.

    >>> smaller_is_better("val/loss"), smaller_is_better("death/auc")
    (True, False)
    """
    return name.rpartition("/")[2] in SMALLER_IS_BETTER
