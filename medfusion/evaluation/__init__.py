"""How good predictions are: metrics with intervals, operating points, calibration, comparison."""

from medfusion.evaluation.calibration import calibration_bins, calibration_curve
from medfusion.evaluation.compare import Comparison, compare, compare_auc
from medfusion.evaluation.discrimination import precision_recall_curve, roc_curve
from medfusion.evaluation.evaluate import epoch_metrics, evaluate
from medfusion.evaluation.follow_up import FollowUp
from medfusion.evaluation.metric import Metric
from medfusion.evaluation.multiclass import confusion_matrix
from medfusion.evaluation.operating_point import Confusion
from medfusion.evaluation.regression import bland_altman
from medfusion.evaluation.survival import (
    auc_at,
    brier_at,
    calibration_at,
    concordance_index,
    kaplan_meier,
    log_rank,
    uno_index,
)
from medfusion.evaluation.threshold import choose_threshold

__all__ = [
    "Comparison",
    "Confusion",
    "FollowUp",
    "Metric",
    "auc_at",
    "bland_altman",
    "brier_at",
    "calibration_at",
    "calibration_bins",
    "calibration_curve",
    "choose_threshold",
    "compare",
    "compare_auc",
    "concordance_index",
    "confusion_matrix",
    "epoch_metrics",
    "evaluate",
    "kaplan_meier",
    "log_rank",
    "precision_recall_curve",
    "roc_curve",
    "uno_index",
]
