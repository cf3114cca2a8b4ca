"""How metrics are called in a report, and in which order they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

LABELS = {
    "auc": "AUC",
    "auc_micro": "AUC, micro-average",
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "f1_micro": "F1, micro-average",
    "ppv_at_prevalence": "PPV at the given prevalence",
    "npv_at_prevalence": "NPV at the given prevalence",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "ece": "Expected calibration error",
    "threshold": "Threshold",
    "prevalence": "Prevalence",
    "quadratic_kappa": "Quadratic weighted kappa",
    "linear_kappa": "Linear weighted kappa",
    "rank_mae": "Mean absolute error (classes)",
    "within_one": "Within one class",
    "ranked_probability_score": "Ranked probability score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "bias": "Bias (mean error)",
    "pearson": "Pearson correlation",
    "c_index": "C-index (Harrell)",
    "c_index_uno": "C-index (Uno)",
    "auc_mean": "Time-dependent AUC, mean",
    "ibs": "Integrated Brier score",
    "observed_expected": "Observed / expected",
    "dice": "Dice",
    "iou": "Intersection over union",
    "hd95": "Hausdorff distance (95 %)",
    "area_difference": "Relative area difference",
    "area_error": "Relative area error",
    "loss": "Loss",
    "lr": "Learning rate",
}

IN_TARGET_UNITS = frozenset({"rmse", "mae", "bias", "hd95"})
"""Metrics in the unit of the target."""

MACRO = frozenset({"auc", "average_precision", "sensitivity", "specificity", "ppv", "npv", "f1"})
"""Metrics that are means over the classes where there are more than two."""

_MACRO_OF = {
    "multiclass": MACRO,
    "multilabel": frozenset({"auc", "average_precision", "f1", "brier"}),
    "ordinal": frozenset({"auc"}),
}

_PROPER = ("Brier", "C-index", "Dice", "Hausdorff", "Pearson", "R\N{SUPERSCRIPT TWO}")
_OF_CLASS = re.compile(r"(?P<metric>[a-z0-9_]+)\[(?P<name>.*)\]", re.DOTALL)


def of_class(name: str) -> tuple[str, str] | None:
    """Split the name of a metric of one class.

    >>> of_class("auc[naevus]"), of_class("auc")
    (('auc', 'naevus'), None)
    """
    found = _OF_CLASS.fullmatch(name)
    return (found["metric"], found["name"]) if found else None


def label(name: str, *, kind: str = "binary", unit: str | None = None) -> str:
    """Return what a metric is called.

    >>> label("auc"), label("auc", kind="multiclass"), label("rmse", unit="years")
    ('AUC', 'AUC, macro-average', 'RMSE (years)')
    """
    task, _, own = name.rpartition("/")
    if task:
        return f"{task}: {label(own, kind=kind, unit=unit)}"
    text = LABELS.get(name, name)
    if name in _MACRO_OF.get(kind, ()):
        text += ", macro-average"
    if unit and name in IN_TARGET_UNITS:
        text += f" ({unit})"
    return text


def inside(name: str) -> str:
    """Return the name of a metric as it stands inside a sentence.

    >>> inside("Brier score"), inside("Log loss"), inside("AUC")
    ('Brier score', 'log loss', 'AUC')
    """
    proper = name[1:2].isupper() or name[1:2].isdigit() or name.startswith(_PROPER)
    return name if proper else name[:1].lower() + name[1:]


def level_free(method: str) -> str:
    """Return how an interval was worked out without its level, where a heading gives that.

    >>> level_free("DeLong, 95 %")
    'DeLong'
    """
    return re.sub(r", [\d.]+ ?%$", "", method)


def ordered(names: Iterable[str]) -> list[str]:
    """Sort metrics as reports list them; unknown ones last, as they came."""
    places = {name: place for place, name in enumerate(LABELS)}
    return sorted(names, key=lambda name: places.get(name, len(places)))
