"""What is followed while training, by kind of target."""

from __future__ import annotations

from medfusion.spec.target import TargetSpec

METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("loss", "auc", "average_precision", "accuracy", "balanced_accuracy", "brier"),
    "multiclass": ("loss", "auc", "accuracy", "balanced_accuracy", "f1"),
    "regression": ("loss", "rmse", "mae", "r2"),
    "segmentation": ("loss", "dice", "iou", "sensitivity", "ppv"),
    "survival": ("loss", "c_index"),
}
"""What is worked out on val after each epoch, by target kind; the second is the main one."""

SMALLER_IS_BETTER = frozenset({"loss", "brier", "rmse", "mae"})
"""Metrics that improve downwards."""


def metric_names(target: TargetSpec) -> tuple[str, ...]:
    """Return what is worked out on val after each epoch."""
    return METRICS[target.kind]


def main_metric(target: TargetSpec) -> str:
    """Return the metric that picks the best epoch, and that runs are compared by.

    >>> from medfusion.spec import RegressionTarget
    >>> main_metric(RegressionTarget(column="age"))
    'rmse'
    """
    return METRICS[target.kind][1]
