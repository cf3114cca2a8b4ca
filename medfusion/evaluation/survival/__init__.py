"""How good predictions of survival times are, with part of the times censored."""

from medfusion.evaluation.survival.brier import brier_at
from medfusion.evaluation.survival.c_index import Pairs, concordance, concordance_index, uno_index
from medfusion.evaluation.survival.calibration import RiskGroups, calibration_at
from medfusion.evaluation.survival.censoring import Censoring
from medfusion.evaluation.survival.cox import CoxFit, fit_cox
from medfusion.evaluation.survival.kaplan_meier import SurvivalCurve, kaplan_meier
from medfusion.evaluation.survival.log_rank import LogRank, log_rank
from medfusion.evaluation.survival.time_dependent import auc_at

__all__ = [
    "Censoring",
    "CoxFit",
    "LogRank",
    "Pairs",
    "RiskGroups",
    "SurvivalCurve",
    "auc_at",
    "brier_at",
    "calibration_at",
    "concordance",
    "concordance_index",
    "fit_cox",
    "kaplan_meier",
    "log_rank",
    "uno_index",
]
